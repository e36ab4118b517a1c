"""One file of the audit log under a key: each record checked against the one before it. Pure.

What is found is said once: after a record that does not hold, the next is checked against the MAC
that stands in it, so that one edit is one fault.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from preopen.document import shown
from preopen.errors import Fault
from preopen.outcome import JsonValue
from preopen.trust.audit_line import (
    BEGINNING,
    MAX_LINE,
    Head,
    holds,
    key_name,
    read_body,
    split_line,
)

MAX_FAULTS: Final = 20  # of one file; a file of noise has as many as lines

_KEEP: Final = "keep a copy of the file, and find out who may write in this folder"


@dataclass(slots=True, kw_only=True)
class Chain:
    """What one reading of one file comes to, line by line."""

    path: Path
    key: bytes
    macs: list[str] = field(default_factory=list)  # as each line states its own
    start: dict[str, JsonValue] | None = None
    last: dict[str, JsonValue] | None = None
    unfinished: bool = False  # the last line has no end
    faults: list[Fault] = field(default_factory=list)
    more: int = 0
    count: int = 0  # of whole lines
    _expected: int = 1
    _long: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def read(self, lines: Iterable[bytes]) -> None:
        """Check every line."""
        for line in lines:
            if line.endswith(b"\n"):
                self._line(line)
                self._long = False
            elif len(line) >= MAX_LINE:
                self._long = True  # its rest follows, and ends in a fault
            else:
                self.unfinished = True

    def forget(self) -> None:
        """Keep of the MACs what the next file is compared with: the last two."""
        del self.macs[:-2]

    def fault(self, found: str, write: str = _KEEP, *, line: int = 0) -> None:
        """Add a fault; `line` counts from 1, 0 means the file as a whole."""
        place = f"{self.path}:{line}" if line else str(self.path)
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(place=place, found=found, write=write))
        else:
            self.more += 1

    def _line(self, line: bytes) -> None:
        number = self.count = self.count + 1
        parts = None if self._long else split_line(line)
        fields = None if parts is None else read_body(parts[0])
        if parts is None or fields is None:
            self.macs.append(self.macs[-1] if self.macs else BEGINNING)
            self._expected += 1
            self.fault(f"this is no record that preopen wrote: {_glimpse(line)}", line=number)
            return
        body, mac = parts
        previous = self.macs[-1] if self.macs else BEGINNING
        held = holds(self.key, previous, body, mac)
        self.macs.append(mac)
        self.last = fields
        if number == 1:
            self.start = fields
            self._first(fields, held=held)
        elif not held or fields.get("n") != self._expected:
            self.fault(_broken(fields.get("n"), self._expected), line=number)
        stated = fields.get("n")
        self._expected = (stated if type(stated) is int else self._expected) + 1

    def _first(self, fields: dict[str, JsonValue], *, held: bool) -> None:
        if not held and fields.get("key") not in (None, key_name(self.key)):
            found = (
                f"it was written under another key ({shown(fields['key'])}) than the one in"
                f" audit.key ({key_name(self.key)}), or its first record was changed"
            )
            write = "put the old key back, or move the file and its head away if you replaced it"
            self.fault(found, write, line=1)
        elif not held or fields.get("n") != 1 or fields.get("kind") != "start":
            self.fault("the first record is not the one that the file began with", line=1)
        elif fields.get("file") != self.path.name:
            found = f"its first record says that it is {shown(fields.get('file'))}"
            self.fault(found, "give the file its name back; find out who renamed it", line=1)


def check_head(chain: Chain, before: Head, after: Head) -> None:
    """Compare a file with its head as it was read before the file, and again after it.

    A server that writes meanwhile counts a record after it wrote it, so a whole file has at least
    as many records as the head said before, and at most one more than it says afterwards.
    """
    if chain.count < before.count and before.last not in chain.macs:
        missing = before.count - chain.count
        found = f"{_records(missing)} at its end are missing: its head counts {before.count}"
        chain.fault(found, line=chain.count + 1)
    elif chain.is_whole and chain.count > after.count + 1:
        found = f"its head counts {after.count} records and it has {chain.count}"
        write = "the head was put back to an older one, or records were added; " + _KEEP
        chain.fault(found, write)
    elif chain.is_whole:
        for head in (before, after):
            if 0 < head.count <= chain.count and chain.macs[head.count - 1] != head.last:
                chain.fault("its head knows another record here", line=head.count)
                return


def _broken(stated: JsonValue, expected: int) -> str:
    if type(stated) is not int or stated == expected:
        return "this record or the one before it was changed, or was not written by preopen"
    if stated > expected:
        missing = f"record {expected}" if stated == expected + 1 else f"from {expected}"
        return f"record {stated} stands where {expected} should: {missing} on is missing or moved"
    return f"record {stated} stands where {expected} should: records were moved or repeated"


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _glimpse(line: bytes) -> str:
    return shown(line[:60].decode(errors="replace").rstrip("\n"))
