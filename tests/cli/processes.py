"""What other processes do, and what a terminal was told."""

import os
import time
from pathlib import Path


def read_all(descriptor: int) -> str:
    """Return all that a terminal was told before its other end was closed."""
    said = b""
    try:
        while chunk := os.read(descriptor, 65536):
            said += chunk
    except OSError:  # EIO: so a terminal says that its other end is closed
        pass
    os.close(descriptor)
    return said.decode()


def wait_for_spinner(parent: int) -> set[int]:
    """Return the processes below `parent`, once one of them has used half a second of CPU."""
    while True:
        below = descendants(parent)
        if any(cpu_ticks(pid) >= 50 for pid in below - children(parent)):
            return below


def children(parent: int) -> set[int]:
    """Return the children of a process."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and stat_of(int(entry))[1:2] == [str(parent)]:
            found.add(int(entry))
    return found


def descendants(parent: int) -> set[int]:
    """Return all processes below a process."""
    direct = children(parent)
    return direct | {pid for child in direct for pid in descendants(child)}


def stat_of(pid: int) -> list[str]:
    """Return the fields of a process behind its name: state, parent, …; [] where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def cpu_ticks(pid: int) -> int:
    """Return the CPU time that a process used, in hundredths of a second."""
    fields = stat_of(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    return stat_of(pid)[:1] not in ([], ["Z"])


def wait_until_gone(pids: set[int]) -> None:
    """Wait until none of these processes runs: the kernel kills a cell when its zygote has ended.

    One that stays ends the test by its timeout.
    """
    while any(is_alive(pid) for pid in pids):
        time.sleep(0.01)
