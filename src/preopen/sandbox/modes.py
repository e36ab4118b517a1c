"""Modes of files that a guest replaces: noted before it runs, put back after its end.

WASI can neither read nor set a mode, and a file that is written beside and renamed over another
has the mode of a new one: an executable script would be none any more.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from preopen.capability import Kept

# Never a set-id or sticky bit: the content is the guest's now.
_BITS: Final = 0o777
_OTHERS_READ_AND_WRITE: Final = 0o066
# The name may lead anywhere by now: not through a link, and no waiting for a fifo's other end.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Noted:
    """A regular file as it was before the guest ran."""

    kept: Kept
    identity: tuple[int, int]
    mode: int


def note_modes(kept: Iterable[Kept]) -> tuple[Noted, ...]:
    """Return those of the files that are there, and what they are."""
    noted = []
    for each in kept:
        try:
            found = os.stat(each.name, dir_fd=each.folder, follow_symlinks=False)
        except OSError:  # gone since the server looked
            continue
        if stat.S_ISREG(found.st_mode):
            noted.append(Noted(each, (found.st_dev, found.st_ino), found.st_mode & _BITS))
    return tuple(noted)


def close_umask(noted: Iterable[Noted]) -> int:
    """Have no new file opened wider than the closest of these, and return the umask before.

    The new content of a private file is as private while it is written beside, and stays so where
    the cell is killed before it could put the mode back.
    """
    mask = os.umask(_BITS)
    closed = mask
    for each in noted:
        closed |= ~each.mode & _OTHERS_READ_AND_WRITE  # the owner must get into a folder beside it
    os.umask(closed)
    return mask


def restore_modes(noted: Iterable[Noted]) -> None:
    """Give each file that another one has replaced the mode of the first, where that is possible.

    Where it is not, the server sees the difference and says so.
    """
    for each in noted:
        try:
            descriptor = os.open(each.kept.name, _FLAGS, dir_fd=each.kept.folder)
        except OSError:  # removed, or a link now
            continue
        try:
            _restore(descriptor, each)
        except OSError:
            pass
        finally:
            os.close(descriptor)


def _restore(descriptor: int, noted: Noted) -> None:
    now = os.fstat(descriptor)
    replaced = (now.st_dev, now.st_ino) != noted.identity
    if replaced and stat.S_ISREG(now.st_mode) and now.st_mode & _BITS != noted.mode:
        os.fchmod(descriptor, noted.mode)
