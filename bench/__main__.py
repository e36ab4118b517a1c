"""`read` of a small file in a cell, beside an echo without a sandbox, in one run.

Usage: python -m bench [CALLS]
"""

import os
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from bench.calls import Server, by_client, by_lines, measure
from preopen.cells.start import COMPILER

TOOL_BOUND = "preopen = 1\n[cells.read]\ncalls_per_cell = 100\n"
PAUSE_S = 0.02
ROUNDS = 10
QUIET_LOOKS = 20  # in a row, 0.1 s apart: between two binaries there is none either


def servers(top: Path) -> tuple[Server, Server, Server]:
    """Return the three that are compared: the echo, single-use cells, tool-bound cells."""
    work = top / "project"
    work.mkdir()
    (work / "small.txt").write_text("one line\nand another\n")
    bound = top / "bound.toml"
    bound.write_text(TOOL_BOUND)
    env = os.environ | {
        f"XDG_{name}_HOME": str(top / name.lower()) for name in ("CONFIG", "STATE", "CACHE")
    }
    call = {"tool": "read", "arguments": {"path": "small.txt"}, "env": env}
    preopen = [sys.executable, "-m", "preopen.cli.main", "serve", "--workspace", str(work)]
    echo = [sys.executable, "-m", "bench.echo_stock"]
    return (
        Server(name="echo, no sandbox, stock transport", command=echo, **call | {"tool": "echo"}),
        Server(name="read, single-use cells", command=preopen, **call),
        Server(name="read, tool-bound cells", command=[*preopen, "--policy", str(bound)], **call),
    )


async def compiled() -> None:
    """Wait until no server has its tools compiled: at a first start they all are, on every CPU."""
    quiet = 0
    while quiet < QUIET_LOOKS:
        await anyio.sleep(0.1)
        quiet = 0 if _is_compiling() else quiet + 1


def _is_compiling() -> bool:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if COMPILER.encode() in file.read_bytes():
                return True
        except OSError:  # it has ended meanwhile
            continue
    return False


def say(title: str, laps: dict[str, list[float]]) -> None:
    """Print one table; the first row is the baseline."""
    print(f"\n{title}")
    base = statistics.median(next(iter(laps.values())))
    for name, times in laps.items():
        median, tail = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        print(f"  {name:36} {median:7.2f} ms   p95 {tail:7.2f} ms   {median / base:5.2f}x")


async def main(calls: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as top:
        measured = servers(Path(top))
        for title, connect in (("the SDK's client", by_client), ("a bare line client", by_lines)):
            async with AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(connect(each)) for each in measured]
                await compiled()
                each = calls // ROUNDS
                laps = await measure(clients, rounds=ROUNDS, calls=each)
                say(f"{title}, {calls} calls without pause", laps)
                laps = await measure(clients, rounds=ROUNDS, calls=each // 4, pause_s=PAUSE_S)
                say(f"{title}, {calls // 4} calls 20 ms apart", laps)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 500)
