"""The pool of the promises' tests, and the mutation run: `pytest tests/promises --mutate`.

That run takes the tests marked `keeps(key, "withheld")`, each with all enforcers of its key off,
and turns its verdict round: what is still stopped then has no keeper in the table. Where a second
wall stands behind the first, the test runs once more with only the first off, and must pass.
"""

import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.pool import Pool, open_pool
from preopen.policy.policy import Policy
from promises import inside, outside
from promises.patching import disable
from test_promises import FIRST_WALLS, IN_CELL, KEEPERS

VARIABLE = "PREOPEN_TEST_VARIABLE"
ALL, FIRST = "all-off", "first-off"
SURVIVORS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutate", action="store_true", help="run withheld tests without enforcers")
    parser.addoption("--list-promises", action="store_true", help="list key, side and test")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SURVIVORS] = []


def is_mutating(config: pytest.Config) -> bool:
    """Whether this is the mutation run; the option is unknown where `tests` as a whole is run."""
    return bool(config.getoption("mutate", default=False))


def keys_of(item: pytest.Item, side: str) -> list[str]:
    """Return the keys whose promise a test keeps on this side."""
    return [mark.args[0] for mark in item.iter_markers("keeps") if mark.args[1] == side]


def mode_of(item: pytest.Item) -> str:
    """Return which enforcers are off for a test: "all-off", "first-off", or "" for none."""
    spec = getattr(item, "callspec", None)
    return str(spec.params.get("enforcers_off", "")) if spec else ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if is_mutating(metafunc.config):
        metafunc.parametrize("enforcers_off", [ALL, FIRST], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_mutating(config):
        items[:] = [item for item in items if _is_mutant(item)]


def _is_mutant(item: pytest.Item) -> bool:
    keys = keys_of(item, "withheld")
    return bool(keys) and (mode_of(item) == ALL or keys[0] in FIRST_WALLS)


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.getoption("list_promises", default=False):
        for item in session.items:
            for mark in item.iter_markers("keeps"):
                sys.stdout.write("\t".join(("promise", *mark.args, item.nodeid)) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the verdict of a mutant round. Only a broken expectation kills one, no other error."""
    report = yield
    if mode_of(item) != ALL or report.when != "call":
        return report
    if call.excinfo is None:
        report.outcome = "failed"
        key = keys_of(item, "withheld")[0]
        report.longrepr = f"SURVIVED: {key} is withheld although {KEEPERS[key]} are off"
        item.config.stash[SURVIVORS].append(item.nodeid)
    elif _is_expectation(call.excinfo.value):
        report.outcome, report.longrepr = "passed", None
    return report


def _is_expectation(error: BaseException) -> bool:
    did_not_raise = isinstance(error, pytest.fail.Exception) and "DID NOT RAISE" in str(error)
    return isinstance(error, AssertionError) or did_not_raise


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio, for the whole session: its pool is one for all tests."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def secret() -> Iterator[str]:
    """Set a variable of the server's that no manifest asks for, before any zygote starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, VARIABLE, "swordfish")
        yield VARIABLE


@pytest.fixture(autouse=True)
def enforcers_off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Switch off a mutant's enforcers in the server, and return them all; none by default."""
    if not hasattr(request, "param"):
        return []
    key = keys_of(request.node, "withheld")[0]
    off = KEEPERS[key] if request.param == ALL else FIRST_WALLS[key]
    for enforcer in off:
        if not enforcer.startswith(IN_CELL):
            disable(enforcer, key, outside.MUTANTS, monkeypatch.setattr)
    return list(off)


@pytest.fixture(scope="session")
async def shared_pool(cache_folder: Path) -> AsyncIterator[Pool]:
    """Open the pool of every test that switches nothing off inside the cells."""
    async with open_pool(ZygoteLauncher(), cache_in(cache_folder), cells=32, spares=1) as pool:
        yield pool


@pytest.fixture
async def mutated_pool(
    request: pytest.FixtureRequest,
    enforcers_off: list[str],
    cache_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Pool]:
    """Open a pool whose zygote, and so every cell, has a mutant's enforcers off."""
    key = keys_of(request.node, "withheld")[0]
    inner = [enforcer for enforcer in enforcers_off if enforcer.startswith(IN_CELL)]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    entry = inside.write_entry(tmp_path, key, inner)
    launcher = ZygoteLauncher(entry=entry)
    async with open_pool(launcher, cache_in(cache_folder), cells=32, spares=1) as pool:
        yield pool


@pytest.fixture
def pool(request: pytest.FixtureRequest, enforcers_off: list[str]) -> Pool:
    """Return the pool of one test."""
    needs_own = (IN_CELL, "preopen.cells.start:")
    own = any(enforcer.startswith(needs_own) for enforcer in enforcers_off)
    pool: Pool = request.getfixturevalue("mutated_pool" if own else "shared_pool")
    return pool


@pytest.fixture
def policy(tree: Path) -> Policy:
    """Return the operator's word in most tests: a workspace, and nothing else."""
    return Policy(workspace=str(tree))


def cache_in(folder: Path) -> Cache:
    """Return the cache of compiled binaries that a whole run shares."""
    return Cache(folder / "cache", folder / "state" / "cache.key", compile_binary)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not is_mutating(config):
        return
    passed = [each.nodeid for each in terminalreporter.stats.get("passed", ())]
    killed = sum(ALL in nodeid for nodeid in passed)
    survived = len(config.stash[SURVIVORS])
    terminalreporter.write_line(
        f"mutants: {killed} killed, {survived} survived;"
        f" stopped by the second wall: {len(passed) - killed}"
    )
