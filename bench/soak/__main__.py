"""Honest and hostile load on one server, for minutes: fails on growth, wrong answers, leftovers.

Usage: python -m bench.soak [--minutes MINUTES] [--mix PERCENT]
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import anyio

from bench.soak.client import Client, connected
from bench.soak.grounds import Grounds, make_grounds
from bench.soak.honest import ACTS
from bench.soak.load import SAMPLE_S, WORKERS, Load
from bench.soak.samples import family, living
from bench.soak.verdict import Phase, judge

WARM_UP_S = 3.0  # every tool is compiled by then, and heaps have their size
ALONE = 0.1  # of the time
LEFTOVER_S = 5
MOST_HOSTILE = 90  # percent; past it honest calls are too few to measure


async def soak(grounds: Grounds, seconds: float, mix: float) -> tuple[Phase, Phase, list[str]]:
    """Return what the two phases came to, and all that is wrong."""
    alone, mixed = Phase("alone"), Phase("beside hostile calls")
    async with connected(grounds) as client:
        left = await _ready(client, grounds)
        sample_s = min(SAMPLE_S, seconds / 60)
        warm_up = Phase("warm-up")
        for phase, share, length in (
            (warm_up, mix, min(WARM_UP_S, seconds / 10)),
            (alone, 0.0, seconds * ALONE),
            (mixed, mix, seconds * (1 - ALONE)),
        ):
            ends_at = time.monotonic() + length
            await Load(client, grounds, phase, share, ends_at, sample_s).run()
        left += await _leave(client)
    log = grounds.log.read_text(errors="replace")
    if "incident" in log or "Traceback" in log:
        left.append(f"the server's log tells of a fault of its own: {log[-2000:]}")
    return alone, mixed, [*judge(alone, mixed, left=left), *warm_up.wrong]


async def _ready(client: Client, grounds: Grounds) -> list[str]:
    """Have every tool compiled, for the first call of each waits for it; return what went wrong."""
    tools = (await client.ask("tools/list"))["result"]["tools"]
    for tool in tools:
        if "words" in tool["inputSchema"]["properties"]:
            await client.call(tool["name"], words=["print", "x"])
    problems = [(name, await act(client, grounds, 0)) for name, _, act in ACTS]
    return [f"before any load, {name}: {problem}" for name, problem in problems if problem]


async def _leave(client: Client) -> list[str]:
    """End the server by EOF; return what it leaves behind."""
    processes = family(client.process.pid)
    found = [] if await client.leave() else ["the server did not leave at the end of its input"]
    with anyio.move_on_after(LEFTOVER_S):
        while living(processes):  # noqa: ASYNC110 - no event tells of another's children
            await anyio.sleep(0.05)
    if left := living(processes):
        found.append(f"{len(left)} of {len(processes)} processes are left after the end of input")
    return found


def report(alone: Phase, mixed: Phase) -> None:
    """Print the tables."""
    print(f"{'':24}{'honest':>8}{'hostile':>9}{'median':>11}{'p95':>11}")
    for phase in (alone, mixed):
        times = f"{phase.median_ms:8.2f} ms{phase.p95_ms:8.2f} ms"
        print(f"  {phase.name:22}{phase.honest:8}{sum(phase.hostile.values()):9}{times}")
    ratios = (mixed.median_ms / alone.median_ms, mixed.p95_ms / alone.p95_ms)
    print(f"  {'ratio':39}{ratios[0]:9.2f}x {ratios[1]:9.2f}x")
    print("\nhow hostile calls ended")
    for end, count in sorted(mixed.hostile.items()):
        print(f"  {end:40}{count:8}")
    print(f"\n{'medians by quarter':26}{'first':>9}{'second':>9}{'third':>9}{'last':>9}")
    size = max(len(mixed.samples) // 4, 1)
    parts = [mixed.samples[n * size : (n + 1) * size] or mixed.samples for n in range(4)]
    for name in ("memory_kb", "descriptors", "processes", "files"):
        medians = [statistics.median(getattr(each, name) for each in part) for part in parts]
        print(f"  {name.replace('_', ' '):24}" + "".join(f"{median:9g}" for median in medians))


def main() -> int:
    """Run, print, and return 1 where anything is wrong."""
    words = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--mix", type=float, default=50.0, help="percent of calls that are hostile")
    chosen = words.parse_args()
    if not (chosen.minutes > 0 and 0 <= chosen.mix <= MOST_HOSTILE):
        words.error("--minutes must be more than 0, --mix 0 to 90")
    about = f"Python {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} CPUs"
    print(f"{chosen.minutes:g} minutes, {chosen.mix:g} % hostile calls, {WORKERS} honest workers")
    print(f"{about}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="preopen-soak-") as top:
        grounds = make_grounds(Path(top))
        alone, mixed, faults = anyio.run(soak, grounds, chosen.minutes * 60, chosen.mix / 100)
    if alone.took_ms and mixed.took_ms and mixed.samples:
        report(alone, mixed)
    print()
    for fault in faults:
        print(f"FAILED: {fault}")
    if not faults:
        print("passed: nothing grew, every call ended as it should, nothing was left behind")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
