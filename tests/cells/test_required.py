"""Layers that the operator requires: asked of every process that says hello, not once."""

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from lab import Lab, probe
from lacking import write_entry
from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import SpawnLauncher, ZygoteLauncher, check_layers
from preopen.cells.pool import open_pool
from preopen.cells.start import SPAWN, ZYGOTE
from preopen.cells.zygote import LaunchError
from preopen.layer import Layer
from preopen.outcome import CellLost, Outcome, Returned

pytestmark = pytest.mark.anyio

KINDS = {"zygote": (ZygoteLauncher, ZYGOTE), "spawn": (SpawnLauncher, SPAWN)}


@pytest.fixture
async def outcomes(
    request: pytest.FixtureRequest,
    launcher: str,
    cache_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Outcome]:
    """Return what became of a call here, and of one after the machine lost Landlock.

    The parameter is what the operator requires.
    """
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    kind, entry = KINDS[launcher]
    switch = tmp_path / "landlock is gone"
    made = kind(entry=write_entry(tmp_path, entry, "landlock", switch), required=request.param)
    cache = Cache(cache_folder / "cache", cache_folder / "state" / "cache.key", compile_binary)
    async with open_pool(made, cache, cells=4, spares=0) as pool:
        lab = Lab(pool)
        await lab.run(probe("module"), "env", "X")
        switch.touch()
        if isinstance(made, ZygoteLauncher) and (zygote := made._zygote) is not None:
            os.kill(zygote.process.pid, signal.SIGKILL)
            with anyio.fail_after(10):
                while not zygote.lost:
                    await anyio.sleep(0.01)
        await lab.run(probe("module"), "env", "X")
        return [run.outcome for run in lab.runs]


@pytest.mark.parametrize("outcomes", [frozenset({Layer.LANDLOCK})], indirect=True)
async def test_a_call_is_refused_once_a_required_layer_is_gone(outcomes: list[Outcome]) -> None:
    """Ours: fail closed; a later process may find less than the one at the start."""
    there, gone = outcomes
    assert isinstance(there, Returned)
    assert isinstance(gone, CellLost)
    assert "landlock (syscall: Function not implemented)" in gone.reason
    assert not gone.may_pass


@pytest.mark.parametrize("outcomes", [frozenset({Layer.SECCOMP}), frozenset()], indirect=True)
async def test_a_call_runs_without_a_layer_that_nobody_requires(outcomes: list[Outcome]) -> None:
    """Design §3, Platforms: a layer may be missing, and the receipt says so."""
    assert [Returned, Returned] == [type(outcome) for outcome in outcomes]


def test_a_layer_that_no_process_spoke_of_is_not_up() -> None:
    """Ours: fail closed."""
    check_layers({Layer.SECCOMP}, ["seccomp"], {})
    with pytest.raises(LaunchError, match="seccomp"):
        check_layers({Layer.SECCOMP}, [], {})
