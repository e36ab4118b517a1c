"""Cells that come, or come back, at the very moment of the end: nobody is left to own them."""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from lab import QUICK, probe
from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.handle import Cell
from preopen.cells.job import Binding, Job
from preopen.cells.supply import Supply
from preopen.layer import Layer
from preopen.wire.async_channel import AsyncChannel
from preopen.wire.channel import open_pair
from preopen.wire.frames import Answer, Binary

pytestmark = pytest.mark.anyio


@pytest.fixture
def cell() -> Iterator[Cell]:
    """Give a living process with a channel to it, as a launcher does."""
    here, there = open_pair()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=there.fileno()) as process:
        there.close()
        cell = Cell(
            pid=process.pid,
            channel=AsyncChannel(here),
            pidfd=os.pidfd_open(process.pid),
            knows=set(),
            layers=(),
            missing={},
        )
        yield cell
        cell.close()


@dataclass
class OnCommand:
    """A launcher whose one cell is there when the test says so."""

    cell: Cell
    owner: str = ""
    layers: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    greeted: anyio.Event = field(default_factory=anyio.Event)
    required: frozenset[Layer] = frozenset()
    made: anyio.Event = field(default_factory=anyio.Event)

    def knows(self, _binary: Binary) -> bool:  # noqa: D102 - as Launcher
        return True

    async def load(self, binary: Binary, descriptor: int) -> None:  # noqa: D102 - as Launcher
        raise AssertionError(binary, descriptor)

    async def retire(self, _keep: Collection[Binary]) -> None:  # noqa: D102 - as Launcher
        return

    async def launch(self, _count: int) -> list[Cell]:  # noqa: D102 - as Launcher
        await self.made.wait()
        return [self.cell]

    def close(self) -> None:  # noqa: D102 - as Launcher
        return


def supply_of(launcher: OnCommand, tmp_path: Path) -> Supply:
    return Supply(launcher, Cache(tmp_path / "cache", tmp_path / "key", compile_binary), spares=1)


def bound_job() -> Job:
    return Job(
        tool="probe",
        source=probe("module"),
        argv=(),
        stdin=b"",
        environment=(),
        mounts=(),
        limits=QUICK,
        binding=Binding(identity="probe", calls=3, open_whole=lambda: pytest.fail("not opened")),
    )


@pytest.mark.parametrize("ends_first", [False, True], ids=["came before", "came in that moment"])
async def test_a_cell_that_is_launched_while_all_ends_is_closed(
    cell: Cell, tmp_path: Path, *, ends_first: bool
) -> None:
    """Ours: a launch that was done when its task was cancelled goes on; its socket stayed open."""
    launcher = OnCommand(cell)
    supply = supply_of(launcher, tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supply.keep_spares)
        await anyio.wait_all_tasks_blocked()
        launcher.made.set()
        if not ends_first:
            await anyio.wait_all_tasks_blocked()
        supply.close()
        tasks.cancel_scope.cancel()

    assert cell.closed


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
async def test_a_bound_cell_that_comes_back_after_the_end_is_closed(
    cell: Cell, tmp_path: Path, *, closed: bool
) -> None:
    """Ours: the pair; a cell that answered before the end waits for its next call."""
    supply = supply_of(OnCommand(cell), tmp_path)
    cell.calls_left = 3
    if closed:
        supply.close()
    supply.give_back(cell, bound_job(), Answer(end="exited"))

    assert cell.closed is closed
    supply.close()
    assert cell.closed
