"""A machine that has no process for us: a fault of the platform, with the way out."""

import gc
import signal
import sys
import warnings
from pathlib import Path

import anyio
import pytest

from lab import wat
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.probing import ask_layers
from preopen.errors import PlatformError

pytestmark = pytest.mark.anyio
SOURCE = wat('(module (func (export "_start")))')


def test_a_launcher_is_closed_where_no_loop_runs() -> None:
    """Issue: a start that is broken off before there is a loop leaves no process and no error."""
    launcher = ZygoteLauncher()
    launcher.start()
    assert launcher._zygote is not None
    process = launcher._zygote.process
    launcher.close()
    launcher.close()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take away the interpreter, as an update of the system does under a running server."""
    program = str(tmp_path / "python")
    monkeypatch.setattr(sys, "executable", program)
    return program


async def test_a_zygote_that_cannot_be_started_is_the_platforms_fault(gone: str) -> None:
    """Issue: no process is a fault that a message names, and no bug of ours; no socket is left."""
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(PlatformError, match=f"{gone} could not be started: No such file") as no:
            ZygoteLauncher().start()
        del no
        gc.collect()

    assert [] == [str(each.message) for each in left]


async def test_a_compiler_that_cannot_be_started_says_nothing_of_the_binary(
    gone: str, tmp_path: Path
) -> None:
    """Issue: a binary is refused for what it is, and never for what the machine lacks."""
    with (
        (tmp_path / "out").open("wb") as out,
        anyio.fail_after(30),
        pytest.raises(PlatformError, match=f"{gone} could not be started: No such file"),
    ):
        await compile_binary(SOURCE.binary, SOURCE.read(), "t.wasm", out.fileno())


async def test_a_probe_that_cannot_be_started_is_the_platforms_fault(gone: str) -> None:
    """Issue: fail closed; the pair of the two above."""
    with pytest.raises(PlatformError, match=gone):
        ask_layers("")
