"""What a server holds at one moment, read from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Server and zygote, without the cells: those come and go with the calls."""

    at_s: float
    memory_kb: int
    descriptors: int
    processes: int  # of the whole tree, cells and all
    files: int


def take_sample(server: int, *, at_s: float, files: int) -> Sample:
    """Return what a server and its own children hold, and how many processes there are."""
    parents = _parents()
    own = {server} | {pid for pid, parent in parents.items() if parent == server}
    return Sample(
        at_s=at_s,
        memory_kb=sum(_resident_kb(pid) for pid in own),
        descriptors=sum(_descriptors(pid) for pid in own),
        processes=len(family(server, parents)),
        files=files,
    )


def family(pid: int, parents: dict[int, int] | None = None) -> set[int]:
    """Return a process and all that live below it."""
    parents = _parents() if parents is None else parents
    found: set[int] = set()
    wave = {pid}
    while wave:
        found |= wave
        wave = {child for child, parent in parents.items() if parent in wave}
    return found


def living(pids: set[int]) -> set[int]:
    """Return those of these processes that still run."""
    return pids & set(_parents())


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile
        if fields[0] != "Z":
            found[int(entry.name)] = int(fields[1])
    return found


def _resident_kb(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0
