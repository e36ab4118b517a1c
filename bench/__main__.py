"""`read` of a small file in a cell, beside an echo without a sandbox, in one run.

Usage: python -m bench [CALLS]
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

import anyio

from bench.calls import Server, by_client, by_lines

TOOL_BOUND = "preopen = 1\n[cells.read]\ncalls_per_cell = 100\n"
PAUSE_S = 0.02


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
        back_to_back = {each.name: await by_client(each, calls) for each in measured}
        say(f"the SDK's client, {calls} calls without pause", back_to_back)
        apart = {each.name: await by_client(each, calls // 4, PAUSE_S) for each in measured}
        say(f"the SDK's client, {calls // 4} calls 20 ms apart", apart)
        bare = {each.name: by_lines(each, calls) for each in measured}
        say(f"a bare line client, {calls} calls without pause", bare)
        bare = {each.name: by_lines(each, calls // 4, PAUSE_S) for each in measured}
        say(f"a bare line client, {calls // 4} calls 20 ms apart", bare)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 500)
