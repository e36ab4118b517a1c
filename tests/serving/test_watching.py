"""When somebody touched what decides over the tools: real files, the system's own events."""

import errno
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from preopen.serving import touches, watching
from preopen.serving.watching import (
    folders_to_watch,
    has_changed,
    look_whenever_touched,
    take_stamps,
)

pytestmark = pytest.mark.anyio


class Looks:
    """Looks that are waited for; `wanted` may change between two."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.seen: list[frozenset[str]] = []
        self._looked = anyio.Event()

    def wanted(self) -> frozenset[str]:
        """Return the folders as the reloader would: the nearest that are there."""
        return folders_to_watch((), map(str, self.folders))

    async def look(self) -> None:
        """Note the names of the manifests."""
        stamps = take_stamps((), map(str, self.folders))
        names = (Path(file).name for file in stamps)
        self.seen.append(frozenset(name for name in names if name.endswith(".toml")))
        self._looked.set()

    async def until_seen(self, *names: str) -> None:
        """Wait for a look that finds these manifests and no others."""
        while not self.seen or self.seen[-1] != set(names):
            await self._looked.wait()
            self._looked = anyio.Event()


@pytest.fixture(params=[touches.by_inotify, touches.by_watchfiles], ids=lambda each: each.__name__)
def by_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have folders watched as Linux does, then as other systems do."""
    monkeypatch.setattr(watching, "touches", request.param)


@pytest.mark.usefixtures("by_system")
async def test_manifest_that_comes_changes_or_goes_has_somebody_look(tmp_path: Path) -> None:
    """Issue 7, hot reload."""
    looks = Looks(tmp_path)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look_whenever_touched, looks.wanted, looks.look)
            await looks.until_seen()
            (tmp_path / "a.toml").write_text("")
            await looks.until_seen("a.toml")
            (tmp_path / "a.toml").rename(tmp_path / "b.toml")
            await looks.until_seen("b.toml")
            (tmp_path / "b.toml").unlink()
            await looks.until_seen()
            tasks.cancel_scope.cancel()


@pytest.mark.usefixtures("by_system")
async def test_folder_that_comes_later_goes_and_comes_again_is_watched(tmp_path: Path) -> None:
    """Issue 7: a folder that does not exist yet is picked up when it appears, however deep."""
    folder = tmp_path / "config" / "preopen" / "tools"
    looks = Looks(folder)
    assert looks.wanted() == {str(tmp_path)}
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look_whenever_touched, looks.wanted, looks.look)
            for name in ("a.toml", "b.toml"):
                folder.mkdir(parents=True)
                (folder / name).write_text("")
                await looks.until_seen(name)
                folder.parent.rename(tmp_path / f"was-{name}")
                await looks.until_seen()
            tasks.cancel_scope.cancel()


async def test_where_watching_is_impossible_that_is_said_once_and_looks_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue 7: inotify's limits take the server down no more than a broken edit does."""

    async def full(_folders: object) -> AsyncGenerator[None, None]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(watching, "touches", full)
    monkeypatch.setattr(watching, "TICK_S", 0.01)
    looks = Looks(tmp_path)
    with anyio.fail_after(20), caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look_whenever_touched, looks.wanted, looks.look)
            await looks.until_seen()
            (tmp_path / "a.toml").write_text("")
            await looks.until_seen("a.toml")
            tasks.cancel_scope.cancel()
    [line] = caplog.messages
    assert "No space left on device" in line
    assert "max_user_watches" in line


@pytest.mark.parametrize("change", ["content", "size", "replaced", "time set back", "gone"])
def test_stamp_differs_after_each_kind_of_change(tmp_path: Path, change: str) -> None:
    """Ours: who writes a file can set its time back, and yet it is seen."""
    file = tmp_path / "a.toml"
    file.write_text("one")
    before, about = take_stamps((str(file),), ()), file.stat()
    match change:
        case "content":
            file.write_text("two")
        case "size":
            file.write_text("three")
        case "replaced":
            (tmp_path / "b").write_text("one")
            (tmp_path / "b").rename(file)
        case "time set back":
            file.write_text("two")
            os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
        case _:
            file.unlink()
    assert take_stamps((str(file),), ()) != before


def test_unchanged_files_have_the_same_stamps_and_a_strange_name_has_none(tmp_path: Path) -> None:
    """Ours: a manifest may name any path as its binary."""
    (tmp_path / "a.toml").write_text("one")
    strange = (str(tmp_path / "missing"), "\0", "/proc/self/mem/x", "/" + "x" * 5000)
    first = take_stamps(strange, (str(tmp_path),))
    assert first == take_stamps(strange, (str(tmp_path),))
    assert [first[name] for name in strange] == [None] * 4
    assert first[str(tmp_path / "a.toml")] is not None
    assert folders_to_watch(strange, ()) >= {str(tmp_path), "/"}


def test_change_is_seen_by_stamp_or_where_none_was_taken_by_age(tmp_path: Path) -> None:
    """Ours: a reload names files that nobody had looked at; only a newer one is read again."""
    file = tmp_path / "a.toml"
    file.write_text("one")
    now = take_stamps((str(file),), ())
    changed_ns = file.stat().st_ctime_ns
    assert not has_changed(now, now, 0)
    assert has_changed(now, {}, changed_ns)
    assert not has_changed(now, {}, changed_ns + 10**9)
    assert has_changed({str(file): None}, now, 0)
    assert not has_changed({}, now, 0)
    assert not has_changed({str(file): None}, {}, 0)


def test_manifest_that_was_moved_into_a_folder_is_new_however_old_it_is(tmp_path: Path) -> None:
    """Ours: to move a file, or its folder, need not touch the file's times."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "a.toml").write_text("old")
    later_ns = (tmp_path / "tools" / "a.toml").stat().st_ctime_ns + 10**12
    folders = [str(tmp_path / "tools")]
    there = take_stamps((), folders)
    (tmp_path / "tools").rename(tmp_path / "away")
    gone = take_stamps((), folders)
    (tmp_path / "tools").mkdir()
    empty = take_stamps((), folders)

    assert has_changed(there, gone, later_ns)
    assert has_changed(there, empty, later_ns)
    assert has_changed({**there, folders[0]: empty[folders[0]]}, empty, later_ns)
    assert not has_changed(there, {}, later_ns)
