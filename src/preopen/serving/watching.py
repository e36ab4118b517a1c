"""Which files decide over what is served, how they look, and when somebody touched one of them.

A look compares stamps, so an event that concerns nothing costs some `stat`s. Knows no manifest.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final, TypeAlias

import anyio

from preopen.serving.touches import TICK_S, touches

# Where it lies, and what it is now: inode, size, change of content, change of anything; None where
# it is not there. The time of a change of anything cannot be set back by who writes the file.
Stamps: TypeAlias = Mapping[str, tuple[int, int, int, int] | None]

_MANIFEST: Final = ".toml"
_CLOCK_NS: Final = 20_000_000  # a file's times may be a tick of the kernel behind the clock

log = logging.getLogger(__name__)


def take_stamps(files: Iterable[str], folders: Iterable[str]) -> Stamps:
    """Return how these files look, and each manifest in these folders; of a folder, which it is."""
    found, which = set(files), {}
    for folder in folders:
        which[folder] = _stamp(folder)
        found |= {str(file) for file in Path(folder).glob(f"*{_MANIFEST}")}
    inodes = {folder: stamp and (stamp[0], 0, 0, 0) for folder, stamp in which.items()}
    return {**inodes, **{file: _stamp(file) for file in found}}


def has_changed(now: Stamps, seen: Stamps, since_ns: int) -> bool:
    """Whether files look otherwise than they were seen; of one that was not, whether it is newer.

    What was read at `since_ns` named further files and folders, whose stamps nobody took before. A
    manifest in a folder that was seen without it is a change whatever its age: it was moved there.
    What nobody names any more is none.
    """
    for file, stamp in now.items():
        if file in seen:
            if stamp != seen[file]:
                return True
        elif stamp is not None and (
            stamp[-1] >= since_ns - _CLOCK_NS
            or (file.endswith(_MANIFEST) and os.path.dirname(file) in seen)  # noqa: PTH120 - text
        ):
            return True
    return False


def _stamp(file: str) -> tuple[int, int, int, int] | None:
    try:
        about = os.stat(file)  # noqa: PTH116 - a name that may hold anything, as text
    except (OSError, ValueError):
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def folders_to_watch(files: Iterable[str], folders: Iterable[str]) -> frozenset[str]:
    """Return the folders whose entries these are; of a missing one the nearest that is there.

    A file is watched by its folder: an editor puts another file into its place. So is a folder,
    for it may be moved away, or come later.
    """
    wanted = {*folders, *(os.path.dirname(path) for path in (*files, *folders))}  # noqa: PTH120 - text
    return frozenset(_nearest(folder) for folder in wanted)


def _nearest(folder: str) -> str:
    while not os.path.isdir(folder):  # noqa: PTH112 - text in, text out
        folder = os.path.dirname(folder) or "/"  # noqa: PTH120 - as above
    return folder


async def look_whenever_touched(
    wanted: Callable[[], frozenset[str]], look: Callable[[], Awaitable[None]]
) -> None:
    """Look after every change in the folders that are `wanted` now, and every two seconds.

    Where the system cannot watch them, that is said, and the looks go on.
    """
    said = False
    while True:
        try:
            await _watch(wanted(), wanted, look)
        except (OSError, RuntimeError) as problem:
            # One that is not found went meanwhile: another one is the nearest now.
            if not said and not isinstance(problem, FileNotFoundError):
                said = True
                why = getattr(problem, "strerror", None) or str(problem).split("\n")[0]
                log.warning(
                    "preopen: changes of tools and policy are seen late: their folders cannot be"
                    " watched (%s); raise fs.inotify.max_user_watches or max_user_instances",
                    why,
                )
            await look()
            await anyio.sleep(TICK_S)


async def _watch(
    folders: frozenset[str],
    wanted: Callable[[], frozenset[str]],
    look: Callable[[], Awaitable[None]],
) -> None:
    """Look once the watch stands and at each change, until other folders are wanted."""
    async with aclosing(touches(folders)) as told:
        async for _ in told:
            await look()
            if wanted() != folders:
                return
