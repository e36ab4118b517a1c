"""Files that a call may replace: what they were before, and what differs afterwards.

The cell puts a file's mode back (`sandbox/modes.py`). Whose the file is it can neither see, for no
user is mapped in its namespace, nor change; so it is looked at here, and said.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from preopen.capability import Kept
from preopen.policy.places import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaceable:
    """One file that a call names to write to; `told` is what the guest is told that it is."""

    kept: Kept
    told: str
    before: os.stat_result


def replaceable(folder: int, file: int, host_path: str, told: str) -> Replaceable:
    """Return what a regular file is before the call; both descriptors are the caller's."""
    kept = Kept(folder=folder, name=host_path.rpartition("/")[2])
    return Replaceable(kept=kept, told=told, before=os.fstat(file))


def differences(files: tuple[Replaceable, ...]) -> tuple[str, ...]:
    """Return a sentence for each file that another one has replaced, if more than that changed."""
    return tuple(sentence for each in files for sentence in _differences(each))


def _differences(file: Replaceable) -> Iterator[str]:
    before = file.before
    try:
        now = os.stat(file.kept.name, dir_fd=file.kept.folder, follow_symlinks=False)
    except OSError:  # removed: the guest's own business, and its own to say
        return
    if (now.st_dev, now.st_ino) == (before.st_dev, before.st_ino) or not stat.S_ISREG(now.st_mode):
        return
    changed = [
        f"{what} was {was} and is {is_now}"
        for what, was, is_now in (
            ("owner", before.st_uid, now.st_uid),
            ("group", before.st_gid, now.st_gid),
            ("mode", f"{before.st_mode & 0o7777:04o}", f"{now.st_mode & 0o7777:04o}"),
        )
        if was != is_now
    ]
    if changed:
        yield f"{printable(file.told)} is a new file: its {'; its '.join(changed)}"
