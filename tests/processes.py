"""Which processes live, read from /proc: for tests that nothing is left running."""

import os
from pathlib import Path

import anyio


def state_of(pid: int) -> list[str]:
    """Return the fields of a process's stat after its name; [] where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def children_of(pid: int, *, deep: bool = True) -> set[int]:
    """Return every living process below `pid`, zombies left out."""
    parents = {int(e): state_of(int(e)) for e in os.listdir("/proc") if e.isdigit()}
    found: set[int] = set()
    wave = {pid}
    while wave:
        wave = {
            child
            for child, fields in parents.items()
            if fields and int(fields[1]) in wave and fields[0] != "Z"
        }
        found |= wave
        if not deep:
            break
    return found


async def gone(pids: set[int]) -> None:
    """Wait until none of these processes lives."""
    with anyio.fail_after(5):
        while any(state_of(pid)[:1] not in ([], ["Z"]) for pid in pids):
            await anyio.sleep(0.01)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time in user mode that a process has used."""
    fields = state_of(pid)
    return int(fields[11]) / os.sysconf("SC_CLK_TCK") if fields else 0.0
