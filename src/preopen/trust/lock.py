"""`preopen.lock`: which definition of each tool a person approved, in preopen's own folder.

A tool counts by its name and its content, wherever its manifest lies. Nothing in here is pinned by
anybody but `preopen approve`.
"""

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import tomli_w

from preopen.document import key_of, load_toml, shown
from preopen.errors import Fault, PolicyError
from preopen.level import PermissionLevel
from preopen.own import CONFIG, change_file, read_own
from preopen.trust.changes import Change, changes
from preopen.trust.fingerprint import Definition, canonical

FILE_NAME: Final = "preopen.lock"
FORMAT: Final = 1
_KEYS: Final = frozenset(  # of a tool's table
    {"approved", "fingerprint", "level", "sha256", "kind", "imports", "manifest"}
)
_HEAD: Final = "# What `preopen approve` pinned. `preopen diff` says what changed since.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One approval: of what, and when, in UTC as ISO 8601 writes it."""

    definition: Definition
    approved: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What persons approved, by the tools' names; nothing by default."""

    pins: Mapping[str, Pin] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AllOfThisRun:
    """`--approve-all`: a person said of this one run that every tool is as it should be."""


Approvals: TypeAlias = Lock | AllOfThisRun


class Standing(enum.StrEnum):
    """Why a tool waits for a person."""

    NEW = "new"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A definition that nobody approved so, and what differs from the one that was approved.

    `approved` is when that was, "" of a new tool.
    """

    standing: Standing
    changes: tuple[Change, ...]
    approved: str = ""


def waiting(definition: Definition, approvals: Approvals) -> Waiting | None:
    """Return what keeps a tool from being offered, None where it is approved just as it is."""
    match approvals:
        case AllOfThisRun():
            return None
        case Lock(pins=pins):
            pin = pins.get(definition.name)
    if pin is None:
        return Waiting(standing=Standing.NEW, changes=changes(None, definition))
    if pin.definition.fingerprint == definition.fingerprint:
        return None
    return Waiting(
        standing=Standing.CHANGED,
        changes=changes(pin.definition, definition),
        approved=pin.approved,
    )


def load_lock(file: Path) -> Lock:
    """Return what was approved; of a file that is not there, nothing.

    Raises:
        PolicyError: it cannot be read, is damaged, or has another format.
        PlatformError: others may write it.

    """
    try:
        text = read_own(file)
    except NotADirectoryError:  # no configuration folder can be there
        text = None
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        raise PolicyError(_fault(file, found, _way_out(file))) from error
    return Lock() if text is None else parse_lock(text, file)


def approve(file: Path, definitions: Iterable[Definition], now: str) -> frozenset[str]:
    """Pin these definitions, and return the names of those that were not approved so before.

    Of several processes at once none undoes another's approval. An approval that stands keeps its
    date.

    Raises:
        PolicyError: the file is damaged, or has another format; it stays as it is.
        PlatformError: the folder or the file cannot be used.

    """
    wanted, fresh = list(definitions), set[str]()
    held = load_lock(file)
    if not any(waiting(each, held) for each in wanted):
        return frozenset()  # nothing to write, so that nobody who watches the file is woken

    def change(text: str | None) -> str:
        lock = Lock() if text is None else parse_lock(text, file)
        fresh.update(each.name for each in wanted if waiting(each, lock))
        new = {e.name: Pin(definition=e, approved=now) for e in wanted if e.name in fresh}
        return format_lock(Lock(pins={**lock.pins, **new}))

    change_file(file, CONFIG, change)
    return frozenset(fresh)


def withdraw(file: Path, names: Iterable[str]) -> dict[str, Pin]:
    """Take the approvals of these names back, and return those that there were, by name.

    Nothing but the lock is read, so a tool whose manifest is gone goes as well as any. Of several
    processes at once none undoes what another wrote.

    Raises:
        PolicyError: the file is damaged, or has another format; it stays as it is.
        PlatformError: the folder or the file cannot be used.

    """
    unwanted, gone = set(names), dict[str, Pin]()
    if not unwanted & load_lock(file).pins.keys():
        return {}  # as above: nothing to write, nobody to wake

    def change(text: str | None) -> str:
        pins = {} if text is None else parse_lock(text, file).pins
        gone.update({name: pin for name, pin in pins.items() if name in unwanted})
        return format_lock(Lock(pins={name: pins[name] for name in pins if name not in unwanted}))

    change_file(file, CONFIG, change)
    return gone


def format_lock(lock: Lock) -> str:
    """Return the text of a lock: a table for each tool, by name."""
    tools = {name: _table(lock.pins[name]) for name in sorted(lock.pins)}
    return _HEAD + tomli_w.dumps({"lock": FORMAT, "tools": tools})


def parse_lock(text: str, file: Path) -> Lock:
    """Return the lock that a text says.

    Raises:
        PolicyError: it is damaged, or has another format.

    """
    try:
        document = load_toml(text)
    except ValueError as problem:
        raise PolicyError(_fault(file, f"damaged: {problem}", _way_out(file))) from None
    if type(document.get("lock")) is not int or document["lock"] != FORMAT:
        found = f"its format is {shown(document.get('lock'))}, and this preopen reads {FORMAT}"
        raise PolicyError(Fault(place=str(file), key="lock", found=found, write=_way_out(file)))
    tools = document.get("tools", {})
    if not isinstance(tools, dict) or document.keys() - {"lock", "tools"}:
        raise PolicyError(_fault(file, "damaged: it holds more than [tools]", _way_out(file)))
    return Lock(pins={name: _pin(name, table, file) for name, table in tools.items()})


def _table(pin: Pin) -> dict[str, Any]:
    definition = pin.definition
    return {
        "approved": pin.approved,
        "fingerprint": definition.fingerprint,
        "level": definition.level.value,
        "sha256": definition.sha256,
        "kind": definition.kind,
        "imports": list(definition.imports),
        # As text: nested tables of a manifest in a table of ours would be deeper than TOML is read.
        "manifest": canonical(definition.document),
    }


def _pin(name: str, table: object, file: Path) -> Pin:
    found = "damaged: its fingerprint is not that of what stands beside it"
    if isinstance(table, dict) and (unknown := sorted(table.keys() - _KEYS)):
        found = f"damaged: it holds the unknown key {shown(unknown[0])}"
        table = None
    try:
        definition = _definition(table)
        if definition.name == name and isinstance(table, dict):
            pinned, approved = table["fingerprint"], table["approved"]
            if definition.fingerprint == pinned and isinstance(approved, str):
                return Pin(definition=definition, approved=approved)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    key = key_of(("tools", name))
    write = f"remove the table of {key}, look at the tool, and approve it again"
    raise PolicyError(Fault(place=str(file), key=key, found=found, write=write))


def _definition(table: object) -> Definition:
    """Return what a table pins; raises ValueError, KeyError or TypeError where it is another."""
    match table:
        case {
            "level": str(level),
            "sha256": str(sha256),
            "kind": str(kind),
            "imports": list(imports),
            "manifest": str(manifest),
        } if all(isinstance(each, str) for each in imports):
            return Definition(
                document=json.loads(manifest),
                sha256=sha256,
                kind=kind,
                imports=tuple(imports),
                level=PermissionLevel(level),
            )
        case _:
            raise ValueError(table)


def _fault(file: Path, found: str, write: str) -> Fault:
    return Fault(place=str(file), found=found, write=write)


def _way_out(file: Path) -> str:
    return f"put back the one that was there, or remove it (rm {file}) and approve each tool again"
