"""Compiled files that nobody uses go; one that is used, by whichever server, does not."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from cells.test_cache import SOURCE, Compiles, open_cache, open_once
from lab import wat
from preopen.cells.cache import BinarySource
from preopen.cells.pruning import UNUSED_SECONDS, prune, stored_files
from preopen.errors import PlatformError

pytestmark = pytest.mark.anyio
OTHER = wat('(module (memory (export "memory") 3) (func (export "_start")))')


def file_of(top: Path, source: BinarySource) -> Path:
    """Return the one compiled file of a binary."""
    (path,) = (top / "cache").rglob(f"{source.binary.sha256}-*.cwasm")
    return path


def age(path: Path, seconds: float = UNUSED_SECONDS + 60) -> None:
    """Have a file look as if it was last used that long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


async def test_what_was_not_used_for_a_month_goes_and_what_was_stays(tmp_path: Path) -> None:
    """Ours: binaries that no tool has any more do not stay on disk for ever."""
    await open_once(tmp_path, Compiles(), SOURCE)
    await open_once(tmp_path, Compiles(), OTHER)
    old, lately = file_of(tmp_path, SOURCE), file_of(tmp_path, OTHER)
    age(old)
    age(lately, UNUSED_SECONDS - 3600)
    gone = await open_cache(tmp_path, Compiles()).tidy()

    assert [each.file for each in gone] == [old]
    assert not old.exists()
    assert lately.exists()


async def test_opening_is_a_use(tmp_path: Path) -> None:
    """Ours: each start of a server or of `preopen call` keeps what it needs."""
    compiles = Compiles()
    await open_once(tmp_path, compiles)
    age(file_of(tmp_path, SOURCE))
    await open_once(tmp_path, compiles)

    assert await open_cache(tmp_path, compiles).tidy() == ()
    assert compiles.count == 1


async def test_what_a_server_has_open_is_in_use_however_long_ago_it_was_opened(
    tmp_path: Path,
) -> None:
    """Ours: a server that runs for months does not remove its own tools' files."""
    cache = open_cache(tmp_path, Compiles())
    await cache.open(SOURCE)
    age(file_of(tmp_path, SOURCE))
    first = await cache.tidy()
    cache.close()

    assert first == ()
    assert await open_cache(tmp_path, Compiles()).tidy() == ()


async def test_file_that_another_server_has_open_stays_whole_for_it(tmp_path: Path) -> None:
    """Ours: servers share the folder; who has the file open goes on, a new start compiles again."""
    compiles = Compiles()
    holder = open_cache(tmp_path, compiles)
    descriptor = await holder.open(SOURCE)
    path = file_of(tmp_path, SOURCE)
    whole = path.read_bytes()
    age(path)
    gone = await open_cache(tmp_path, Compiles()).tidy()

    assert [each.file for each in gone] == [path]
    async with holder.lend(SOURCE) as lent:
        assert lent == descriptor
        assert os.pread(lent, len(whole) + 1, 0) == whole
    assert compiles.count == 1
    holder.close()
    await open_once(tmp_path, compiles)
    assert compiles.count == 2
    assert path.exists()


async def test_same_rule_holds_for_every_engine_and_for_nothing_else(tmp_path: Path) -> None:
    """Ours: an older wasmtime's files go too, and what was half written; no link is followed."""
    await open_once(tmp_path, Compiles())
    shelf = tmp_path / "cache" / "compiled" / "1.0.0-x86_64-1-1048576"
    shelf.mkdir()
    (tmp_path / "outside").mkdir()
    outside = tmp_path / "outside" / "a-b.cwasm"
    (shelf.parent / "linked").symlink_to(outside.parent)
    names = ("old.cwasm", ".1f.part", "new.cwasm", "old.refused", "old.txt")
    for path in (outside, *(shelf / name for name in names)):
        path.write_text("1234")
        if path.name != "new.cwasm":
            age(path)
    (shelf / "link.cwasm").symlink_to(outside)
    os.utime(shelf / "link.cwasm", (0, 0), follow_symlinks=False)
    gone = await open_cache(tmp_path, Compiles()).tidy()

    assert {each.file.name: each.size for each in gone} == {"old.cwasm": 4, ".1f.part": 4}
    left = {path.name for path in shelf.iterdir()}
    assert left == {"new.cwasm", "old.refused", "old.txt", "link.cwasm"}
    assert outside.exists()
    assert file_of(tmp_path, SOURCE).exists()


async def test_folder_that_others_may_enter_is_not_tidied(tmp_path: Path) -> None:
    """Ours: what lies in it is perhaps not ours."""
    await open_once(tmp_path, Compiles())
    age(file_of(tmp_path, SOURCE))
    (tmp_path / "cache").chmod(0o755)
    with pytest.raises(PlatformError, match="chmod 700"):
        await open_cache(tmp_path, Compiles()).tidy()

    assert file_of(tmp_path, SOURCE).exists()


def test_no_folder_is_nothing_to_do(tmp_path: Path) -> None:
    """Ours: a first start has none yet."""
    assert prune(tmp_path / "compiled", time.time()) == ()
    assert list(stored_files(tmp_path / "compiled", ".cwasm")) == []


@contextmanager
def removing(folder: Path) -> Iterator[None]:
    """Have a thread remove every compiled file as soon as it sees it, as another server might."""
    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            for each in stored_files(folder, ".cwasm"):
                each.file.unlink(missing_ok=True)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


async def test_files_that_vanish_under_a_cache_are_compiled_again_and_are_no_error(
    tmp_path: Path,
) -> None:
    """Ours: another server may remove it as soon as it has its name; that is a compile more."""
    compiles, folder = Compiles(), tmp_path / "cache" / "compiled"
    with anyio.fail_after(50), removing(folder):
        for _ in range(8):
            cache = open_cache(tmp_path, compiles)
            descriptor = await cache.open(SOURCE)
            assert os.fstat(descriptor).st_size > 0
            cache.close()
            while list(stored_files(folder, ".cwasm")):
                await anyio.lowlevel.checkpoint()

    assert compiles.count == 8
