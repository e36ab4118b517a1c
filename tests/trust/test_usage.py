"""The file of what tools used: ours alone, pruned, and whatever is wrong with it denies."""

import sqlite3
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from preopen.policy.quotas import Quota
from preopen.trust import usage
from preopen.trust.usage import DAY, open_book
from trust.calls import Clock, call, denied, quotas

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
