"""The audit log of one process: appends records, goes on to a new file when one is large.

Not for threads: one event loop appends, and a thread only waits for the disk. Several processes
never share a file.
"""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

from preopen.errors import PlatformError
from preopen.own import STATE, unusable
from preopen.trust.audit_disk import Disk, Fsync
from preopen.trust.audit_file import ENDING, AuditFile, new_stem, utc_now
from preopen.trust.audit_record import Asked, AuditRecord, fields_of, kind_of
from preopen.trust.audit_register import FOLDER, add_file, prepare

MAX_BYTES: Final = 16 << 20  # a file that people still open; some 20 000 calls


class AuditError(PlatformError):
    """Raised when a record cannot be written: a full disk, a folder that is not ours alone."""


@dataclass(frozen=True, slots=True)
class _Telling:
    """Says of whatever fails in the log's folder that a record cannot be written. For each time."""

    folder: Path

    def __enter__(self) -> None:
        """Begin to write."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise AuditError(*unusable(self.folder, STATE, error).faults) from error
        if isinstance(error, PlatformError):
            raise AuditError(*error.faults) from error


@dataclass(slots=True, kw_only=True)
class AuditLog:
    """Appends to `audit/` in preopen's state folder, which is made at the first record.

    A record is in the hands of the kernel when `append` returns: it outlives this process however
    it ends, but not a loss of power. A file is put on the disk when it is full, while the next one
    is written, and at `close`. `fsync` waits until a descriptor's file is on the disk.
    """

    state_dir: Path
    keeps_values: bool
    max_bytes: int = MAX_BYTES
    fsync: Fsync = os.fsync
    _folder: Path = field(init=False)
    _stem: str = field(default_factory=new_stem)
    _files: int = 0
    _file: AuditFile | None = None
    _gone: AuditFile | None = None
    _disk: Disk = field(init=False)
    _telling: _Telling = field(init=False)

    def __post_init__(self) -> None:
        self._disk = Disk(fsync=self.fsync)
        self._folder = self.state_dir / FOLDER
        self._telling = _Telling(self._folder)

    def open(self) -> None:
        """Make folder, key and file, if they are not there yet.

        Raises:
            AuditError: they cannot be made.

        """
        with self._telling:
            self._opened()

    def append(self, record: AuditRecord) -> None:
        """Write one record.

        Raises:
            AuditError: it is not written. The next one may be: what was in the way is tried again.
                Also where the file before could not be put on the disk: once, at the first record
                after that is known.

        """
        with self._telling:
            self._disk.check()
            file = self._opened()
            if file.size >= self.max_bytes:
                self._disk.join()  # on a disk so slow that another file is full already, calls wait
                file = self._rotated(file)
            fields = fields_of(record, file.key, keeps_values=self.keeps_values)
            file.write(kind_of(record), fields)

    def prepare(self, asked: Asked) -> None:
        """Make ready what the records of a call will say of how it was asked for."""
        if self._file is not None:
            asked.told(self._file.key, keeps_values=self.keeps_values)

    def close(self) -> None:
        """Write the last record, that this is the end, and wait until all is on the disk.

        Raises:
            AuditError: the end could not be written, or a file not be put on the disk. The log is
                closed all the same.

        """
        file, self._file = self._file, None
        with self._telling:
            try:
                if file is not None:
                    with contextlib.closing(file):
                        file.write("end", {})
                        file.sync(self.fsync)
            finally:
                self._disk.join()

    def _opened(self) -> AuditFile:
        if self._file is not None and self._file.is_gone:
            # A new file, whose first record still names the one that is missing.
            self._gone, self._file = self._file, None
            self._gone.close()
        if self._file is None:
            self._file, self._gone = self._begin(self._gone), None
        return self._file

    def _begin(self, previous: AuditFile | None) -> AuditFile:
        """Make a file, the first or the one after `previous`, and register it.

        A process that is killed between the two leaves a file that is not registered and has one
        record. The other way around would leave what looks like a file that was removed.
        """
        key = prepare(self.state_dir, utc_now())
        name = f"{self._stem}-{self._files:04}{ENDING}"
        file = AuditFile.begin(self._folder / name, key, previous)
        try:
            add_file(self.state_dir, key, utc_now(), name)
        except BaseException:
            file.discard()
            raise
        self._files += 1
        return file

    def _rotated(self, file: AuditFile) -> AuditFile:
        """Return a new file, to which the old one's last record points."""
        following = self._begin(file)
        self._file = following
        try:
            file.write("rotated", {"next": following.path.name})
        finally:
            self._disk.finish(file)
        return following
