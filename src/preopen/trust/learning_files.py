"""What calls opened below their grants → the smaller `[[directory]]` tables that would do. Pure."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from preopen.capability import Access, Directory, Grants
from preopen.policy.places import below, is_inside, join_below, printable, split_path
from preopen.policy.policy import Policy
from preopen.policy.variables import FOLDERS
from preopen.tool.manifest import DirectoryAsk, Manifest
from preopen.trust.learning import Change, Recorded, Remove, SetKey, Use
from preopen.trust.naming import host_path, named_paths, text_arguments, texts_of

_TABLE: Final = "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One `[[directory]]`, its place in the manifest, and what it was granted."""

    index: int
    ask: DirectoryAsk
    directories: tuple[Directory, ...]


def granted_asks(manifest: Manifest, grants: Grants, policy: Policy) -> tuple[Asked, ...]:
    """Return each ask with its directories: one, or of `${folders}` one for each that is open."""
    left = list(grants.directories)
    asked = []
    for index, ask in enumerate(manifest.directories):
        count = 1
        if ask.host == FOLDERS:
            reads = ask.access is Access.READ
            count = sum(reads or each.access is Access.WRITE for each in policy.folders)
        asked.append(Asked(index=index, ask=ask, directories=tuple(left[:count])))
        del left[:count]
    return tuple(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLessons:
    """What is known of one tool's files.

    `moves_first` lets the first directory go or become a folder below it: relative paths start
    there, and whether a guest opened one by such a path cannot be seen.
    """

    manifest: Manifest
    grants: Grants
    policy: Policy
    calls: Sequence[Recorded]
    moves_first: bool

    def changes(self) -> Iterator[Change]:
        """Yield what could be less of every ask."""
        asked = granted_asks(self.manifest, self.grants, self.policy)
        first = next((each for each in asked if each.directories), None)
        for each in asked:
            if each.directories:
                movable = self.moves_first or each is not first
                yield from self._of_ask(each, movable=movable)

    def _of_ask(self, asked: Asked, *, movable: bool) -> Iterator[Change]:
        by_call = [self._uses(call, asked) for call in self.calls]
        uses = [use for each in by_call for use in each]
        where = " and ".join(printable(each.host_path) for each in asked.directories)
        if movable and not uses and not self._is_named(asked):
            reason = f"nothing below {where} was opened, and no argument named it"
            yield Remove(table=_TABLE, index=asked.index, reason=reason)
            return
        if asked.ask.access is Access.WRITE and not any(use.writes for use in uses):
            reason = f"nothing below {where} was written"
            yield _set(asked, "access", Access.READ.value, reason)
        if uses and self._is_whole(asked):
            yield from self._smaller(asked, by_call, movable=movable)

    def _smaller(
        self, asked: Asked, by_call: Sequence[tuple[Use, ...]], *, movable: bool
    ) -> Iterator[Change]:
        for name in self._free_arguments(asked):
            if all(map(partial(self._accounts, name, asked), self.calls, by_call)):
                reason = f'in every call "{name}" named all that was opened'
                names = [*asked.ask.narrow_to, name] if asked.ask.narrow_to else name
                yield _set(asked, "narrow_to", names, reason)
                return
        if not movable or asked.ask.host == FOLDERS:
            return
        common = posixpath.commonpath([use.folder for uses in by_call for use in uses])
        rest = below(common, asked.directories[0].host_path)
        if rest == "." or "${" in rest or not common.isprintable():
            return
        reason = f"all that was opened lies below {common}"
        yield _set(asked, "host", join_below(asked.ask.host, rest), reason)
        if asked.ask.guest:
            yield _set(asked, "guest", join_below(asked.ask.guest, rest), reason)

    def _uses(self, call: Recorded, asked: Asked) -> tuple[Use, ...]:
        """Return what a call may have opened by this ask."""
        return tuple(
            use
            for use in call.uses
            if any(each in asked.directories for each in _holders(use, self.grants.directories))
        )

    def _is_named(self, asked: Asked) -> bool:
        names = self.manifest.path_arguments
        return any(
            is_inside(path, directory.host_path)
            for call in self.calls
            for path in self._named(call, names)
            for directory in asked.directories
        )

    def _named(self, call: Recorded, names: Sequence[str]) -> tuple[str, ...]:
        return named_paths(names, call.arguments, self.grants.directories, self.policy.home)

    def _is_whole(self, asked: Asked) -> bool:
        """Whether some call had the whole directory: no argument of it narrowed the ask."""
        names = asked.ask.narrow_to
        return not all(any(texts_of(call.arguments.get(n)) for n in names) for call in self.calls)

    def _free_arguments(self, asked: Asked) -> Iterator[str]:
        """Yield the arguments that could narrow one more ask."""
        taken = {*asked.ask.narrow_to, *(ask.narrow_to for ask in self.manifest.egress)}
        yield from (
            name for name in text_arguments(self.manifest.input_schema) if name not in taken
        )

    def _accounts(self, name: str, asked: Asked, call: Recorded, uses: Sequence[Use]) -> bool:
        """Whether an argument named, in one call, places that hold all that it opened."""
        texts = texts_of(call.arguments.get(name))
        directories, home = self.grants.directories, self.policy.home
        paths = [host_path(text, directories, home) for text in texts]
        inside = [p for p in paths if any(is_inside(p, d.host_path) for d in asked.directories)]
        # A path elsewhere would be a Denial under this narrow_to; a call without one gets all.
        if not texts or len(inside) != len(paths):
            return False
        writes = asked.ask.access is Access.WRITE and any(use.writes for use in uses)
        return all(any(_is_reached(use, path, writes=writes) for path in inside) for use in uses)


def _set(asked: Asked, key: str, value: object, reason: str) -> SetKey:
    return SetKey(table=_TABLE, index=asked.index, key=key, value=value, reason=reason)


def _is_reached(use: Use, path: str, *, writes: bool) -> bool:
    """Whether a call that is narrowed to `path` would still reach what was used.

    A read of a file is narrowed to that file, a write to the file's folder with all below it.
    """
    folder = posixpath.dirname(path)
    return is_inside(use.host_path, path) or (writes and is_inside(use.folder, folder))


def _holders(use: Use, directories: Sequence[Directory]) -> tuple[Directory, ...]:
    """Return the directories by which a use may have been made.

    Of several under which the guest sees one path, the innermost is enough. Where they make two
    paths of it, nobody can tell by which it was opened, and each counts.
    """
    by_guest_path: dict[str, Directory] = {}
    for each in directories:
        if not is_inside(use.host_path, each.host_path):
            continue
        if use.writes and each.access is Access.READ:
            continue
        seen_as = join_below(each.guest_path, below(use.host_path, each.host_path))
        other = by_guest_path.get(seen_as)
        if other is None or _depth(each) > _depth(other):
            by_guest_path[seen_as] = each
    return tuple(by_guest_path.values())


def _depth(directory: Directory) -> int:
    return len(split_path(directory.host_path))
