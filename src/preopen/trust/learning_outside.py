"""Paths outside of every grant that failed calls name → directories to ask for, as guesses. Pure.

No one sees what a guest would open beyond its grants: there is nothing to open it by. An argument
that names such a path, or the guest's own error text, is a hint and no more.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
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
        """Return a directory to ask for, and the folder to open, for each path."""
        findings = Findings()
        for hint in [*dict.fromkeys(self._hints())][:_GUESSES]:
            findings += self._of_hint(hint)
        return findings

    def folders(self) -> tuple[NamedFolder, ...]:
        """Return the folders that the guesses take for opened; nobody opens them by that."""
        hints = [*dict.fromkeys(self._hints())][:_GUESSES]
        opened = [self._folder(hint) for hint in hints if self._holder(hint) is None]
        return tuple({each.name: each for each in opened}.values())

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

    def _of_hint(self, hint: Hint) -> Findings:
        access = self._access(hint)
        holder = self._holder(hint)
        folder = holder or self._folder(hint)
        operator: tuple[str, ...] = ()
        if holder is None or (access is Access.WRITE and holder.access is Access.READ):
            operator = (_way_to(folder, access),)
        whose = f'"{hint.argument}"' if hint.argument else "the tool's error text"
        reason = f"{whose} names {printable(hint.host_path)}, outside of every grant"
        if any(ask.host == FOLDERS and ask.access is access for ask in self.manifest.directories):
            note = f"guess: {reason}; {FOLDERS} would hold it, once the operator opens its folder"
            return Findings(operator=operator, notes=(note,))
        values: dict[str, Any] = {"host": f"${{{folder.name}}}"}
        if holder is not None:
            values["host"] = join_below(
                values["host"], below(self._place(hint.host_path), holder.host_path)
            )
        if access is Access.WRITE:
            values["access"] = access.value
        if hint.argument and self._narrows(hint.argument):
            values["narrow_to"] = hint.argument
        change = Add(table="directory", values=values, reason=reason, evidence=Evidence.GUESS)
        return Findings(changes=(change,), operator=operator)

    def _place(self, path: str) -> str:
        """Return the folder that would have to be opened for a path."""
        return path if self.kind_of(path) == "folder" else posixpath.dirname(path)

    def _holder(self, hint: Hint) -> NamedFolder | None:
        folders = self.policy.folders
        return next((each for each in folders if is_inside(hint.host_path, each.host_path)), None)

    def _folder(self, hint: Hint) -> NamedFolder:
        place = self._place(hint.host_path)
        taken = {*BUILT_IN_NAMES, *self.policy.variables, *(f.name for f in self.policy.folders)}
        name = base = _NO_NAME.sub("-", posixpath.basename(place)).strip("-")[:60] or "folder"
        number = 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        return NamedFolder(name=name, host_path=place, access=self._access(hint))

    def _narrows(self, argument: str) -> bool:
        return argument in self.manifest.path_arguments

    def _access(self, hint: Hint) -> Access:
        asks = [ask for ask in self.manifest.directories if hint.argument in ask.narrow_to]
        writes = any(ask.access is Access.WRITE for ask in asks)
        return Access.WRITE if writes else Access.READ


def _way_to(folder: NamedFolder, access: Access) -> str:
    path = printable(folder.host_path)
    if access is Access.READ:
        return f"start preopen with --folder {folder.name}={path}"
    table = f'{{ path = "{path}", access = "write" }}'
    return f"write {folder.name} = {table} under [folders] in preopen.toml"
