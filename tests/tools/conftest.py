"""One server with the built-in tools for each test file; each test works in a folder of its own."""

import itertools
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from tools.desk import Desk
from tools.web import Web, open_web

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """asyncio, for a whole file: its server is one for all its tests."""
    return "asyncio"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace whose name needs quotes in a shell."""
    return tmp_path_factory.mktemp("my wörk 'space'").resolve()


@pytest.fixture(scope="module")
def named_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder that the operator named, outside of the workspace."""
    return tmp_path_factory.mktemp("named").resolve()


@pytest.fixture(scope="module")
def home() -> dict[str, str]:
    """Return what the server's environment says of a home: nothing, but for a file that asks."""
    return {}


@pytest.fixture(scope="module")
def more_flags(named_folder: Path) -> list[str]:
    """Return what else the server is started with."""
    return ["--folder", f"named={named_folder}"]


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[Web]:
    """Serve a web for the tests of one file; it opens it by `more_flags`."""
    async with open_web() as web:
        yield web


@pytest.fixture(scope="module")
async def client(
    workspace: Path,
    home: dict[str, str],
    more_flags: list[str],
    cache_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Client]:
    """Connect a real client to a real server over stdio."""
    top = tmp_path_factory.mktemp("own")
    own = {f"XDG_{name}_HOME": str(top / name.lower()) for name in ("CONFIG", "STATE")}
    env = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache_folder), **own, **home}
    flags = ["--workspace", str(workspace), *more_flags]
    arguments = ["-m", "preopen.cli.main", "serve", *flags]
    parameters = StdioServerParameters(command=sys.executable, args=arguments, env=env)
    async with Client(parameters) as client:
        yield client


@pytest.fixture
def desk(client: Client, workspace: Path) -> Desk:
    """Return the client and an empty folder in the workspace."""
    folder = workspace / f"t{next(_NUMBERS)}"
    folder.mkdir()
    return Desk(client=client, workspace=workspace, folder=folder)
