"""Which of its grants one call gets: only what its path arguments name, opened.

Decides before a cell is touched. `paths.py` walks, `mounts.py` puts folders together; here is which
grant an argument cuts down, and who closes what was opened.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from preopen.capability import Access, Grants, Mount
from preopen.document import shown
from preopen.egress.rule import NOTHING_CLOSED, Closed, EgressRule
from preopen.outcome import Denial, JsonValue
from preopen.policy.mounts import Draft, describe_mounts, draft, guest_path, merge
from preopen.policy.narrow_egress import narrow_egress
from preopen.policy.paths import Found, open_path, open_whole
from preopen.policy.places import describe_directories, holder, is_inside
from preopen.policy.replaced import Replaceable, replaceable
from preopen.policy.variables import FOLDERS
from preopen.tool.manifest import Manifest

__all__ = ["Narrowed", "describe_mounts", "narrow"]

MAX_PATHS: Final = 100  # two descriptors each at most, and one message carries 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What one call gets. Path arguments are as the guest is told them; the rest is as it was.

    Owns the mounts' descriptors: used as a context manager, or closed.
    """

    mounts: tuple[Mount, ...]
    egress: tuple[EgressRule, ...]
    arguments: Mapping[str, JsonValue]
    replaceable: tuple[Replaceable, ...]
    _open: list[int]

    def close(self) -> None:
        """Close every descriptor, once; later calls do nothing."""
        while self._open:
            os.close(self._open.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Denied(Exception):  # noqa: N818 - a Denial on its way to `narrow`
    """Raised inside this file; holds the Denial."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(str(denial))
        self.denial = denial


def narrow(
    manifest: Manifest,
    grants: Grants,
    arguments: Mapping[str, JsonValue],
    *,
    home: str,
    closed: Closed = NOTHING_CLOSED,
) -> Narrowed | Denial:
    """Return what these arguments need of the grants, or why a path among them is refused.

    A directory that names no argument, or whose arguments are all absent, null or an empty array
    (none of which a template puts into the call), is mounted whole. Of several that are narrowed by
    one argument only the one is mounted in which the path lies. `closed` is what a workspace's own
    file closed of the network: a URL that is refused for it says so.
    """
    egress = narrow_egress(manifest, grants.egress, arguments, closed)
    if isinstance(egress, Denial):
        return egress
    call = _Call(manifest, grants, home)
    try:
        told = {name: call.narrow_to(name, value) for name, value in arguments.items()}
        call.add_whole(arguments)
        mounts = call.mounts()
    except _Denied as denied:
        call.close()
        return denied.denial
    except BaseException:
        call.close()
        raise
    return Narrowed(
        mounts=mounts,
        egress=egress,
        arguments=told,
        replaceable=tuple(call.replaceable),
        _open=call.opened,
    )


class _Call:
    """One call being narrowed: what is open, and the mounts that it comes to so far."""

    def __init__(self, manifest: Manifest, grants: Grants, home: str) -> None:
        self.opened: list[int] = []
        self._directories = grants.directories
        self._manifest = manifest
        self._home = home
        self.replaceable: list[Replaceable] = []
        self._drafts: list[Draft] = []
        self._found: dict[str, Found] = {}

    def close(self) -> None:
        """Close all that was opened."""
        while self.opened:
            os.close(self.opened.pop())

    def narrow_to(self, name: str, value: JsonValue) -> JsonValue:
        """Return what the template gets for an argument; open what it names, if it is a path."""
        if name not in self._manifest.path_arguments:
            return value
        told = [self._narrow_to_one(name, text) for text in _texts(value)]
        if not told:
            return value
        return told if isinstance(value, list) else told[0]

    def _narrow_to_one(self, name: str, text: str) -> str:
        found = self._look_up(text)
        narrows = name in self._manifest.narrowing  # an argument of `paths` alone mounts nothing
        usable = [d for d in self._directories if name in d.narrow_to or not narrows]
        directory = holder(found.host_path, usable)
        if directory is None or not is_inside(found.folder_path, directory.host_path):
            inside = describe_directories(usable)
            reason = f'{shown(text)} is outside of what "{name}" may name: {inside}'
            raise _Denied(Denial(target=text, reason=reason, allow=self._way_out()))
        first = self._directories[0]
        told = guest_path(found.host_path, directory, first)
        is_missing = found.file is None and found.host_path != found.folder_path
        if is_missing and text.endswith("/"):
            told += "/"  # what is meant to be a folder must not become a file
        if narrows:
            self._drafts.append(draft(found, directory, first))
        if narrows and directory.access is Access.WRITE and found.file is not None:
            self.replaceable.append(replaceable(found.folder, found.file, found.host_path, told))
        return told

    def _look_up(self, text: str) -> Found:
        if text in self._found:
            return self._found[text]
        if len(self._found) == MAX_PATHS:
            reason = f"the arguments name more than {MAX_PATHS} paths; name fewer, or their folder"
            raise _Denied(Denial(target="paths", reason=reason))
        found = open_path(text, self._directories, home=self._home, allow=self._way_out)
        self._found[text] = self._keep(found)
        return self._found[text]

    def _way_out(self) -> str:
        """Return how the operator would open more folders, "" where only the author could."""
        ways = list(_flags([ask.host for ask in self._manifest.directories]))
        return f"start preopen with {' or '.join(ways)}" if ways else ""

    def _keep(self, found: Found | Denial) -> Found:
        if isinstance(found, Denial):
            raise _Denied(found)
        self.opened += found.descriptors
        return found

    def add_whole(self, arguments: Mapping[str, JsonValue]) -> None:
        """Open each directory that no argument of this call narrows."""
        for directory in self._directories:
            if not any(_texts(arguments.get(name)) for name in directory.narrow_to):
                found = self._keep(open_whole(directory))
                self._drafts.append(draft(found, directory, self._directories[0]))

    def mounts(self) -> tuple[Mount, ...]:
        """Return the mounts, and close what none of them needs."""
        mounts = merge(self._drafts)
        needed = {each.kept.folder for each in self.replaceable}
        for mount in mounts:
            needed.update((mount.folder, *mount.targets))
        for descriptor in set(self.opened) - needed:
            self.opened.remove(descriptor)
            os.close(descriptor)
        return mounts


def _texts(value: JsonValue) -> Sequence[str]:
    """Return the paths of an argument: a string, or those of an array; the schema saw the types."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return ()


def _flags(hosts: Sequence[str]) -> Iterator[str]:
    if FOLDERS in hosts:
        yield "--folder NAME=FOLDER"
    if any(host.startswith("${workspace}") for host in hosts):
        yield "--workspace FOLDER"
