"""`python -m fuzz TARGET --minutes 10`: runs the engine, keeps what it found, shows crashes."""

import argparse
import importlib.util
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz import corpus
from fuzz.target import NAMES, Target, load

_NICE: Final = 19  # whoever works on this machine goes first
_HANG_S: Final = 30  # of one input: thousands of times what any takes; libFuzzer then reports it
_MEMORY_MB: Final = 1024  # the readers stay below 200
_TAIL: Final = 60  # lines of the engine's output that are shown with a crash
_STATISTIC: Final = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
_COVERAGE: Final = re.compile(r"\bcov: (\d+) ft: (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How one run ended. `coverage` counts branches of the watched readers: at first, at last."""

    runs: int
    coverage: tuple[int, int]
    crashes: tuple[Path, ...]
    output: str


def main() -> int:
    """Fuzz the targets that were asked for, one after another; 1 if a check failed."""
    options = _parse_command_line()
    if options.replay or options.keep:
        return _replay(load(options.target), options.replay or options.keep, options.keep)
    if importlib.util.find_spec("atheris") is None:
        print(
            "atheris is not installed; run `make fuzz`, or install the group fuzz", file=sys.stderr
        )
        return 2
    os.nice(_NICE)
    logging.disable()  # the readers log what they refuse, and here that is nearly everything
    names = [options.target] if options.target else NAMES
    return max([_fuzz(load(name), options.minutes) for name in names])


def _parse_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=NAMES, help="all of them, one after another")
    parser.add_argument("--minutes", type=float, default=10, help="for each target; 10 by default")
    parser.add_argument("--replay", type=Path, help="run one target's check on this file, no more")
    parser.add_argument("--keep", type=Path, help="as --replay, then put the file into the corpus")
    options = parser.parse_args()
    if (options.replay or options.keep) and options.target is None:
        parser.error("--replay and --keep need a target")
    return options


def _replay(target: Target, file: Path, keep: Path | None) -> int:
    data = file.read_bytes()
    target.check(data)
    print(f"{file}: every property of {target.name} holds")
    if keep:
        print(f"kept as {corpus.keep(target.name, data)}")
    return 0


def _fuzz(target: Target, minutes: float) -> int:
    corpus.grow(target, target.seeds())
    before = corpus.read(target.name)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        found, tokens = Path(folder, "found"), Path(folder, "tokens")
        found.mkdir()
        tokens.write_text("".join(map(_quoted, target.tokens)), encoding="ascii")
        run = _run_engine(target, minutes, found, tokens)
        new = [path.read_bytes() for path in found.iterdir()]
    for crash in run.crashes:
        _show_crash(target, crash, run.output)
    # After a crash, too, but for inputs that fail themselves: the rest of what was found is good.
    kept = corpus.grow(target, new)
    size = sum(map(len, corpus.read(target.name)))
    first, last = run.coverage
    print(
        f"{target.name}: {run.runs} runs, branches {first} -> {last}, {len(new)} new inputs, "
        f"{kept} kept; corpus {len(before)} -> {len(before) + kept} files, {size} bytes; "
        f"{len(run.crashes)} crashes",
        flush=True,
    )
    return 1 if run.crashes else 0


def _run_engine(target: Target, minutes: float, found: Path, tokens: Path) -> Run:
    """Run the engine in a process of its own, which writes new inputs to `found`."""
    corpus.CRASHES.mkdir(exist_ok=True)
    before = set(corpus.CRASHES.iterdir())
    flags = {
        "max_total_time": max(1, round(minutes * 60)),
        "max_len": target.max_bytes,
        "timeout": _HANG_S,
        "rss_limit_mb": _MEMORY_MB,
        "dict": tokens,
        "artifact_prefix": f"{corpus.CRASHES}/{target.name}-",
        "print_final_stats": 1,
    }
    ended = subprocess.run(
        [*_command(target, flags), str(found), str(corpus.folder_of(target.name))],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    crashes = tuple(sorted(set(corpus.CRASHES.iterdir()) - before))
    runs = _STATISTIC.search(ended.stdout)
    covered = [int(count) for count, _ in _COVERAGE.findall(ended.stdout)] or [0]
    if runs is None or (ended.returncode and not crashes):
        sys.exit(f"the engine failed (exit code {ended.returncode}):\n{_tail(ended.stdout)}")
    return Run(
        runs=int(runs[1]),
        coverage=(covered[0], covered[-1]),
        crashes=crashes,
        output=ended.stdout,
    )


def _command(target: Target, flags: Mapping[str, object]) -> Iterator[str]:
    yield from (sys.executable, "-m", "fuzz.engine", target.name)
    yield from (f"-{name}={value}" for name, value in flags.items())


def _quoted(token: bytes) -> str:
    """Return a line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{octet:02x}" for octet in token) + '"\n'


def _show_crash(target: Target, crash: Path, output: str) -> None:
    print(f"{_tail(output)}\n{target.name}: a property does not hold; to see it again:")
    print(f"  {sys.executable} -m fuzz {target.name} --replay {crash}")
    print("and once that is mended the same with --keep, so that it stays mended", flush=True)


def _tail(output: str) -> str:
    """Return the end of the engine's output without its statistics of mutations."""
    lines = [line for line in output.splitlines() if not line.startswith(("#", "stat::", '"'))]
    return "\n".join(lines[-_TAIL:])


if __name__ == "__main__":
    sys.exit(main())
