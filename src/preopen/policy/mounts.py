"""What one call's mounts come to: folders put together, and the receipt's lines about them.

Opens nothing; `narrow.py` owns the descriptors.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from preopen.capability import Access, Directory, Mount, Reach
from preopen.policy.paths import Found
from preopen.policy.places import below, is_inside, join_below, printable

_RANK = {Reach.NOTHING: 0, Reach.FILE: 1, Reach.TREE: 2}


@dataclass(slots=True, kw_only=True)
class Draft:
    """A mount in the making: one folder of the host, whatever arguments and grants it came from.

    Two mounts at one guest path would hide each other, so a folder has one: with write access if
    any grant gave it, under every path that any grant gave it.
    """

    folder_path: str
    folder: int
    access: Access
    reach: Reach
    guest_paths: dict[str, None]
    files: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Draft") -> None:
        """Take over what another draft of the same folder reaches."""
        self.access = Access.WRITE if other.access is Access.WRITE else self.access
        self.reach = max(self.reach, other.reach, key=_RANK.__getitem__)
        self.guest_paths |= other.guest_paths
        self.files |= other.files

    def covers(self, other: "Draft") -> bool:
        """Return whether all of another folder is within this one, by the same guest paths."""
        if self is other or self.reach is not Reach.TREE or self.access is not other.access:
            return False
        if not is_inside(other.folder_path, self.folder_path):
            return False
        rest = below(other.folder_path, self.folder_path)
        return other.guest_paths.keys() <= {join_below(path, rest) for path in self.guest_paths}

    def mount(self) -> Mount:
        """Return the mount."""
        files = self.files if self.reach is Reach.FILE else {}
        return Mount(
            folder=self.folder,
            guest_paths=tuple(self.guest_paths),
            access=self.access,
            reach=self.reach,
            host_paths=tuple(files) or (self.folder_path,),
            targets=tuple(files.values()),
        )


def draft(found: Found, directory: Directory, first: Directory) -> Draft:
    """Return the mount that one found path needs of the directory that grants it."""
    files = {}
    if directory.access is Access.WRITE or found.host_path == found.folder_path:
        reach = Reach.TREE  # a file-only wall breaks tools that write beside and rename
    elif found.file is not None:
        reach, files = Reach.FILE, {found.host_path: found.file}
    else:
        reach = Reach.NOTHING
    return Draft(
        folder_path=found.folder_path,
        folder=found.folder,
        access=directory.access,
        reach=reach,
        guest_paths=dict.fromkeys(_guest_paths(found.folder_path, directory, first)),
        files=files,
    )


def guest_path(host_path: str, directory: Directory, first: Directory) -> str:
    """Return how a guest is told of a path: relative to the first directory if it lies in there."""
    if is_inside(host_path, first.host_path):
        return below(host_path, first.host_path)
    return join_below(directory.guest_path, below(host_path, directory.host_path))


def _guest_paths(folder_path: str, directory: Directory, first: Directory) -> Iterator[str]:
    """Yield the absolute path, and the relative one where relative paths could lead there."""
    yield join_below(directory.guest_path, below(folder_path, directory.host_path))
    if is_inside(folder_path, first.host_path):
        yield below(folder_path, first.host_path)


def merge(drafts: Iterable[Draft]) -> tuple[Mount, ...]:
    """Return one mount for each folder that is needed; the one that holds "." comes first."""
    merged: dict[str, Draft] = {}
    for each in drafts:
        if each.folder_path in merged:
            merged[each.folder_path].add(each)
        else:
            merged[each.folder_path] = each
    needed = _without_covered(merged.values())
    return tuple(map(Draft.mount, sorted(needed, key=lambda d: "." not in d.guest_paths)))


def _without_covered(drafts: Collection[Draft]) -> Collection[Draft]:
    if len(drafts) == 1:  # most calls name one file
        return drafts
    return [each for each in drafts if not any(other.covers(each) for other in drafts)]


def describe_mounts(mounts: Sequence[Mount], *, walled_per_call: bool) -> tuple[str, ...]:
    """Return a receipt's lines: what was reachable, never the wish.

    Where the wall is the tool's and not this call's, the mount alone narrows: it is a folder with
    all that lies below it.
    """
    return tuple(
        line for mount in mounts for line in _lines(mount, walled_per_call=walled_per_call)
    )


def _lines(mount: Mount, *, walled_per_call: bool) -> Iterator[str]:
    match mount.reach:
        case Reach.TREE:
            yield from (f"{mount.access} {printable(path)}" for path in mount.host_paths)
        case Reach.FILE if walled_per_call:
            yield from (f"{mount.access} {printable(path)} (one file)" for path in mount.host_paths)
        case Reach.FILE:
            folder = mount.host_paths[0].rpartition("/")[0] or "/"
            yield f"{mount.access} {printable(folder)} (all of it: the wall is the tool's)"
        case Reach.NOTHING if walled_per_call:
            paths = map(printable, mount.host_paths)
            yield from (f"ask whether a name exists in {path} (no contents)" for path in paths)
        case Reach.NOTHING:
            paths = map(printable, mount.host_paths)
            yield from (
                f"{mount.access} {path} (all of it: the wall is the tool's)" for path in paths
            )
        case _:
            assert_never(mount.reach)
