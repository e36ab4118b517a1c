"""What happens at a call: allowed, asked about or denied, by level and by tool. Pure."""

import enum
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from preopen.capability import Access, Grants, Mount
from preopen.level import PermissionLevel
from preopen.policy.places import is_inside, printable

FOLDER_WRITES: Final = "write-in-folders"


@functools.total_ordering
class Decision(enum.Enum):
    """`allow < ask < deny`: the greater one is the stricter."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Decision):
            return NotImplemented
        order = list(Decision)
        return order.index(self) < order.index(other)


_BY_LEVEL: Final = {
    PermissionLevel.NONE: Decision.ALLOW,
    PermissionLevel.READ_ONLY: Decision.ALLOW,
    PermissionLevel.WRITE: Decision.ALLOW,
    PermissionLevel.EXECUTE: Decision.ASK,
    PermissionLevel.DANGEROUS: Decision.DENY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What one file decides: for each level, for writing in a named folder, for single tools.

    What is said of a tool counts for it alone, before all that is said of its level. `place` is the
    file, "" where nobody wrote one; `written` are the keys that it holds, beside tools: what is
    said under the others is the default.
    """

    levels: Mapping[PermissionLevel, Decision] = field(
        default_factory=lambda: MappingProxyType(_BY_LEVEL)
    )
    folder_writes: Decision = Decision.ASK
    tools: Mapping[str, Decision] = field(default_factory=dict)
    place: str = ""
    written: frozenset[str] = frozenset()

    def place_of(self, key: str) -> str:
        """Return the file that says what is decided under a key of `[decide]`, "" if none does."""
        return self.place if key in self.written else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One decision: which key of which file makes it, and why that one, in plain words."""

    decision: Decision
    key: str  # "decide.execute"
    why: str  # "its level is execute"; "" where the key names the tool
    place: str = ""

    def __str__(self) -> str:
        where = self.place or "the default"
        said = f'{where} says {self.key} = "{self.decision.value}"'
        return f"{self.why}, and {said}" if self.why else said


def read_decisions(document: Mapping[str, Any], place: str) -> Decisions:
    """Return the operator's decisions, whose words the schema has checked; the rest is usual."""
    return _read(document, place, Decisions())


def read_narrowing(document: Mapping[str, Any], place: str) -> Decisions:
    """Return the decisions of a file that only narrows: what it does not name it allows."""
    silent = Decisions(
        levels=dict.fromkeys(_BY_LEVEL, Decision.ALLOW), folder_writes=Decision.ALLOW
    )
    return _read(document, place, silent)


def _read(document: Mapping[str, Any], place: str, usual: Decisions) -> Decisions:
    table = document.get("decide", {})
    return Decisions(
        levels={
            level: Decision(table.get(level.value, decision.value))
            for level, decision in usual.levels.items()
        },
        folder_writes=Decision(table.get(FOLDER_WRITES, usual.folder_writes.value)),
        tools={name: Decision(word) for name, word in table.get("tools", {}).items()},
        place=place,
        written=frozenset(table) - {"tools"},
    )


def describe_decisions(decisions: Decisions) -> Iterator[tuple[str, str]]:
    """Yield each key of `[decide]`, dotted, and its value as it is written there."""
    for level, decision in decisions.levels.items():
        yield f"decide.{level.value}", decision.value
        if level is PermissionLevel.WRITE:
            yield f"decide.{FOLDER_WRITES}", decisions.folder_writes.value
    for name, decision in decisions.tools.items():
        yield f"decide.tools.{name}", decision.value


def rule_tool(layers: Iterable[Decisions], name: str, level: PermissionLevel) -> Ruling:
    """Return what is decided of every call of a tool: the strictest of what each file says."""
    return max(
        (_rule_tool(decisions, name, level) for decisions in layers), key=lambda r: r.decision
    )


def _rule_tool(decisions: Decisions, name: str, level: PermissionLevel) -> Ruling:
    if name in decisions.tools:
        decision, key, why = decisions.tools[name], f"decide.tools.{name}", ""
        place = decisions.place
    else:
        decision = decisions.levels.get(level, Decision.DENY)  # forbidden has no row
        word = level.value
        key, why, place = f"decide.{word}", f"its level is {word}", decisions.place_of(word)
    return Ruling(decision=decision, key=key, why=why, place=place)


def rule_call(
    layers: Iterable[Decisions],
    name: str,
    grants: Grants,
    mounts: Iterable[Mount],
    workspace: str | None,
) -> tuple[Ruling, ...]:
    """Return all that is decided of one call with these narrowed mounts; the strictest counts."""
    written = [
        host_path
        for mount in mounts
        if mount.access is Access.WRITE
        for host_path in mount.host_paths
        if not _in_workspace(host_path, workspace)
    ]
    outside = writable_outside(grants, workspace) if written else ()
    touched = [each for each in outside if any(is_inside(path, each) for path in written)]
    return rule_folders(layers, name, grants, touched)


def rule_folders(
    layers: Iterable[Decisions], name: str, grants: Grants, folders: Iterable[str]
) -> tuple[Ruling, ...]:
    """Return what is decided of calls of a tool that write in these folders outside."""
    layers = tuple(layers)
    about_folders = [
        Ruling(
            decision=decisions.folder_writes,
            key=f"decide.{FOLDER_WRITES}",
            why=f"it writes in {printable(folder)}, outside of the workspace",
            place=decisions.place_of(FOLDER_WRITES),
        )
        for folder in folders
        for decisions in layers
        if name not in decisions.tools
    ]
    return (rule_tool(layers, name, grants.level), *about_folders)


def writable_outside(grants: Grants, workspace: str | None) -> tuple[str, ...]:
    """Return the folders outside of the workspace in which a tool may write."""
    paths = [each.host_path for each in grants.directories if each.access is Access.WRITE]
    return tuple(dict.fromkeys(path for path in paths if not _in_workspace(path, workspace)))


def may_ask(layers: Iterable[Decisions], name: str, grants: Grants, workspace: str | None) -> bool:
    """Whether a person is asked before some call of this tool."""
    rulings = rule_folders(layers, name, grants, writable_outside(grants, workspace))
    return any(each.decision is Decision.ASK for each in rulings)


def _in_workspace(host_path: str, workspace: str | None) -> bool:
    return workspace is not None and is_inside(host_path, workspace)
