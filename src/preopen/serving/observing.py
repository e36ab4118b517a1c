"""Which files are opened below some folders, seen from outside of the cell: by inotify.

It tells of folders, not of processes: whoever opens a file there is seen (inotify(7)). A tree of
more folders than one may watch, or more events than the kernel keeps, is said and not guessed at.
"""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from preopen.policy.places import is_inside, printable
from preopen.serving import inotify
from preopen.trust.learning import Act, Use

MAX_FOLDERS: Final = 10_000  # about 10 MB of the kernel's; a checkout with dependencies has fewer
MAX_USES: Final = 200_000  # of all calls together, each once a call

# inotify(7). Reads of a file are left out: they would be most of what comes, and add nothing to
# its open. A folder's are asked for, since a cell opens each folder that it mounts.
_WATCHED: Final = (
    inotify.ACCESS
    | inotify.MODIFY
    | inotify.ATTRIB
    | inotify.CLOSE_WRITE
    | inotify.OPEN
    | inotify.MOVED
    | inotify.CREATE
    | inotify.DELETE
)


@dataclass(slots=True, kw_only=True)
class Observer:
    """What was opened since it was last asked. `blind` says why it may not be all."""

    notify: Any = None  # inotify_simple has no types; None where nothing is watched
    folders: dict[int, str] = field(default_factory=dict)
    blind: list[str] = field(default_factory=list)
    _uses: dict[Use, None] = field(default_factory=dict)
    _taken: int = 0

    async def drain(self) -> None:
        """Read what comes, for ever: the kernel keeps 16 384 events, and a search makes more."""
        while self.notify is not None:
            await anyio.wait_readable(self.notify)
            self._read()

    def take(self) -> tuple[Use, ...]:
        """Return the uses since the last time, each once, in the order of their first."""
        self._read()
        taken, self._uses = tuple(self._uses), {}
        self._taken += len(taken)
        return taken

    def _read(self) -> None:
        for event in self.notify.read(timeout=0) if self.notify else ():
            if event.mask & inotify.OVERFLOW:
                self._say_blind("more was opened at once than the kernel keeps")
                continue
            folder = self.folders.get(event.wd)
            if folder is None or event.mask & inotify.IGNORED:
                continue
            path = f"{folder.rstrip('/')}/{event.name}" if event.name else folder
            for use in _uses_of(event.mask, path):
                if self._taken + len(self._uses) < MAX_USES:
                    self._uses[use] = None
                else:
                    self._say_blind(f"the calls opened more than {MAX_USES} files")

    def _say_blind(self, why: str) -> None:
        if why not in self.blind:
            self.blind.append(why)


def _uses_of(mask: int, path: str) -> Iterator[Use]:
    if mask & (inotify.CREATE | inotify.DELETE | inotify.MOVED):
        yield Use(act=Act.CHANGED, host_path=path)
    if mask & inotify.IS_FOLDER:
        if mask & inotify.ACCESS:
            yield Use(act=Act.LISTED, host_path=path)
        return
    if mask & inotify.OPEN:
        yield Use(act=Act.READ, host_path=path)
    if mask & (inotify.MODIFY | inotify.CLOSE_WRITE | inotify.ATTRIB):
        yield Use(act=Act.WRITTEN, host_path=path)


@contextmanager
def observing(folders: Sequence[str], *, most: int = MAX_FOLDERS) -> Iterator[Observer]:
    """Watch these resolved folders and all below them, as they are now: at most so many.

    A folder that is made later is not watched: that it was made is seen in its own folder.
    """
    if sys.platform != "linux":
        yield Observer(blind=["this system has no inotify: no file was watched"])
        return
    from inotify_simple import INotify  # noqa: PLC0415 - it is installed on Linux only

    with INotify() as notify:
        observer = Observer(notify=notify)
        _watch(observer, [*_trees(folders, most, observer.blind)])
        yield observer


def _trees(folders: Sequence[str], most: int, blind: list[str]) -> Iterator[str]:
    """Yield each folder and those below it; links are not followed, as no grant follows one out."""
    tops = [
        each
        for each in dict.fromkeys(folders)
        if not any(is_inside(each, other) for other in folders if other != each)
    ]
    count = 0
    for top in tops:
        for folder, below, _ in os.walk(top, onerror=lambda error: blind.append(_unread(error))):
            below.sort()
            count += 1
            if count > most:
                blind.append(f"the grants hold more than {most} folders")
                return
            yield folder


def _watch(observer: Observer, folders: Sequence[str]) -> None:
    """Watch each folder; only once all were walked, or the walk itself would be seen."""
    for folder in folders:
        try:
            mask = _WATCHED | inotify.ONLY_FOLDERS | inotify.NO_LINKS
            observer.folders[observer.notify.add_watch(folder, mask)] = folder
        except FileNotFoundError:
            continue  # gone since the walk, with all that was in it
        except OSError as error:
            observer.blind.append(_unread(error, folder))
            if error.errno == errno.ENOSPC:  # the user's share of watches: so it goes on
                return


def _unread(error: OSError, folder: str = "") -> str:
    return f"{printable(folder or str(error.filename))} could not be watched: {error.strerror}"
