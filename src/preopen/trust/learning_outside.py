"""Paths outside of every grant that failed calls name → directories to ask for, as guesses. Pure.

No one sees what a guest would open beyond its grants: there is nothing to open it by. An argument
that names such a path, or the guest's own error text, is a hint and no more.
"""

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from preopen.capability import Access, Grants
from preopen.policy.names import BUILT_IN_NAMES
from preopen.policy.places import below, is_inside, join_below, printable
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.variables import FOLDERS
from preopen.tool.manifest import Manifest
from preopen.trust.learning import Add, Evidence, Findings, Recorded
from preopen.trust.naming import host_path, texts_of

_GUESSES: Final = 8  # of all calls together: a guest writes its error text as it likes
_TEXT: Final = 64 << 10  # characters of one call's error text that are looked at
# Ends of which a reply holds what the guest wrote; of the others it holds our own words.
_GUESTS_TEXT: Final = frozenset(
    {"Returned", "Exited", "Trapped", "OutOfFuel", "OutputOverflow", "InvalidResult"}
)
_PATH: Final = re.compile(r"(?<![\w./~$}-])/[^\s\"'`:;,()\[\]{}<>|]{1,1024}")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A host path outside of every grant; `argument` names it, or is "" for an error text."""

    host_path: str
    argument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder that hints lie in; `folder` is the named one that holds it, open or to be opened."""

    host_path: str
    hints: tuple[Hint, ...]
    access: Access
    folder: NamedFolder
    is_open: bool

    @property
    def reason(self) -> str:
        """Who named what."""
        texts = []
        for hint in self.hints:
            whose = f'"{hint.argument}"' if hint.argument else "the tool's error text"
            texts.append(f"{whose} names {printable(hint.host_path)}")
        return f"{' and '.join(texts)}, outside of every grant"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideLessons:
    """What failed calls say of paths that no grant holds.

    `kind_of` says what a host path is: "folder", "file" or "" for nothing that is there.
    """

    manifest: Manifest
    grants: Grants
    policy: Policy
    calls: Sequence[Recorded]
    kind_of: Callable[[str], str]

    def findings(self) -> Findings:
        """Return a directory to ask for, and the folder to open, for each place that is named."""
        findings = Findings()
        for place in self._places():
            findings += self._of_place(place)
        return findings

    def folders(self) -> tuple[NamedFolder, ...]:
        """Return the folders that the guesses take for opened; nobody opens them by that."""
        return tuple(each.folder for each in self._places() if not each.is_open)

    def _places(self) -> Iterator[Place]:
        """Yield each folder that would be needed, once, under a name of its own."""
        by_path: dict[str, list[Hint]] = {}
        for hint in [*dict.fromkeys(self._hints())][:_GUESSES]:
            by_path.setdefault(self._place(hint.host_path), []).append(hint)
        taken = {*BUILT_IN_NAMES, *self.policy.variables, *(f.name for f in self.policy.folders)}
        for path, hints in by_path.items():
            holder = next((f for f in self.policy.folders if is_inside(path, f.host_path)), None)
            access = Access.WRITE if any(map(self._writes, hints)) else Access.READ
            folder = holder or NamedFolder(
                name=_free_name(path, taken), host_path=path, access=access
            )
            taken.add(folder.name)
            yield Place(
                host_path=path,
                hints=tuple(hints),
                access=access,
                folder=folder,
                is_open=holder is not None,
            )

    def _hints(self) -> Iterator[Hint]:
        for call in self.calls:
            if not call.failed:
                continue
            named = [*self._of_arguments(call)]
            yield from named
            if call.receipt.outcome in _GUESTS_TEXT:
                seen = {hint.host_path for hint in named}
                yield from (hint for hint in self._of_text(call) if hint.host_path not in seen)

    def _of_arguments(self, call: Recorded) -> Iterator[Hint]:
        for name, value in call.arguments.items():
            known = name in self.manifest.path_arguments
            for text in texts_of(value):
                if known or text.startswith(("/", "~/", "../")):
                    path = host_path(text, self.grants.directories, self.policy.home)
                    if self._is_outside(path, made=known):
                        yield Hint(host_path=path, argument=name)

    def _of_text(self, call: Recorded) -> Iterator[Hint]:
        for found in _PATH.findall(call.said[:_TEXT]):
            path = posixpath.normpath(found.rstrip(".!?")) if found.rstrip("/.!?") else ""
            if self._is_outside(path, made=False):
                yield Hint(host_path="/" + path.lstrip("/"), argument="")

    def _is_outside(self, path: str, *, made: bool) -> bool:
        """Whether a path is there, or may have been meant to be made, and no grant holds it."""
        place = self._place(path)
        is_there = bool(path) and bool(self.kind_of(path) or (made and self.kind_of(place)))
        if place == "/" or not path.isprintable() or not is_there:
            return False
        places = [p for d in self.grants.directories for p in (d.host_path, d.guest_path)]
        return not any(is_inside(path, place) for place in places)

    def _of_place(self, place: Place) -> Findings:
        folder, access = place.folder, place.access
        operator: tuple[str, ...] = ()
        if not place.is_open or (access is Access.WRITE and folder.access is Access.READ):
            operator = (_way_to(folder, access),)
        reason = place.reason
        if any(ask.host == FOLDERS and ask.access is access for ask in self.manifest.directories):
            note = f"guess: {reason}; {FOLDERS} would hold it, once the operator opens its folder"
            return Findings(operator=operator, notes=(note,))
        rest = below(place.host_path, folder.host_path)
        values: dict[str, Any] = {"host": join_below(f"${{{folder.name}}}", rest)}
        if access is Access.WRITE:
            values["access"] = access.value
        names = [*dict.fromkeys(hint.argument for hint in place.hints)]
        if set(names) <= set(self.manifest.path_arguments):
            values["narrow_to"] = names[0] if len(names) == 1 else names
        change = Add(table="directory", values=values, reason=reason, evidence=Evidence.GUESS)
        return Findings(changes=(change,), operator=operator)

    def _place(self, path: str) -> str:
        """Return the folder that would have to be opened for a path."""
        return path if self.kind_of(path) == "folder" else posixpath.dirname(path)

    def _writes(self, hint: Hint) -> bool:
        asks = [ask for ask in self.manifest.directories if hint.argument in ask.narrow_to]
        return any(ask.access is Access.WRITE for ask in asks)


def _free_name(path: str, taken: Collection[str]) -> str:
    """Return a name for a folder that means nothing else yet."""
    name = base = _NO_NAME.sub("-", posixpath.basename(path)).strip("-")[:60] or "folder"
    number = 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def _way_to(folder: NamedFolder, access: Access) -> str:
    """Return what the operator writes, quoted: a path may be the guest's choice, and is pasted."""
    if access is Access.READ:
        return f"start preopen with --folder {shlex.quote(f'{folder.name}={folder.host_path}')}"
    path = json.dumps(folder.host_path, ensure_ascii=False)
    table = f'{{ path = {path}, access = "write" }}'
    return f"write {folder.name} = {table} under [folders] in preopen.toml"
