"""Waiting for the disk while a log goes on: a full file is synced and closed in a thread.

Its last record is written before, so a thread writes nothing. 16 MiB took 12 to 25 ms on an SSD
(ext4), in which no call of an event loop would go on.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from preopen.trust.audit_file import AuditFile

# Waits until what was written to a descriptor is on the disk; raises OSError.
Fsync: TypeAlias = Callable[[int], None]


@dataclass(slots=True, kw_only=True)
class Disk:
    """Waits for one file at a time, so that a slow disk is never behind by more than one.

    `_failures` are the thread's to add to before it ends, and are read only after that.
    """

    fsync: Fsync
    _thread: threading.Thread | None = None
    _failures: list[OSError] = field(default_factory=list)

    def finish(self, file: AuditFile) -> None:
        """Have a file that nobody writes to any more on the disk, and closed, some time later."""
        # No daemon: a process that ends without `join` still waits for it.
        thread = threading.Thread(target=self._finish, args=(file,), name="preopen audit: fsync")
        try:
            thread.start()
        except RuntimeError:  # the user has no thread left
            self._finish(file)
        else:
            self._thread = thread

    def check(self) -> None:
        """Say once that a file could not be put on the disk; waits for nothing.

        Raises:
            OSError: it could not, and what that file holds may be lost with the power.

        """
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
        if self._thread is None and self._failures:
            raise self._failures.pop()

    def join(self) -> None:
        """Wait for the file that is not on the disk yet, if there is one.

        Raises:
            OSError: as `check` does.

        """
        if self._thread is not None:
            self._thread.join()
        self.check()

    def _finish(self, file: AuditFile) -> None:
        try:
            with contextlib.closing(file):
                file.sync(self.fsync)
        except OSError as error:
            error.filename = str(file.path)
            self._failures.append(error)
