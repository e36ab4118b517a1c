"""What is seen of files from outside, by the kernel's own inotify."""

import fcntl
import os
import sys
import termios
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from preopen.serving.observing import Observer, observing
from preopen.trust.learning import Act, Use

pytestmark = pytest.mark.anyio


def unread(observer: Observer) -> int:
    """Return how many bytes of events the kernel keeps (ioctl_list(2))."""
    answer = fcntl.ioctl(observer.notify, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


def acts(uses: tuple[Use, ...], path: Path) -> set[Act]:
    """Return what was done to one path."""
    return {use.act for use in uses if use.host_path == str(path)}


def test_opens_are_seen_below_the_folder_and_not_beside_it(tmp_path: Path) -> None:
    """Issue: what was opened, seen from outside; a read is no change."""
    inside, beside = tmp_path / "in" / "deep", tmp_path / "out"
    for folder in (inside, beside):
        folder.mkdir(parents=True)
        (folder / "a").write_text("x")
    with observing([str(tmp_path / "in")]) as observer:
        (inside / "a").read_text()
        (beside / "a").read_text()
        uses = observer.take()

        assert {Act.READ} == acts(uses, inside / "a")
        assert set() == acts(uses, beside / "a")
        assert () == observer.take()
        assert [] == observer.blind


def test_every_way_to_change_something_is_seen_as_such(tmp_path: Path) -> None:
    """Issue: read instead of write only where nothing was written."""
    for name in ("opened", "times", "moved", "removed"):
        (tmp_path / name).write_text("x")
    with observing([str(tmp_path)]) as observer:
        (tmp_path / "opened").open("r+").close()
        os.utime(tmp_path / "times", (0, 0))
        (tmp_path / "moved").rename(tmp_path / "there")
        (tmp_path / "removed").unlink()
        (tmp_path / "made").mkdir()
        uses = observer.take()

    changed = {Path(use.host_path).name for use in uses if use.writes}
    assert {"opened", "times", "moved", "there", "removed", "made"} == changed


def test_a_folder_counts_when_its_names_are_read_and_not_when_it_is_opened(tmp_path: Path) -> None:
    """Ours: a cell opens each folder that it mounts, whether its guest looks or not."""
    (tmp_path / "a").write_text("x")
    with observing([str(tmp_path)]) as observer:
        os.close(os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY))
        os.close(os.open(tmp_path / "a", os.O_PATH))  # as preopen's own walk opens
        opened = observer.take()
        os.listdir(tmp_path)
        read = observer.take()

    assert () == opened
    assert {Act.LISTED} == acts(read, tmp_path)


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Ours: no grant follows a link out, and a circle of them has no end."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "a").write_text("x")
    (inside / "away").symlink_to(outside)
    (inside / "around").symlink_to(inside)
    with observing([str(inside)]) as observer:
        (outside / "a").read_text()

        assert () == observer.take()
        assert 1 == len(observer.folders)


def test_one_folder_in_another_is_watched_once(tmp_path: Path) -> None:
    """Ours: two grants may overlap; a use is one use."""
    (tmp_path / "in").mkdir()
    with observing([str(tmp_path / "in"), str(tmp_path), str(tmp_path)]) as observer:
        assert 2 == len(observer.folders)


def test_a_tree_that_is_too_large_is_said(tmp_path: Path) -> None:
    """Issue: recursive trees are bounded."""
    for number in range(4):
        (tmp_path / str(number)).mkdir()
    with observing([str(tmp_path)], most=5) as whole, observing([str(tmp_path)], most=4) as part:
        assert [] == whole.blind
        assert ["the grants hold more than 4 folders"] == part.blind


def test_more_events_than_the_kernel_keeps_are_said(tmp_path: Path) -> None:
    """Issue: an overflow is said."""
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [tmp_path / "a", tmp_path / "b"]  # in turn: like events after one another are one
    for each in names:
        each.write_text("x")
    with observing([str(tmp_path)]) as observer:
        for number in range(kept + 1):
            os.close(os.open(names[number % 2], os.O_RDONLY))
        observer.take()

        assert ["more was opened at once than the kernel keeps"] == observer.blind


async def test_what_is_read_meanwhile_does_not_overflow(tmp_path: Path) -> None:
    """Ours, withheld: as many events, while somebody takes them off the kernel's hands."""
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [tmp_path / "a", tmp_path / "b"]
    for each in names:
        each.write_text("x")
    with observing([str(tmp_path)]) as observer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(observer.drain)
            for number in range(kept + 1):
                os.close(os.open(names[number % 2], os.O_RDONLY))
                while not number % 1000 and unread(observer):
                    await checkpoint()
            tasks.cancel_scope.cancel()

        assert {str(each) for each in names} == {use.host_path for use in observer.take()}
        assert [] == observer.blind
