"""The file of what tools used: ours alone, pruned, and whatever is wrong with it denies."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from preopen.errors import PlatformError
from preopen.policy.quotas import Quota
from preopen.trust import usage
from preopen.trust.usage import DAY, Used, open_book, read_used
from trust.calls import NOW, Clock, call, denied, quotas

pytestmark = pytest.mark.anyio

Spoil: TypeAlias = Callable[[Path], object]


async def test_the_file_is_ours_alone_and_what_is_old_leaves_it(file: Path, clock: Clock) -> None:
    """Ours: folder 0700, file 0600; a day is the longest window."""
    held = quotas(file, clock, fetch=Quota(calls_per_day=9), http=Quota(calls_per_day=9))
    assert await call(held, "http") is None
    clock.minute += DAY + 1
    assert await call(held, "fetch") is None

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)]
    assert modes == [0o700, 0o600]
    assert [path.name for path in file.parent.iterdir()] == ["quotas.sqlite"]
    database = sqlite3.connect(file)
    assert database.execute("SELECT tool, calls FROM used").fetchall() == [("fetch", 1)]
    database.close()


def make_folder(file: Path) -> Path:
    file.parent.mkdir(mode=0o700)
    return file


def no_database(file: Path) -> None:
    make_folder(file).write_bytes(b"this is no database, whoever wrote it" * 100)
    file.chmod(0o600)


def no_counts(file: Path) -> None:
    database = sqlite3.connect(make_folder(file))
    database.execute("PRAGMA user_version = 1")
    database.close()
    file.chmod(0o600)


def of_another_layout(file: Path) -> None:
    database = sqlite3.connect(make_folder(file))
    database.execute("PRAGMA user_version = 2")
    database.close()
    file.chmod(0o600)


def open_to_others(file: Path) -> None:
    make_folder(file).touch(mode=0o644)


def elsewhere(file: Path) -> None:
    make_folder(file).symlink_to("/dev/null")


def in_a_folder_of_all(file: Path) -> None:
    file.parent.mkdir()
    file.parent.chmod(0o755)


def in_no_folder(file: Path) -> None:
    file.parent.touch()


def with_no_room_for_a_journal(file: Path) -> None:
    with open_book(make_folder(file)):
        pass
    file.with_name(f"{file.name}-journal").mkdir()


FLAWS: Mapping[str, tuple[Spoil, str]] = {
    "no_database": (no_database, "rm "),
    "no_counts": (no_counts, "rm "),
    "of_another_layout": (of_another_layout, "rm "),
    "open_to_others": (open_to_others, "rm "),
    "elsewhere": (elsewhere, "rm "),
    "in_a_folder_of_all": (in_a_folder_of_all, "chmod 700"),
    "with_no_room_for_a_journal": (with_no_room_for_a_journal, "set XDG_STATE_HOME"),
    "in_no_folder": (in_no_folder, "set XDG_STATE_HOME"),
}


@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_file_that_cannot_be_used_denies_what_has_a_quota_and_nothing_else(
    file: Path, clock: Clock, flaw: str
) -> None:
    """Issue: fail closed, with the reason and the way out; tools without a quota never touch it."""
    spoil, way_out = FLAWS[flaw]
    spoil(file)
    held = quotas(file, clock, fetch=Quota(calls_per_hour=3))

    denial = await denied(held, "fetch")
    assert denial.reason.startswith("fetch has a quota, and what it used cannot be counted: ")
    assert str(file.parent) in denial.reason
    assert way_out in denial.allow
    assert await call(held, "read") is None


async def test_a_tool_without_a_quota_makes_no_file(file: Path, clock: Clock) -> None:
    """Issue: tools without quotas never touch it; the control makes one."""
    held = quotas(file, clock, fetch=Quota(calls_per_hour=3))
    assert await call(held, "read", sent=7) is None
    assert not file.parent.exists()

    assert await call(held, "fetch", sent=7) is None
    assert file.is_file()


async def test_a_file_that_others_keep_busy_denies(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: whoever cannot count waits a bounded time, and is then denied."""
    held = quotas(file, clock, fetch=Quota(calls_per_hour=3))
    assert await call(held, "fetch") is None
    monkeypatch.setattr("preopen.trust.usage.BUSY_SECONDS", 0.0)
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    denial = await denied(held, "fetch")
    database.execute("ROLLBACK")
    database.close()

    assert "other servers kept it busy" in denial.reason
    assert denial.allow == "call again"
    assert await call(held, "fetch") is None


async def test_a_full_disk_denies_and_says_so(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: what cannot be counted does not run; SQLite itself finds its file full here."""
    limited = ("PRAGMA max_page_count = 1", *usage._TABLES)
    monkeypatch.setattr(usage, "_TABLES", limited)
    denial = await denied(quotas(file, clock, fetch=Quota(calls_per_hour=3)), "fetch")

    assert "database or disk is full" in denial.reason
    assert denial.allow.startswith("make room, or set XDG_STATE_HOME")


def test_who_only_reads_makes_no_file(file: Path) -> None:
    """Ours: `preopen explain` looks, and leaves nothing behind."""
    assert read_used(file, "fetch") == (0, ())
    assert not file.parent.exists()
    make_folder(file)
    assert read_used(file, "fetch") == (0, ())
    assert list(file.parent.iterdir()) == []


async def test_who_only_reads_sees_what_was_counted_and_changes_nothing(
    file: Path, clock: Clock
) -> None:
    """Ours: the same numbers as whoever counts; also what the next to count would forget."""
    held = quotas(file, clock, fetch=Quota(calls_per_day=9))
    assert await call(held, "fetch", sent=7) is None
    clock.minute += DAY - 1
    assert await call(held, "fetch") is None
    before = file.read_bytes()

    old = Used(minute=NOW, calls=1, bytes_out=7)
    new = Used(minute=NOW + DAY - 1, calls=1, bytes_out=0)
    assert read_used(file, "fetch") == (NOW + DAY - 1, (old, new))
    assert read_used(file, "http") == (NOW + DAY - 1, ())
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("flaw", FLAWS)
def test_who_only_reads_is_told_what_is_wrong_and_repairs_nothing(file: Path, flaw: str) -> None:
    """Ours: what denies a call is told to whoever asks before it."""
    spoil, way_out = FLAWS[flaw]
    spoil(file)
    with pytest.raises(PlatformError) as caught:
        read_used(file, "fetch")
    assert way_out in str(caught.value)


# A server that is killed as it writes: a transaction that has spilled into the file.
KILLED = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
for minute in range(5000):
    database.execute("INSERT INTO used (tool, minute, calls) VALUES ('fetch', ?, 1)", (minute,))
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_what_a_killed_server_left_is_told_by_nobody_until_one_counts_again(
    file: Path, clock: Clock
) -> None:
    """SQLite, extended result code 776: a hot journal is a writer's to play back."""
    held = quotas(file, clock, fetch=Quota(calls_per_day=9))
    assert await call(held, "fetch") is None
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)  # noqa: ASYNC221 - nobody else runs here
    assert done.returncode < 0
    before = file.read_bytes()

    assert read_used(file, "fetch") is None
    assert file.read_bytes() == before
    assert await call(held, "fetch") is None
    assert read_used(file, "fetch") == (NOW, (Used(minute=NOW, calls=2, bytes_out=0),))
