"""When files of the log are put on the disk: beside the calls, and all of them before the end."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from preopen.trust.audit import AuditError, AuditLog
from trust.ledger import Ledger, ended, head_of

SMALL = 3000  # bytes of a file: some ten records
MAIN = threading.main_thread()


@dataclass(slots=True)
class CountingDisk:
    """Puts files on the disk, and knows which, by inode, and whether the caller waited for it.

    `held` threads wait until the log's owner waits for the disk itself, as `close` does, and then
    for `returned`: a `close` that does not wait for them comes first.
    """

    held: bool = False
    failing: int = 0
    by_caller: list[int] = field(default_factory=list)
    by_thread: list[int] = field(default_factory=list)
    waited_for: threading.Event = field(default_factory=threading.Event)
    returned: threading.Event = field(default_factory=threading.Event)

    def fsync(self, descriptor: int) -> None:
        """Do as `os.fsync` does."""
        inode = os.fstat(descriptor).st_ino
        if threading.current_thread() is MAIN:
            self.waited_for.set()
            os.fsync(descriptor)
            self.by_caller.append(inode)
            return
        if self.held and not self.waited_for.wait(10):
            pytest.fail("the log's owner waited for a thread before its own last file")
        if self.held:
            self.returned.wait(0.2)
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EIO, "Input/output error")
        os.fsync(descriptor)
        self.by_thread.append(inode)


def opened(ledger: Ledger, disk: CountingDisk) -> AuditLog:
    return AuditLog(
        state_dir=ledger.state_dir, keeps_values=False, max_bytes=SMALL, fsync=disk.fsync
    )


def write_until_files(ledger: Ledger, log: AuditLog, files: int) -> None:
    """Record calls until there are so many files."""
    while len(ledger.files) < files:
        log.append(ended())


def inodes(ledger: Ledger) -> list[int]:
    return [each.stat().st_ino for file in ledger.files for each in (file, head_of(file))]


def test_every_file_and_head_is_on_the_disk_at_the_end(ledger: Ledger) -> None:
    """Issue: at `close` everything is on the disk, each file and its head once."""
    disk = CountingDisk()
    log = opened(ledger, disk)
    write_until_files(ledger, log, 4)
    log.close()

    assert inodes(ledger) == [*disk.by_thread, *disk.by_caller]
    assert () == ledger.verify().faults


def test_record_that_begins_a_new_file_does_not_wait_for_the_disk(ledger: Ledger) -> None:
    """Issue: nobody's call waits for 16 MiB; the old file's last record is there all the same."""
    disk = CountingDisk(held=True)
    log = opened(ledger, disk)
    write_until_files(ledger, log, 2)
    log.append(ended())
    kinds = [[each["kind"] for each in ledger.records(file)] for file in ledger.files]

    assert ([], []) == (disk.by_caller, disk.by_thread)
    assert "rotated" == kinds[0][-1]
    assert ["start", "call", "call"] == kinds[1]
    assert () == ledger.verify().faults
    log.close()


def test_end_waits_for_a_file_that_is_not_on_the_disk_yet(ledger: Ledger) -> None:
    """Issue: `close` waits for the thread: it was held until `close` itself was at the disk."""
    disk = CountingDisk(held=True)
    log = opened(ledger, disk)
    write_until_files(ledger, log, 2)
    log.close()
    disk.returned.set()

    assert inodes(ledger) == [*disk.by_thread, *disk.by_caller]
    assert ["rotated", "ended"] == [file.state for file in ledger.verify().files]


def test_file_that_cannot_be_put_on_the_disk_is_told_once_by_name(ledger: Ledger) -> None:
    """Ours: a disk that fails is loud, as it was when calls waited; then records go on."""
    disk = CountingDisk(failing=1)
    log = opened(ledger, disk)
    told = []
    for _ in range(40):
        try:
            log.append(ended())
        except AuditError as error:
            told.append(str(error))
    log.close()
    [text] = told

    assert f"Input/output error ({ledger.files[0]})" in text
    assert 39 == sum(each["kind"] == "call" for f in ledger.files for each in ledger.records(f))
    assert () == ledger.verify().faults


def test_end_tells_of_a_file_that_cannot_be_put_on_the_disk(ledger: Ledger) -> None:
    """Ours: the last chance to say it; the log is closed, with its end."""
    log = opened(ledger, CountingDisk(held=True, failing=1))
    write_until_files(ledger, log, 2)
    with pytest.raises(AuditError, match="Input/output error"):
        log.close()

    assert ["rotated", "ended"] == [file.state for file in ledger.verify().files]
    log.close()


@contextmanager
def no_room_for_threads() -> Iterator[None]:
    """Have every new thread want a stack that no machine has."""
    before = threading.stack_size(1 << 46)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_where_no_thread_can_be_made_the_record_waits_for_the_disk(ledger: Ledger) -> None:
    """Ours: a user at the limit of threads has slower calls, and no file less on the disk."""
    disk = CountingDisk()
    log = opened(ledger, disk)
    with no_room_for_threads():
        write_until_files(ledger, log, 2)

    assert inodes(ledger)[:2] == disk.by_caller
    log.close()
    assert inodes(ledger) == disk.by_caller


def test_failing_disk_is_told_at_the_very_next_record(ledger: Ledger) -> None:
    """Ours: where it is known already, nobody goes on until another file is full."""
    broken = AuditLog(
        state_dir=ledger.state_dir, keeps_values=False, max_bytes=SMALL, fsync=fail_to_sync
    )
    with no_room_for_threads():
        write_until_files(ledger, broken, 2)
        with pytest.raises(AuditError, match="Input/output error"):
            broken.append(ended())
        broken.append(ended())

    assert 2 == len(ledger.files)
    with pytest.raises(AuditError, match="Input/output error"):
        broken.close()


def fail_to_sync(_descriptor: int) -> None:
    raise OSError(errno.EIO, "Input/output error")
