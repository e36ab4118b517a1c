"""A module of ours through everything that a tool's call goes through: compiler, zygote, cell."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from preopen.capability import Limits
from preopen.cells.cache import BinarySource
from preopen.cells.compiling import compile_binary
from preopen.cells.job import Job, Run
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.zygote import LaunchError
from preopen.cli.health.line import Line, State, lines_of
from preopen.cli.looping import run_loop
from preopen.cli.starting import Launcher, open_cells, start_launcher
from preopen.errors import PlatformError, PreopenError
from preopen.outcome import Returned
from preopen.policy.flags import Surroundings
from preopen.policy.policy import Policy
from preopen.wire.frames import Binary
from preopen.wire.starters import STARTER_STACK

SECTION: Final = "sandbox"

_SAYS_FIT: Final = rb"""(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\04\00\00\00")
  (data (i32.const 16) "fit\n")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""
_PLACE: Final = "preopen doctor's own module"
_BINARY: Final = Binary(
    sha256=hashlib.sha256(_SAYS_FIT).hexdigest(), kind="module", stack_bytes=STARTER_STACK
)
_SOURCE: Final = BinarySource(binary=_BINARY, place=_PLACE, read=lambda: _SAYS_FIT)
_JOB: Final = Job(
    tool="doctor", source=_SOURCE, argv=(), stdin=b"", environment=(), mounts=(), limits=Limits()
)
_REINSTALL: Final = "reinstall wasmtime: `pip install --force-reinstall wasmtime`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one way to a cell went: a Run, or why there was none."""

    forked: bool
    run: Run | None = None
    fault: str = ""

    @property
    def worked(self) -> bool:
        """Whether the module said what it says."""
        return self.run is not None and self.run.outcome == Returned(stdout=b"fit\n")


def examine_sandbox(policy: Policy, around: Surroundings | None) -> Iterator[Line]:
    """Yield whether a module is compiled, loaded and run, from the user's own cache.

    Where that cannot be used, or `around` is None, from one of the trial's own, which is removed.
    A layer that the policy requires is the wall's line and does not end the trial.
    """
    yield run_loop(_compile)
    policy = replace(policy, required_layers=frozenset())
    if around is not None:
        lines, unusable = _tried(policy, around, "")
        yield from lines
        if not unusable:
            return
    try:
        with tempfile.TemporaryDirectory(prefix="preopen-doctor-") as folder:
            lines, _ = _tried(policy, _apart(Path(folder)), ", with a cache of its own")
    except OSError as error:
        found = f"not tried: {error.strerror or error}"
        way = "set TMPDIR to a folder that you may write"
        yield Line(section=SECTION, name="cell", state=State.FAIL, found=found, way_out=way)
    else:
        yield from lines


def _apart(folder: Path) -> Surroundings:
    return Surroundings(
        cwd=str(folder),
        home=str(folder),
        config_dir=str(folder),
        state_dir=str(folder / "state"),
        cache_dir=str(folder / "cache"),
        environ={},
    )


def _tried(policy: Policy, around: Surroundings, note: str) -> tuple[list[Line], bool]:
    """Return the lines of a trial, and whether the cache was what it failed at."""
    try:
        return _lines(policy, around, note), False
    except PlatformError as error:
        return lines_of(SECTION, "cache", error.faults), True
    except OSError as error:
        line = Line(
            section=SECTION,
            name="cache",
            state=State.FAIL,
            found=f"{error.filename or around.cache_dir}: {error.strerror}",
            way_out="make it yours to read and to write, or remove it: it is made again",
        )
        return [line], True


def _lines(policy: Policy, around: Surroundings, note: str) -> list[Line]:
    """Return the lines of a trial: by the usual way, and where that fails by the other.

    Raises:
        PlatformError, OSError: the cache cannot be used.

    """
    first = _attempt(policy, around, spawn=False)
    second = None if first.worked or not first.forked else _attempt(policy, around, spawn=True)
    return [attempt_line(first, second, note)]


def attempt_line(first: Attempt, second: Attempt | None, note: str) -> Line:
    """Return what the usual way to a cell came to, and whether the other one helps."""
    way = "forked by a zygote" if first.forked else "started afresh (no zygote on this system)"
    if first.run is not None and first.worked:
        walls = f"{len(first.run.walls)} layers of the wall" if first.run.walls else "no wall"
        found = f"{way}: it ran a module, behind {walls}{note}"
        return Line(section=SECTION, name="cell", state=State.OK, found=found)
    ended = first.fault or f"a module of ours ended as {first.run.outcome if first.run else None}"
    helps = second is not None and second.worked
    return Line(
        section=SECTION,
        name="cell",
        state=State.FAIL,
        found=f"{way}: {ended}{note}",
        way_out="`--spawn` works here: write it into the client's entry" if helps else _REINSTALL,
    )


def _attempt(policy: Policy, around: Surroundings, *, spawn: bool) -> Attempt:
    launcher = start_launcher(policy, spawn=spawn)
    forked = isinstance(launcher, ZygoteLauncher)
    try:
        result = run_loop(_run, launcher, policy, around)
    finally:
        launcher.close()
    match result:
        case Run():
            return Attempt(forked=forked, run=result)
        case PlatformError() | OSError():  # the cache's, and not the sandbox's
            raise result
        case _:
            return Attempt(forked=forked, fault=str(result))


async def _run(
    launcher: Launcher, policy: Policy, around: Surroundings
) -> Run | LaunchError | PreopenError | OSError:
    """Return what came of it: out of a task group an exception would come as a group."""
    async with open_cells(launcher, policy, around, spares=0) as pool:
        try:
            await pool.prepare(_SOURCE)
            return await pool.run(_JOB)
        except (LaunchError, PreopenError, OSError) as error:
            return error


async def _compile() -> Line:
    """Really compile: what the cache holds already proves nothing about today's compiler."""
    try:
        with tempfile.TemporaryFile() as out:
            await compile_binary(_BINARY, _SAYS_FIT, _PLACE, out.fileno())
            size = os.fstat(out.fileno()).st_size
    except (PreopenError, OSError) as error:
        return Line(
            section=SECTION,
            name="compiler",
            state=State.FAIL,
            found=str(error).partition("; rebuild")[0],
            way_out=_REINSTALL,
        )
    found = f"a process of its own made {size} bytes of machine code"
    return Line(section=SECTION, name="compiler", state=State.OK, found=found)
