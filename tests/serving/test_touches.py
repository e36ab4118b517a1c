"""When something in a folder was touched: inotify itself, on real folders."""

import sys
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from preopen.serving import touches as module
from preopen.serving.touches import touches

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's"),
]


@pytest.fixture(autouse=True)
def no_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing told that was not touched."""
    monkeypatch.setattr(module, "TICK_S", 3600)


async def test_opening_and_reading_is_no_touch_and_writing_is_one(tmp_path: Path) -> None:
    """Ours: a call's own file lies in the workspace, whose `preopen.toml` is watched for."""
    file = tmp_path / "a.txt"
    file.write_text("before")
    async with aclosing(touches([str(tmp_path)])) as told:
        await anext(told)  # the watch stands
        assert file.read_text() == "before"
        with anyio.move_on_after(0.5) as quiet:
            await anext(told)
        assert quiet.cancelled_caught
    async with aclosing(touches([str(tmp_path)])) as told:
        await anext(told)
        file.write_text("after")
        with anyio.fail_after(20):
            await anext(told)


async def test_many_changes_in_a_row_are_told_once(tmp_path: Path) -> None:
    """Ours: editors write in steps, and each telling costs a look."""
    async with aclosing(touches([str(tmp_path)])) as told, anyio.create_task_group() as tasks:
        await anext(told)
        tasks.start_soon(_write_in_steps, tmp_path)
        with anyio.fail_after(20):
            await anext(told)
        assert len(list(tmp_path.iterdir())) == 5


async def _write_in_steps(folder: Path) -> None:
    for number in range(5):
        (folder / f"{number}.toml").write_text("")
        await anyio.sleep(0.01)


@pytest.mark.parametrize("how", ["moved", "removed"])
async def test_it_ends_with_the_folder(tmp_path: Path, how: str) -> None:
    """Ours: what takes the folder's name afterwards is to be watched instead."""
    folder = tmp_path / "tools"
    folder.mkdir()
    async with aclosing(touches([str(folder)])) as told:
        await anext(told)
        folder.rename(tmp_path / "was") if how == "moved" else folder.rmdir()
        with anyio.fail_after(20):
            assert await anext(told, "ended") == "ended"


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Ours: the nearest that is there was asked for, so it went meanwhile."""
    async with aclosing(touches([str(tmp_path / "missing")])) as told:
        with pytest.raises(FileNotFoundError):
            await anext(told)
