"""The audit log's files as they are found on the disk: read, whole or not, and never written.

Whoever may write there may have put anything there: nothing is followed, waited for or believed.
"""

import fcntl
import heapq
import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from preopen.outcome import JsonValue
from preopen.trust.audit_file import ENDING, HEAD_ENDING
from preopen.trust.audit_line import HEAD_BYTES, MAX_LINE, read_body
from preopen.trust.audit_register import REGISTER

NAME: Final = re.compile(r"\d{8}T\d{12}Z-\d{1,10}-[0-9a-f]{8}-\d{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One record as it is shown: not checked, only read. `line` counts from 1."""

    file: str
    line: int
    fields: dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Names in the log's folder: of files and heads without their endings, and of all else."""

    files: tuple[str, ...]
    heads: tuple[str, ...]
    others: tuple[str, ...]


def list_files(folder: Path) -> Listing:
    """Return what lies in the folder, oldest first; nothing where there is no folder.

    Raises:
        OSError: it cannot be read.

    """
    files: list[str] = []
    heads: list[str] = []
    others: list[str] = []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names are what is wanted
            stem, dot, ending = name.rpartition(".")
            kind = {ENDING: files, HEAD_ENDING: heads}.get(dot + ending)
            if kind is not None and NAME.fullmatch(stem):
                kind.append(stem)
            elif name != REGISTER and not name.startswith("."):  # of a write that was cut short
                others.append(name)
    return Listing(files=tuple(files), heads=tuple(heads), others=tuple(others))


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO | None]:
    """Open a file of the log to read it; None where what stands there is no plain file.

    Raises:
        OSError: it is not there, is a link, or cannot be read.

    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        yield file if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield each line with its end; one that is longer than any record, in parts of that size."""
    while line := file.readline(MAX_LINE):
        yield line


def read_small(path: Path) -> bytes | None:
    """Return the content of a head, one byte more than it may have at most; None without one."""
    try:
        with opened(path) as file:
            return b"" if file is None else file.read(HEAD_BYTES + 1)
    except FileNotFoundError:
        return None


def is_in_use(file: BinaryIO) -> bool:
    """Whether the process that writes it still lives: it holds the file's lock until its end."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file.fileno(), fcntl.LOCK_UN)
    return False


@dataclass(slots=True)
class Follower:
    """Reads each record once: at first all that there are, later those that came since."""

    folder: Path
    _read: dict[str, tuple[int, int]] = field(default_factory=dict)  # bytes and lines, by name

    def new(self) -> Iterator[Shown]:
        """Yield the records in the order of their times; what is none, is left out.

        Raises:
            OSError: the folder or a file cannot be read.

        """
        waiting = deque(sorted(list_files(self.folder).files, key=_start_of))
        heads: list[tuple[str, int, Shown, Iterator[Shown]]] = []
        number = 0
        while waiting or heads:
            # A file is opened when its time has come: all at once would be too many.
            if waiting and (not heads or _start_of(waiting[0]) <= heads[0][0]):
                following = self._new_of(f"{waiting.popleft()}{ENDING}")
            else:
                _, _, due, following = heapq.heappop(heads)
                yield due
            if shown := next(following, None):
                number += 1
                heapq.heappush(heads, (_time_of(shown), number, shown, following))

    def _new_of(self, name: str) -> Iterator[Shown]:
        position, number = self._read.get(name, (0, 0))
        with suppress(FileNotFoundError), opened(self.folder / name) as file:
            if file is None:
                return
            file.seek(position)
            for line in lines_of(file):
                if not line.endswith(b"\n") and len(line) < MAX_LINE:
                    return  # it is being written
                position, number = position + len(line), number + 1
                self._read[name] = (position, number)
                if shown := read_shown(name, number, line):
                    yield shown


def read_shown(file: str, number: int, line: bytes) -> Shown | None:
    """Return a line as a record to show, None where it is none."""
    fields = read_body(line) or {}
    if not isinstance(fields.get("time"), str) or not isinstance(fields.get("kind"), str):
        return None
    return Shown(file=file, line=number, fields=fields)


def _start_of(stem: str) -> str:
    """Return when the process of a file was started, as its records write times."""
    day, at = stem[:8], stem[9:18]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{at[:2]}:{at[2:4]}:{at[4:6]}.{at[6:]}Z"


def _time_of(shown: Shown) -> str:
    return str(shown.fields["time"])
