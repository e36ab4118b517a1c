"""Removes compiled binaries that nobody used for a while; a use is seen by the file's mtime.

Several servers share the folder. A file that one of them has open stays whole for it; one that is
gone when it is looked for is compiled again.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNUSED_SECONDS: Final = 30 * 24 * 3600
COMPILED: Final = ".cwasm"
# What a server that was killed while it wrote has left behind.
PART: Final = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One file of a shelf, as it was when it was looked at; `used` in seconds since 1970."""

    file: Path
    size: int
    used: float


def mark_used(descriptor: int) -> None:
    """Have a compiled file count as used now. Where that cannot be written it is older than it is.

    Not by atime: many file systems write none, and a backup's reading is no use.
    """
    with suppress(OSError):
        os.utime(descriptor)


def stored_files(folder: Path, ending: str) -> Iterator[Stored]:
    """Yield the files of this ending on every engine's shelf, but those that go meanwhile.

    Nothing is followed: neither a link that stands for a shelf nor one that stands for a file.
    """
    for shelf in _entries(folder):
        if not shelf.is_dir(follow_symlinks=False):
            continue
        for entry in _entries(shelf):
            if not entry.name.endswith(ending):
                continue
            with suppress(OSError):
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(about.st_mode):
                    yield Stored(file=Path(entry.path), size=about.st_size, used=about.st_mtime)


def prune(folder: Path, now: float) -> tuple[Stored, ...]:
    """Remove what was not used for UNUSED_SECONDS, of whichever engine, and return it.

    The shelves themselves stay: another server may be about to write into one that is empty. What
    cannot be removed stays, and is met again by the next one that looks.
    """
    gone = []
    for ending in (COMPILED, PART):
        for each in stored_files(folder, ending):
            if now - each.used > UNUSED_SECONDS:
                with suppress(OSError):
                    each.file.unlink()
                    gone.append(each)
    return tuple(gone)


def _entries(folder: os.PathLike[str]) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
