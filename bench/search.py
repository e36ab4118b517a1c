"""`grep` and `glob` through a server, beside ripgrep and find, on trees of real source.

Usage: python -m bench.search [ROUNDS]

The trees are made in a temporary folder: copies of this interpreter's library up to 200 MB, and
50 000 small files. Every call gets a fresh cell; the files are in the page cache for both sides.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from bench.calls import ByLines, Server, by_lines

SOURCE_BYTES = 200_000_000
SMALL_FILES, SMALL_FOLDERS = 50_000, 500
KINDS = {".c", ".cfg", ".css", ".h", ".html", ".js", ".md", ".py", ".pyi", ".rst", ".toml", ".txt"}
MOST = 4.0  # times what the native tool takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One search: the call, the native command, and what both are to have found."""

    name: str
    tool: str
    arguments: dict[str, str]
    native: list[str]


def grep(name: str, pattern: str, *flags: str, **arguments: str) -> Task:
    """Return a search of all files; ripgrep counts, too, so that both read every file whole."""
    return Task(
        name=name,
        tool="grep",
        arguments={"pattern": pattern, "path": "source", "output_mode": "count", **arguments},
        native=["rg", "-j1", "--count", *flags, "--", pattern, "source"],
    )


def glob(name: str, pattern: str, *flags: str) -> Task:
    """Return a search by name."""
    find = ["find", "small", "-type", "f", "-name", pattern, *flags]
    return Task(
        name=name, tool="glob", arguments={"pattern": pattern, "path": "small"}, native=find
    )


NONE = glob("glob, no file", "*.none")
EVERY = glob("glob, every file; find reads times", "*", "-printf", r"%T@ %p\n")
TASKS = (
    grep("grep, a word that is nowhere", "zzqqxx"),
    grep("grep, a text in a quarter of the files", "def __init__"),
    grep("grep, a class of characters", r"\w+_handler\("),
    grep("grep, to the end of the line", r"class \w+\(.*Error\):$"),
    grep("grep, alternatives", "foo|barbaz|quux"),
    grep("grep, any case", "(?i)deprecated"),
    NONE,
    glob("glob, one file of fifty", "*.toml"),
    glob("glob, every file; find reads no times", "*"),
    EVERY,
)


def make_source(top: Path) -> int:
    """Copy real source until it is enough; return the number of files."""
    count, size = 0, 0
    for number, file in enumerate(source_files()):
        copy = top / str(number // 10_000) / f"{file.parent.name}{number // 20}" / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        count, size = count + 1, size + copy.stat().st_size
        if size >= SOURCE_BYTES:
            break
    return count


def source_files() -> Iterator[Path]:
    """Yield this interpreter's sources, again and again."""
    folders = dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "purelib"))
    files = [
        file
        for folder in folders
        for file in sorted(Path(folder).rglob("*"))
        if file.suffix in KINDS and file.is_file() and not file.is_symlink()
    ]
    while files:
        yield from files


def make_small(top: Path) -> None:
    """Make many small files."""
    for number in range(SMALL_FILES):
        end = "toml" if number % 50 == 0 else "py"
        file = top / f"folder{number % SMALL_FOLDERS:03}" / f"file{number:05}.{end}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("one line\n")


def native_lap(task: Task, top: Path) -> tuple[float, int]:
    """Run the native command; return what it took, in ms, and how many lines it printed."""
    started = time.perf_counter()
    done = subprocess.run(task.native, cwd=top, check=False, capture_output=True)
    took = (time.perf_counter() - started) * 1000
    return took, done.stdout.count(b"\n")


def found(text: str) -> int:
    """Return how many files a result tells of."""
    total = re.search(r"(?m)^\[\d+ lines? in (\d+) files", text)
    if total:
        return int(total[1])
    more = re.search(r"(?m)^\[(\d+) more: ", text)
    return sum(not line.startswith("[") for line in text.splitlines()) + int(more[1] if more else 0)


def check(task: Task, client: ByLines, top: Path) -> None:
    """Make one call of each, which must find the same, and which warms what can be warm."""
    params = {"name": task.tool, "arguments": task.arguments}
    result = client.ask({"id": task.name, "method": "tools/call", "params": params})["result"]
    text = result["content"][0]["text"]  # type: ignore[index]  # JSON, and one text block
    _, expected = native_lap(task, top)
    assert found(text) == expected, (task.name, found(text), expected)


async def measure(top: Path, tasks: list[Task], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the medians of ours and of the native tool, in ms, by task."""
    env = os.environ | {
        f"XDG_{name}_HOME": str(top / name.lower()) for name in ("CONFIG", "STATE", "CACHE")
    }
    command = [sys.executable, "-m", "preopen.cli.main", "serve", "--workspace", str(top / "work")]
    server = Server(name="preopen", command=command, env=env, tool="", arguments={})
    laps: dict[str, list[tuple[float, float]]] = {task.name: [] for task in tasks}
    async with by_lines(server) as shared:
        for number in range(rounds + 1):
            for task in tasks:
                call = Server(
                    name=task.name,
                    command=command,
                    env=env,
                    tool=task.tool,
                    arguments=task.arguments,
                )
                client = ByLines(server=call, process=shared.process)
                if number == 0:
                    check(task, client, top / "work")
                else:
                    ours = await client.lap()
                    laps[task.name].append((ours, native_lap(task, top / "work")[0]))
    middle: Callable[[list[float]], float] = statistics.median
    return {
        name: (middle([a for a, _ in pairs]), middle([b for _, b in pairs]))
        for name, pairs in laps.items()
    }


def say(medians: dict[str, tuple[float, float]], source_count: int) -> None:
    """Print the table, and what the time goes into."""
    print(f"  {'':40} {'preopen':>10} {'native':>10}")
    for name, (ours, native) in medians.items():
        mark = "" if ours <= MOST * native else f"  (over {MOST:.0f}x)"
        print(f"  {name:40} {ours:7.0f} ms {native:7.0f} ms {ours / native:5.2f}x{mark}")
    none, every = medians.get(NONE.name), medians.get(EVERY.name)
    if none and every:
        trip_ms = (every[0] - none[0]) / SMALL_FILES  # for one file's time
        print(f"  a trip to the host's thread for files takes {trip_ms * 1000:.1f} us;")
        print(f"  glob makes one for each match: {SMALL_FILES * trip_ms:.0f} ms for every file;")
        print(f"  grep makes one to open each file: {source_count * trip_ms:.0f} ms for all,")
        print("  and another to read it, which runs while the next one is opened")


async def main(rounds: int) -> None:
    """Make the trees, measure, print."""
    missing = [name for name in ("rg", "find") if shutil.which(name) is None]
    tasks = [task for task in TASKS if task.native[0] not in missing]
    for name in missing:
        print(f"no {name} here, so nothing is compared with it")
    with tempfile.TemporaryDirectory() as top:
        work = Path(top, "work")
        count = make_source(work / "source")
        make_small(work / "small")
        print(f"{SOURCE_BYTES // 10**6} MB in {count} files; {SMALL_FILES} small files")
        print(f"medians of {rounds} runs, each in a fresh cell, in turn with the native tool")
        say(await measure(Path(top), tasks, rounds), count)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 9)
