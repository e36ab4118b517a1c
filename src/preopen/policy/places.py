"""Paths as text: what lies in what, how a message shows one. Nothing here asks the system."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from preopen.capability import Access, Directory

_LISTED = 5  # grants that one message names


@lru_cache(maxsize=256)  # one call asks twenty times, of three or four paths
def split_path(path: str) -> tuple[str, ...]:
    """Return the names of a path; `.` and doubled slashes are none, `..` is kept."""
    return tuple(part for part in path.split("/") if part not in {"", "."})


def join_path(parts: Iterable[str]) -> str:
    """Return the absolute path of these names."""
    return "/" + "/".join(parts)


def starts_with(parts: Sequence[str], root: Sequence[str]) -> bool:
    """Return whether the names begin with those of `root`."""
    return tuple(parts[: len(root)]) == tuple(root)


def is_inside(path: str, folder: str) -> bool:
    """Return whether an absolute path without `..` is the folder, or lies below it."""
    return starts_with(split_path(path), split_path(folder))


def below(path: str, folder: str) -> str:
    """Return the part of `path` below `folder`, "." for the folder itself; it lies inside."""
    return "/".join(split_path(path)[len(split_path(folder)) :]) or "."


def join_below(folder: str, rest: str) -> str:
    """Return `rest`, as `below` gives it, under another folder; "." keeps what is relative so."""
    if rest == ".":
        return folder
    return rest if folder == "." else f"{folder.rstrip('/')}/{rest}"


def printable(path: str) -> str:
    """Return a path for a line that a person or a model reads: no newline in it, nothing unseen."""
    if path.isprintable():
        return path
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)


def describe_directories(directories: Sequence[Directory]) -> str:
    """Return what is granted, as the guest sees it: `/home/a/proj (read), /docs (write)`."""
    lines = dict.fromkeys(f"{printable(d.guest_path)} ({d.access})" for d in directories)
    listed = [*lines][:_LISTED]
    more = len(lines) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more else listed) or "no folder"


def widest(parts: Sequence[str], directories: Iterable[Directory]) -> Directory | None:
    """Return the outermost directory on the host in which these names lie, if there is one."""
    holders = [d for d in directories if starts_with(parts, split_path(d.host_path))]
    return min(holders, key=lambda d: len(split_path(d.host_path)), default=None)


def holder(path: str, directories: Iterable[Directory]) -> Directory | None:
    """Return the directory that a host path is used by: one to write first, then the nearest."""
    holders = [d for d in directories if is_inside(path, d.host_path)]
    return max(
        holders,
        key=lambda d: (d.access is Access.WRITE, len(split_path(d.host_path))),
        default=None,
    )
