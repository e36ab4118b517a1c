"""One file of the audit log while it is written, and its head beside it.

A record is written first and counted by the head afterwards, each in one write: a process that is
killed between the two leaves a file that is one record ahead of its head, and never one behind it.
"""

import contextlib
import fcntl
import functools
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from preopen import __version__
from preopen.outcome import JsonValue
from preopen.trust.audit_line import BEGINNING, Head, key_name, make_head, make_line

ENDING: Final = ".jsonl"
HEAD_ENDING: Final = ".head"

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def utc_now() -> str:
    """Return the time of a record, such as 2026-03-01T09:30:00.000Z."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


@functools.lru_cache(maxsize=1)  # a record in a row of many has the second of the one before
def _second(since_epoch: int) -> str:
    return (
        datetime.fromtimestamp(since_epoch, UTC)
        .isoformat(timespec="seconds")
        .removesuffix("+00:00")
    )


def new_stem() -> str:
    """Return what the names of one process's files begin with: start in µs, pid, random digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(slots=True, kw_only=True)
class AuditFile:
    """One file, open for appending, locked for as long as its process lives."""

    path: Path
    key: bytes
    descriptor: int
    head: int
    count: int = 0
    last: str = BEGINNING
    size: int = 0  # bytes of whole records; what a failed write left beyond is cut

    @classmethod
    def begin(cls, path: Path, key: bytes, previous: "AuditFile | None") -> "AuditFile":
        """Make a file with its first record, which binds it to its name and to the file before it.

        The head is there first, with a count of 0: it tells a beginning that was cut short from a
        file that was removed.

        Raises:
            OSError: it cannot be written; then nothing of it is left.

        """
        beside = path.with_suffix(HEAD_ENDING)
        head = _make_head(beside, make_head(key, Head(file=path.name, count=0, last=BEGINNING)))
        try:
            descriptor = _make_file(path)
        except OSError:
            os.close(head)
            beside.unlink(missing_ok=True)
            raise
        file = cls(path=path, key=key, descriptor=descriptor, head=head)
        try:
            file.write("start", _start(path.name, key, previous))
        except OSError:
            file.discard()
            raise
        return file

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed it while it was written."""
        return os.fstat(self.descriptor).st_nlink == 0

    def write(self, kind: str, fields: Mapping[str, JsonValue]) -> None:
        """Append one record.

        Raises:
            OSError: it could not be written whole; then the file is as it was.

        """
        heading = {"n": self.count + 1, "time": utc_now(), "kind": kind}
        line, mac = make_line(self.key, self.last, heading, fields)
        head = Head(file=self.path.name, count=self.count + 1, last=mac)
        try:
            if os.fstat(self.descriptor).st_size != self.size:
                os.ftruncate(self.descriptor, self.size)  # what an earlier undoing could not
            _write_all(self.descriptor, line)
            # In place, in one write within one page: no process is killed in the middle of that.
            # Renaming a new head over the old one took 140 µs on ext4, this takes 1.
            os.pwrite(self.head, make_head(self.key, head), 0)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
            raise
        self.count, self.last, self.size = head.count, mac, self.size + len(line)

    def sync(self, fsync: Callable[[int], None]) -> None:
        """Wait until file and head are on the disk."""
        fsync(self.descriptor)
        fsync(self.head)

    def discard(self) -> None:
        """Remove it, with its head: what could not be begun whole is not there."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(HEAD_ENDING).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it, and of its lock."""
        os.close(self.descriptor)
        os.close(self.head)


def _make_file(path: Path) -> int:
    """Make an empty file that is locked before anybody finds it, and return it open."""
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, _NEW | os.O_APPEND, 0o600)
    try:
        # Under its name, one who looks whether it is locked would be in the way.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.rename(path)
    except OSError:
        os.close(descriptor)
        part.unlink(missing_ok=True)
        raise
    return descriptor


def _make_head(path: Path, content: bytes) -> int:
    """Make a head's file that is never seen unfinished, and return it open for writing."""
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, _NEW, 0o600)
    try:
        _write_all(descriptor, content)
        part.rename(path)
    except OSError:
        os.close(descriptor)
        part.unlink(missing_ok=True)
        raise
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:  # a disk that fills takes a part, and says so the next time
        view = view[os.write(descriptor, view) :]


def _start(name: str, key: bytes, previous: "AuditFile | None") -> dict[str, JsonValue]:
    return {
        "file": name,
        "key": key_name(key),
        "previous": previous.path.name if previous else "",
        "previous_mac": previous.last if previous else BEGINNING,
        "pid": os.getpid(),
        "version": __version__,
    }
