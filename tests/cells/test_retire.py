"""Binaries that no tool has any more: given up everywhere, and had again when they are wanted."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from lab import Lab, probe, wat
from lacking import write_entry
from preopen.cells.cache import BinarySource, Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import SpawnLauncher, ZygoteLauncher
from preopen.cells.pool import open_pool
from preopen.cells.start import SPAWN, ZYGOTE
from preopen.layer import Layer
from preopen.outcome import CellLost, Returned
from processes import children_of

pytestmark = pytest.mark.anyio
BUILDS = 10
KINDS = {"zygote": (ZygoteLauncher, ZYGOTE), "spawn": (SpawnLauncher, SPAWN)}


def build(number: int) -> BinarySource:
    """Return a small command, another one for each number."""
    return wat(
        f'(module (memory (export "memory") 1) (data (i32.const {number}) "x")'
        ' (func (export "_start")))'
    )


def compiled_held(pid: int) -> tuple[int, int]:
    """Return how many descriptors and mappings of compiled binaries a process has."""
    open_files = 0
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            open_files += ".cwasm" in str(Path(f"/proc/{pid}/fd/{descriptor}").readlink())
        except OSError:
            continue  # it was closed meanwhile
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return open_files, len({line.split()[-1] for line in maps if ".cwasm" in line})


def zygotes() -> list[int]:
    """Return the living zygotes of this process."""
    found = []
    for pid in children_of(os.getpid(), deep=False):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"preopen.sandbox.zygote" in words:
            found.append(pid)
    return found


async def test_builds_that_are_replaced_leave_nothing_behind(lab: Lab, launcher: str) -> None:
    """Ours: each build that stayed cost a descriptor and mappings in every cell."""
    held = []
    for number in range(BUILDS):
        source = build(number)
        run = await lab.run(source)
        assert isinstance(run.outcome, Returned), run
        await lab.pool.retire([source])
        await lab.pool.prepare(probe("module"))  # its answer comes after all that was said before
        if number in {3, BUILDS - 1}:
            pids = [os.getpid(), *(zygotes() if launcher == "zygote" else [])]
            held.append([compiled_held(pid) for pid in pids])
    assert held[0] == held[1]


async def test_retired_binary_is_run_again_when_it_is_wanted_again(lab: Lab) -> None:
    """Ours: a manifest that goes and comes back; no later word may undo an earlier one."""
    kept, other = probe("module"), build(1)
    for _ in range(5):
        assert isinstance((await lab.run(other)).outcome, Returned)
        await lab.pool.retire([kept])
        assert not lab.pool.knows(other)
        assert not lab.pool.holds(other)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lab.pool.retire, [kept])
            tasks.start_soon(lab.pool.prepare, other)
        runs = [await lab.run(other) for _ in range(3)]
        assert all(isinstance(run.outcome, Returned) for run in runs)


async def test_what_a_call_is_being_given_is_not_closed_under_it(lab: Lab) -> None:
    """Ours: a descriptor's number that is closed too early names another file by then."""
    source = build(2)
    await lab.pool.prepare(source)
    async with lab.pool.cache.lend(source) as compiled:
        await lab.pool.retire([])
        assert ".cwasm" in str(Path(f"/proc/self/fd/{compiled}").readlink())
        assert lab.pool.holds(source)
    await lab.pool.retire([])
    assert not lab.pool.holds(source)


async def test_calls_that_run_while_their_binary_is_retired_end_well(lab: Lab) -> None:
    """Issue 7: running calls finish on the old registry."""
    outcomes = []

    async def call(number: int) -> None:
        outcomes.append((await lab.run(build(number % 3))).outcome)

    async def retire() -> None:
        for _ in range(10):
            await lab.pool.retire([])

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(call, number)
            tasks.start_soon(retire)
    assert [type(outcome) for outcome in outcomes] == [Returned] * 12


@pytest.mark.parametrize("granted", [True, False])
async def test_layer_that_is_required_from_now_on_stops_cells_that_were_made_before(
    *,
    granted: bool,
    launcher: str,
    cache_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours: wall.require in a reloaded preopen.toml holds for spare and bound cells, too."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    kind, entry = KINDS[launcher]
    switch = tmp_path / "landlock is gone"
    switch.touch()
    made = kind(entry=write_entry(tmp_path, entry, "landlock", switch))
    cache = Cache(cache_folder / "cache", cache_folder / "state" / "cache.key", compile_binary)
    async with open_pool(made, cache, cells=4, spares=2) as pool:
        lab = Lab(pool)
        assert isinstance((await lab.run(probe("module"), "env", "X")).outcome, Returned)
        pool.require(frozenset({Layer.SECCOMP if granted else Layer.LANDLOCK}))
        run = await lab.run(probe("module"), "env", "X")
    if granted:
        assert isinstance(run.outcome, Returned)
    else:
        assert isinstance(run.outcome, CellLost)
        assert "landlock" in run.outcome.reason
