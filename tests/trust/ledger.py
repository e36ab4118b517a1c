"""A log of some calls, and the hands that tamper with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from preopen.outcome import JsonValue
from preopen.trust.audit import AuditLog
from preopen.trust.audit_record import Asked, CallEnded
from preopen.trust.audit_register import FOLDER, KEY, REGISTER
from preopen.trust.audit_verify import Report, verify


def asked(**arguments: JsonValue) -> Asked:
    return Asked(
        call="0123456789abcdef",
        client="a client",
        client_version="1.0",
        tool="read",
        level="read-only",
        sha256="ab" * 32,
        arguments=arguments,
    )


def ended(outcome: str = "Returned", **arguments: JsonValue) -> CallEnded:
    return CallEnded(asked=asked(**arguments), receipt={"outcome": outcome, "grants": []})


@dataclass(frozen=True, slots=True)
class Ledger:
    """A state folder, and what a test does to it."""

    state_dir: Path

    @property
    def folder(self) -> Path:
        """The log's."""
        return self.state_dir / FOLDER

    @property
    def key(self) -> Path:
        """The log's."""
        return self.state_dir / KEY

    @property
    def register(self) -> Path:
        """The file that names the others."""
        return self.folder / REGISTER

    @property
    def files(self) -> list[Path]:
        """Files of records, oldest first."""
        return sorted(self.folder.glob("*.jsonl"))

    @property
    def file(self) -> Path:
        """The only file."""
        [file] = self.files
        return file

    def open(self, *, keeps_values: bool = False, max_bytes: int = 1 << 20) -> AuditLog:
        """Return a log that nothing was written to."""
        return AuditLog(state_dir=self.state_dir, keeps_values=keeps_values, max_bytes=max_bytes)

    def write(
        self,
        calls: int = 5,
        *,
        max_bytes: int = 1 << 20,
        closes: bool = True,
        keeps_values: bool = False,
    ) -> AuditLog:
        """Have one process record some calls, in as many files as they need."""
        log = self.open(keeps_values=keeps_values, max_bytes=max_bytes)
        for number in range(calls):
            log.append(ended(number=number))
        if closes:
            log.close()
        return log

    def lines(self, file: Path | None = None) -> list[bytes]:
        """Return each line with its end."""
        return (file or self.file).read_bytes().splitlines(keepends=True)

    def put(self, lines: list[bytes], file: Path | None = None) -> None:
        """Write lines in place of those that there are."""
        (file or self.file).write_bytes(b"".join(lines))

    def records(self, file: Path | None = None) -> list[Mapping[str, JsonValue]]:
        """Return each line as what it says."""
        return [json.loads(line) for line in self.lines(file)]

    def verify(self) -> Report:
        """Check all of it."""
        return verify(self.state_dir)

    def faults(self) -> list[str]:
        """Check all of it, and return each fault, the names of folders left out."""
        return [str(fault).replace(f"{self.folder}/", "") for fault in self.verify().faults]


def head_of(file: Path) -> Path:
    return file.with_suffix(".head")
