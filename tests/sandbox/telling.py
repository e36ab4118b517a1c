"""A zygote that tells, when it is sent SIGUSR1, what it holds; and so does each cell that waits.

It is preopen's own: `telling_entry` puts the handler before its `main`. From outside nobody but
root could look, for it is undumpable.
"""

import ctypes
import fcntl
import gc
import json
import os
import select
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from preopen.sandbox import zygote

MARKERS: Final = "markers.json"  # name → its two halves: whole, it would be found by looking for it
_PIECE: Final = 1 << 20
_PR_GET_DUMPABLE: Final = 3


def telling_entry(folder: Path) -> Callable[[list[str]], None]:
    """Return an entry point whose processes write `PID.json` into the folder when asked."""

    def main(arguments: list[str]) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: tell(folder))
        zygote.main(arguments)

    return main


def tell(folder: Path) -> None:
    """Write what this process holds; the file appears whole."""
    markers = json.loads((folder / MARKERS).read_bytes())
    report = {
        "environment": Path("/proc/self/environ").read_text().split("\0")[:-1],
        "descriptors": _descriptors(),
        "readable": _readable(),
        "writable": _open_for_writing(),
        "stderr_writes_only": fcntl.fcntl(2, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY,
        "dumpable": ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0),
        "owner_of_proc": Path("/proc/self/mem").stat().st_uid,
        "frozen": gc.get_freeze_count(),
        "found": {name: _is_in_memory(*halves) for name, halves in markers.items()},
    }
    unfinished = folder / f"{os.getpid()}.unfinished"
    unfinished.write_text(json.dumps(report))
    unfinished.rename(folder / f"{os.getpid()}.json")


def _descriptors() -> dict[str, str]:
    links = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            links[number] = str(Path("/proc/self/fd", number).readlink())
        except FileNotFoundError:  # the listing's own
            continue
    return links


def _open_for_writing() -> list[str]:
    modes = {number: fcntl.fcntl(int(number), fcntl.F_GETFL) for number in _descriptors()}
    return [number for number, mode in modes.items() if mode & os.O_ACCMODE != os.O_RDONLY]


def _readable() -> dict[str, str]:
    """Read from every number that may be a descriptor: nothing is waited for or taken away."""
    found = {}
    for number in range(1024):
        watch = select.poll()
        watch.register(number, select.POLLIN)
        if any(events & select.POLLIN for _, events in watch.poll(0)):
            try:
                found[str(number)] = _peek(number).decode(errors="replace")
            except OSError:  # open for writing only, or no stream
                continue
    return found


def _peek(number: int) -> bytes:
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return os.pread(number, 64, 0)
    with socket.socket(fileno=os.dup(number)) as copy:
        return copy.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)


def _is_in_memory(first: str, second: str) -> bool:
    one, other = first.encode(), second.encode()
    return any(
        piece.startswith(other, at + len(one))
        for piece in _pieces(len(one) + len(other))
        for at in _places(piece, one)
    )


def _places(piece: bytes, wanted: bytes) -> Iterator[int]:
    at = piece.find(wanted)
    while at >= 0:
        yield at
        at = piece.find(wanted, at + 1)


def _pieces(overlap: int) -> Iterator[bytes]:
    """Yield all that this process can read of its own memory, in pieces that overlap."""
    with open("/proc/self/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - no Path per piece
        for line in Path("/proc/self/maps").read_text().splitlines():
            where, may, *_ = line.split()
            begin, end = (int(each, 16) for each in where.split("-"))
            if may[0] != "r" or line.endswith(("[vvar]", "[vvar_vclock]", "[vsyscall]")):
                continue
            for at in range(begin, end, _PIECE):
                memory.seek(at)
                try:
                    yield memory.read(min(_PIECE + overlap, end - at))
                except OSError:  # a file that is shorter than its mapping
                    continue
