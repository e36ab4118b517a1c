"""A compiled binary that cannot be loaded: one line on stderr, and an outcome that says so."""

import os
from pathlib import Path

import anyio
import pytest

from lab import LAUNCHERS, Lab, wat
from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import SpawnLauncher, ZygoteLauncher
from preopen.cells.pool import open_pool
from preopen.cells.zygote import LaunchError
from preopen.outcome import CellLost
from preopen.wire.frames import Binary
from preopen.wire.starters import ASKS_ARGUMENTS

pytestmark = pytest.mark.anyio
SOURCE = wat('(module (memory (export "memory") 5) (func (export "_start")))')
SPOILT = {"a starter": ASKS_ARGUMENTS.binary, "the guest": SOURCE.binary}
LINE = "preopen: a cell could not load a compiled binary: "


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("spoilt", SPOILT)
async def test_what_cannot_be_loaded_is_said_in_a_line_and_not_tried_for_ever(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], launcher: str, spoilt: str
) -> None:
    """Issue: no traceback; the operator learns the cause, the model that nothing helps."""

    async def compile_badly(binary: Binary, data: bytes, place: str, out: int) -> None:
        if binary == SPOILT[spoilt]:
            os.write(out, b"compiled on another machine")
        else:
            await compile_binary(binary, data, place, out)

    made = {"zygote": ZygoteLauncher, "spawn": SpawnLauncher}[launcher]()
    cache = Cache(tmp_path / "cache", tmp_path / "state" / "cache.key", compile_badly)
    with anyio.fail_after(40):
        async with open_pool(made, cache, cells=2, spares=0) as pool:
            outcome = await outcome_in(Lab(pool))
    said = capfd.readouterr().err.splitlines()

    assert isinstance(outcome, CellLost), outcome
    assert "could not be loaded" in outcome.reason
    assert not outcome.may_pass
    assert all(line.startswith(LINE) for line in said), said
    assert bool(said) == (launcher == "spawn")


async def outcome_in(lab: Lab) -> object:
    """Return how a call of the binary ends, be it that no cell can be had for it."""
    try:
        return (await lab.run(SOURCE)).outcome
    except LaunchError as error:
        return CellLost(reason=str(error), may_pass=error.may_pass)
