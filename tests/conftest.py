"""Fixtures that every test file may use: cells of both launchers, both kinds of binary."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from lab import KINDS, LAUNCHERS, Lab, open_lab

# Whoever starts the tests in the background may have Ctrl-C ignored, and every child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test fails for its time: on a busy machine an example takes longer than Hypothesis lets pass.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def anyio_backend() -> str:
    """asyncio: the server runs on no other loop."""
    return "asyncio"


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of compiled binaries for the whole run."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    return folder


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of binary in turn: "module" and "component"."""
    return str(request.param)


@pytest.fixture(params=LAUNCHERS)
def launcher(request: pytest.FixtureRequest) -> str:
    """Each way to a cell in turn: "zygote" and "spawn"."""
    return str(request.param)


@pytest.fixture
async def lab(cache_folder: Path, launcher: str) -> AsyncIterator[Lab]:
    """Open a pool of cells, by each launcher in turn."""
    async with open_lab(cache_folder, launcher) as lab:
        yield lab


@pytest.fixture
async def zygote_lab(cache_folder: Path) -> AsyncIterator[Lab]:
    """Open a pool of cells that a zygote forks."""
    async with open_lab(cache_folder, "zygote") as lab:
        yield lab


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a folder `work` with two files and a folder, beside a file that nobody grants."""
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "a.txt").write_text("this is a\n")
    (work / "b.txt").write_text("this is b\n")
    (work / "sub" / "c.txt").write_text("this is c\n")
    (tmp_path / "secret.txt").write_text("nobody grants this\n")
    return work
