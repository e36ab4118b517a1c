"""preopen's own folders → lines: whose they are, whether they can be written, what they hold."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from preopen.cells.pruning import COMPILED, UNUSED_SECONDS, stored_files
from preopen.cli.health.line import Line, State, lines_of
from preopen.errors import PlatformError
from preopen.own import CACHE, STATE, own_folder
from preopen.policy.file import FILE_NAME
from preopen.policy.flags import Surroundings

SECTION: Final = "folders"

_NEEDED: Final = 16 << 20  # the built-in tools, compiled, with room for one of ours
_COMFORTABLE: Final = 256 << 20  # the largest component that we know of compiles to 110 MB


def examine_folders(around: Surroundings) -> Iterator[Line]:
    """Yield configuration, cache and state. The latter two are made, as each call makes them."""
    yield _config(Path(around.config_dir))
    cache, state = Path(around.cache_dir), Path(around.state_dir)
    yield from _own(cache, "cache", CACHE, _held_by(cache))
    yield from _own(state, "state", STATE, "")
    try:
        flags, free_bytes = os.statvfs(cache).f_flag, shutil.disk_usage(cache).free
    except OSError:
        return  # the cache's own line says why
    noexec = bool(flags & getattr(os, "ST_NOEXEC", 0))
    yield from cache_lines(noexec=noexec, free_bytes=free_bytes)


def cache_lines(*, noexec: bool, free_bytes: int) -> Iterator[Line]:
    """Yield what the file system below the cache allows, and how much it still holds."""
    if noexec:
        yield Line(
            section=SECTION,
            name="cache's mount",
            state=State.FAIL,
            found="noexec, and a compiled binary is mapped as code",
            way_out="set XDG_CACHE_HOME to a folder on a file system that is mounted with exec",
        )
    state = State.OK if free_bytes >= _COMFORTABLE else State.WARN
    state = state if free_bytes >= _NEEDED else State.FAIL
    yield Line(
        section=SECTION,
        name="disk",
        state=state,
        found=f"{free_bytes >> 20} MiB free for the cache",
        way_out=""
        if state is State.OK
        else "make room, or set XDG_CACHE_HOME to a folder on another disk",
    )


def _config(folder: Path) -> Line:
    try:
        about = folder.stat()
    except FileNotFoundError:
        found = f"{folder}: not there, so every default is the tight one"
        return Line(section=SECTION, name="config", state=State.OK, found=found)
    except OSError as error:
        return Line(
            section=SECTION,
            name="config",
            state=State.FAIL,
            found=f"{folder}: {error.strerror}",
            way_out="make it readable, or set XDG_CONFIG_HOME to a folder of your own",
        )
    mode = stat.S_IMODE(about.st_mode)
    if mode & 0o022:
        return Line(
            section=SECTION,
            name="config",
            state=State.WARN,
            found=f"{folder}: mode {mode:04o}, so others may write {FILE_NAME}",
            way_out=f"chmod go-w {folder}",
        )
    return Line(section=SECTION, name="config", state=State.OK, found=str(folder))


def _own(folder: Path, name: str, variable: str, held: str) -> Iterator[Line]:
    """Yield whether a folder is ours alone and can be written; it is made as a call makes it."""
    try:
        own_folder(folder, variable)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except PlatformError as error:
        yield from lines_of(SECTION, name, error.faults)
    except OSError as error:
        yield Line(
            section=SECTION,
            name=name,
            state=State.FAIL,
            found=f"{folder}: cannot be made or written: {error.strerror}",
            way_out=f"set {variable} to a folder that you may write",
        )
    else:
        found = f"{folder}{held}"
        yield Line(section=SECTION, name=name, state=State.OK, found=found)


def _held_by(cache: Path) -> str:
    files = list(stored_files(cache / "compiled", COMPILED))
    size = sum(each.size for each in files)
    old = sum(time.time() - each.used > UNUSED_SECONDS for each in files)
    said = f", {old} of them unused for long: `preopen serve` removes them" if old else ""
    return f": {len(files)} compiled binaries, {size >> 20} MiB{said}"
