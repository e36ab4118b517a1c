"""Resolves a path argument inside the grants, component by component: the one file that walks.

The kernel never follows a symlink for us: each name is opened by itself, below the descriptor that
the walk has reached, and a link's text is walked like an argument's. No `..`, no link and no swap
between two steps leads out, and what is answered are the very descriptors that were walked.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from preopen.capability import Directory
from preopen.document import shown
from preopen.outcome import Denial
from preopen.policy.places import (
    describe_directories,
    join_path,
    printable,
    split_path,
    starts_with,
    widest,
)

MAX_BYTES: Final = 4096  # PATH_MAX
MAX_LINKS: Final = 40  # as Linux counts; also what ends a circle
MAX_DEPTH: Final = 128  # below the grant: each folder of a walk holds a descriptor
MAX_STEPS: Final = 512  # of one path, links included: 3 ms; links may not stall the server
_SHOWN: Final = 200  # characters of a path in a reason

# Where there is no O_PATH (macOS), reading is asked for, and a link answers ELOOP. Untested there.
_ENTRY: Final = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER: Final = _ENTRY | os.O_DIRECTORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a path leads. Both descriptors are `O_PATH` ones, and the holder's to close.

    `host_path` has no link in it. `folder` is that folder, or the file's, or the nearest one that
    exists; `file` is the regular file, if it leads to one.
    """

    host_path: str
    folder_path: str
    folder: int
    file: int | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What is open."""
        return (self.folder,) if self.file is None else (self.folder, self.file)


class _Refused(Exception):  # noqa: N818 - a Denial on its way out of the walk
    """Raised inside this file; holds the reason, and whether opening more folders would help."""

    def __init__(self, reason: str, *, outside: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.outside = outside


class _Left(Exception):  # noqa: N818 - not an error: the walk goes on in another grant, or nowhere
    """Raised where the argument's own `..` leaves the grant; holds the host path's names then."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        super().__init__()
        self.parts = parts


def open_path(
    text: str, directories: Sequence[Directory], *, home: str, allow: Callable[[], str] = str
) -> Found | Denial:
    """Return where a path argument leads inside these directories, or why it may not.

    It may be relative to the first directory, absolute as the guest sees it, absolute on the host,
    or begin with `~/`. `allow` makes the line for a Denial that more folders would avoid.
    """
    try:
        _check(text, directories)
        return _Walk(text=text, directories=directories).run(home)
    except _Refused as refused:
        target = text.encode(errors="replace").decode()
        reason = f"{shown(target)} {refused.reason}"
        return Denial(target=target, reason=reason, allow=allow() if refused.outside else "")


def open_whole(directory: Directory) -> Found | Denial:
    """Return a granted directory itself, opened."""
    try:
        folder = _open_root(directory)
    except _Refused as refused:
        reason = f"{shown(directory.guest_path)} {refused.reason}"
        return Denial(target=directory.guest_path, reason=reason)
    return Found(host_path=directory.host_path, folder_path=directory.host_path, folder=folder)


def _check(text: str, directories: Sequence[Directory]) -> None:
    if not directories:
        raise _Refused("cannot be reached: this tool was granted no folder", outside=True)
    if not text:
        raise _Refused('is no path; "." is the whole folder')
    if "\0" in text:
        raise _Refused("holds a NUL, which no path can")
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise _Refused("holds half of a surrogate pair, which no path can") from None
    if len(raw) > MAX_BYTES:
        raise _Refused(f"has {len(raw)} bytes; a path has at most {MAX_BYTES}")


def _open_root(directory: Directory) -> int:
    """Open a granted folder by its resolved path; a link put in there since is refused."""
    descriptor = os.open("/", _FOLDER)
    for name in split_path(directory.host_path):
        above = descriptor
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=above)
        except OSError as error:
            replaced = error.errno in {errno.ENOTDIR, errno.ELOOP}
            why = "no folder any more" if replaced else error.strerror
            granted = f"{printable(directory.guest_path)}, which this tool was granted"
            raise _Refused(f"cannot be reached: {granted}: {why}") from None
        finally:
            os.close(above)
    return descriptor


class _Trail:
    """The folders that a walk is in, outermost first. Owns their descriptors until `close`."""

    def __init__(self, root: Directory) -> None:
        self.directory = root
        self.root = split_path(root.host_path)
        self._names: list[str] = []
        self._descriptors = [_open_root(root)]

    @property
    def here(self) -> int:
        """The descriptor of the folder that was reached."""
        return self._descriptors[-1]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its host path."""
        return (*self.root, *self._names)

    def enter(self, name: str, descriptor: int) -> None:
        """Go down into an opened folder."""
        self._names.append(name)
        self._descriptors.append(descriptor)
        if len(self._names) > MAX_DEPTH:
            raise _Refused(f"lies more than {MAX_DEPTH} folders deep")

    def leave(self) -> bool:
        """Go up, and say whether that was possible: never above the grant."""
        if not self._names:
            return False
        self._names.pop()
        os.close(self._descriptors.pop())
        return True

    def restart(self) -> None:
        """Go up to the granted folder."""
        while self.leave():
            pass

    def take(self) -> int:
        """Hand the reached folder's descriptor over; nothing more is walked."""
        return self._descriptors.pop()

    def close(self) -> None:
        """Close what is left."""
        while self._descriptors:
            os.close(self._descriptors.pop())


@dataclass(slots=True, kw_only=True)
class _Walk:
    """The way of one argument: its names still to go, and how much of it was walked."""

    text: str
    directories: Sequence[Directory]
    names: deque[str] = field(default_factory=deque)
    of_links: int = 0  # how many of the next names come from links, not from the argument
    links: int = 0
    steps: int = 0

    def run(self, home: str) -> Found:
        parts = self._start(home)
        while True:
            root = widest(parts, self.directories)
            if root is None:
                parts = self._really(parts)
                root = widest(parts, self.directories)
            if root is None:
                raise self._outside()
            try:
                return self._walk(root, parts)
            except _Left as left:
                parts = left.parts

    def _start(self, home: str) -> tuple[str, ...]:
        """Return the names of the host path that the argument means, `..` and links still in it."""
        if self.text == "~" or self.text.startswith("~/"):
            return split_path(home) + split_path(self.text[2:])
        if not self.text.startswith("/"):
            return split_path(self.directories[0].host_path) + split_path(self.text)
        parts = split_path(self.text)
        named = [found for d in self.directories if (found := _translate(parts, d))]
        return max(named, key=lambda found: found[0])[1] if named else parts

    def _really(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return where a path outside of the grants really leads.

        A person whose `~/app` is a link to the workspace writes `~/app/x`. This only reads links,
        and its answer is walked from the grant like any path.
        """
        with suppress(OSError, ValueError, RecursionError):  # a chain of a thousand links
            return split_path(os.path.realpath(join_path(parts)))
        return parts

    def _outside(self, how: str = "is") -> _Refused:
        inside = describe_directories(self.directories)
        return _Refused(f"{how} outside of what this tool was granted: {inside}", outside=True)

    def _walk(self, root: Directory, parts: tuple[str, ...]) -> Found:
        trail = _Trail(root)
        try:
            self.names = deque(parts[len(trail.root) :])
            self.of_links = 0
            while self.names:
                found = self._step(trail, root)
                if found is not None:
                    return found
            path = join_path(trail.parts)
            return Found(host_path=_told(path), folder_path=path, folder=trail.take())
        finally:
            trail.close()

    def _step(self, trail: _Trail, root: Directory) -> Found | None:
        """Walk one name; answer when it leads to a file, or to nothing that exists."""
        name = self.names.popleft()
        from_link = self.of_links > 0
        self.of_links -= from_link
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _Refused(f"takes more than {MAX_STEPS} steps, its links counted")
        if name == "..":
            if not trail.leave():
                if from_link:
                    raise self._outside("leads by a link")
                raise _Left((*trail.root[:-1], *self.names))
            return None
        try:
            descriptor = os.open(name, _ENTRY, dir_fd=trail.here)
        except FileNotFoundError:
            return self._missing(trail, name)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise _Refused(f"cannot be opened: {_at(trail, name)}: {error.strerror}") from None
            self._follow(trail, root, name)
            return None
        return self._opened(trail, root, name, descriptor)

    def _opened(self, trail: _Trail, root: Directory, name: str, descriptor: int) -> Found | None:
        kept = False
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISLNK(mode):
                self._follow(trail, root, name)
                return None
            if stat.S_ISDIR(mode):
                kept = True
                trail.enter(name, descriptor)
                return None
            if self.names or self.text.endswith(("/", "/.")):
                raise _Refused(f"needs {_at(trail, name)} to be a folder, which it is not")
            if not stat.S_ISREG(mode):
                raise _Refused(f"leads to {_at(trail, name)}, which is neither a file nor a folder")
            host_path = _told(join_path((*trail.parts, name)))
            path = join_path(trail.parts)
            kept = True
        finally:
            if not kept:
                os.close(descriptor)
        return Found(host_path=host_path, folder_path=path, folder=trail.take(), file=descriptor)

    def _missing(self, trail: _Trail, name: str) -> Found:
        if ".." in self.names:
            raise _Refused(f'has ".." behind {_at(trail, name)}, which does not exist')
        host_path = _told(join_path((*trail.parts, name, *self.names)))
        path = join_path(trail.parts)
        return Found(host_path=host_path, folder_path=path, folder=trail.take())

    def _follow(self, trail: _Trail, root: Directory, name: str) -> None:
        """Put a link's names before those still to go: walked, not trusted."""
        self.links += 1
        if self.links > MAX_LINKS:
            raise _Refused(f"leads through more than {MAX_LINKS} links")
        try:
            link = os.readlink(name, dir_fd=trail.here)
        except OSError:
            raise _Refused(
                f"leads by {_at(trail, name)}, which changed while it was read"
            ) from None
        parts = split_path(link)
        if link.startswith("/"):
            inside = _translate(parts, root)
            if inside is None:
                raise self._outside(f"leads by the link {shown(name)}")
            parts = inside[1][len(trail.root) :]
            trail.restart()
        self.names.extendleft(reversed(parts))
        self.of_links += len(parts)


def _translate(
    parts: tuple[str, ...], directory: Directory
) -> tuple[tuple[int, bool], tuple[str, ...]] | None:
    """Return an absolute path's names on the host, if the directory's guest or host path begins it.

    And how near that is: the longer one, and of two that are as long the guest's, which the tool
    itself would mean.
    """
    host, guest = split_path(directory.host_path), split_path(directory.guest_path)
    near = [(len(root), root is guest) for root in (host, guest) if starts_with(parts, root)]
    return (max(near), (*host, *parts[max(near)[0] :])) if near else None


def _told(path: str) -> str:
    """Return a path that a guest can be told: a name on the disk may be no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise _Refused("leads to a name that is not UTF-8") from None
    return path


def _at(trail: _Trail, name: str) -> str:
    """Return a place as the guest sees it: where that is on the host is the operator's business."""
    below = (*trail.parts, name)[len(trail.root) :]
    path = printable(join_path((*split_path(trail.directory.guest_path), *below)))
    return path if len(path) <= _SHOWN else f"…{path[-_SHOWN:]}"
