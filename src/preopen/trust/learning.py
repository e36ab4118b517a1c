"""What calls used and what they were denied, and what a manifest could say instead: values. Pure.

`lesson.py` makes the latter of the former. Nothing here grants, reads or writes anything.
"""

import enum
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from preopen.outcome import JsonValue, Receipt


class Act(enum.StrEnum):
    """What was done to a file or a folder, as one sees it from outside of the cell."""

    READ = "read"  # a file was opened
    LISTED = "listed"  # the names in a folder were read
    WRITTEN = "written"  # a file was changed, or opened to be changed
    CHANGED = "changed"  # a name in a folder was made, moved or removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One act; `host_path` is absolute: the folder's of LISTED, else the file's or the name's."""

    act: Act
    host_path: str

    @property
    def writes(self) -> bool:
        """Whether it needs a grant to write."""
        return self.act in {Act.WRITTEN, Act.CHANGED}

    @property
    def folder(self) -> str:
        """The folder that a grant must reach."""
        return self.host_path if self.act is Act.LISTED else posixpath.dirname(self.host_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One call, as it was run: its arguments, receipt, and what was seen of its files.

    `failed` says that it was refused, stopped, or told the client of an error; `said` is then the
    text that the client got, which holds the end of the guest's stderr.
    """

    arguments: Mapping[str, JsonValue]
    receipt: Receipt
    failed: bool
    said: str = ""
    uses: tuple[Use, ...] = ()


class Evidence(enum.StrEnum):
    """Where a change comes from. Only what was SEEN takes away; the others ask for more."""

    SEEN = "seen"
    DENIED = "denied"
    GUESS = "guess"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetKey:
    """One key of a table: of `[tool]` where `index` is None, else of the array's table there."""

    table: str
    key: str
    value: JsonValue
    reason: str
    evidence: Evidence = Evidence.SEEN
    index: int | None = None

    @property
    def place(self) -> str:
        """The key as messages say it."""
        return f"{self.table}{'' if self.index is None else f'[{self.index}]'}.{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """One table of an array that goes."""

    table: str
    index: int
    reason: str
    evidence: Evidence = Evidence.SEEN

    @property
    def place(self) -> str:
        """The table as messages say it."""
        return f"{self.table}[{self.index}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """One table more at an array's end."""

    table: str
    values: Mapping[str, Any]
    reason: str
    evidence: Evidence

    @property
    def place(self) -> str:
        """The table as messages say it."""
        return f"{self.table}[new]"


Change: TypeAlias = SetKey | Remove | Add


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Changes to the manifest, lines that only the operator can write, and what else to know.

    `advice` is about limits: one run is no bound, so it is no part of the changes.
    """

    changes: tuple[Change, ...] = ()
    operator: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            changes=self.changes + other.changes,
            operator=tuple(dict.fromkeys(self.operator + other.operator)),
            notes=tuple(dict.fromkeys(self.notes + other.notes)),
            advice=self.advice + other.advice,
        )
