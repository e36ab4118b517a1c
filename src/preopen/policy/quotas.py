"""`[quota]` of `preopen.toml`: how much a tool may use in an hour and in a day → frozen values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from preopen.document import key_of, shown
from preopen.errors import Fault, found_and_write
from preopen.units import format_size, parse_size

EVERY_TOOL: Final = "*"
FILE_NAME: Final = "quotas.sqlite"
MOST_BYTES: Final = 1 << 50  # far from what SQLite's integers hold, also as a sum over many calls
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}|\*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one tool may use at most in any hour and any day; None means that nobody counts.

    Bytes are those that its requests carry out: URLs, header fields and bodies.
    """

    calls_per_hour: int | None = None
    calls_per_day: int | None = None
    bytes_out_per_hour: int | None = None
    bytes_out_per_day: int | None = None


KEYS: Final = tuple(each.name for each in fields(Quota))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPolicy:
    """The operator's quotas by the name that they stand under: a tool's, or "*".

    `file` is where what tools used is kept, absolute. `lowered` names, for the amounts that a
    workspace's own file lowered, that file, by name and key: for messages alone.

    Raises:
        ValueError: there are quotas and no file, so nothing could hold them.

    """

    file: str = ""
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    lowered: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.quotas and not self.file.startswith("/"):
            msg = f"quotas are kept in an absolute file, not {self.file!r}"
            raise ValueError(msg)

    def name_for(self, tool: str) -> str | None:
        """Return the name under which a tool's quota stands, None where it has none.

        A table of its own counts alone: it is not added to that of every tool.
        """
        if tool in self.quotas:
            return tool
        return EVERY_TOOL if EVERY_TOOL in self.quotas else None


def read_quotas(
    document: Mapping[str, Any], file: str, *, state_dir: str
) -> tuple[QuotaPolicy, tuple[Fault, ...]]:
    """Return the quotas of a file, and every fault in them; the schema saw keys and types."""
    quotas: dict[str, Quota] = {}
    faults: list[Fault] = []
    for name, table in document.get("quota", {}).items():
        if not _NAME.fullmatch(name):
            found = f"{shown(name)} is no tool's name"
            write = 'write one such as [quota.fetch], or [quota."*"] for every other tool'
            faults.append(Fault(place=file, key="quota", found=found, write=write))
        values: dict[str, int] = {}
        for key, written in table.items():
            try:
                values[key] = _size(written) if key.startswith("bytes") else written
            except ValueError as problem:
                found, write = found_and_write(problem)
                where = key_of(("quota", name, key))
                faults.append(Fault(place=file, key=where, found=found, write=write))
        quotas[name] = Quota(**values)
    return QuotaPolicy(file=f"{state_dir}/{FILE_NAME}", quotas=quotas), tuple(faults)


def _size(written: str | int) -> int:
    size = parse_size(written)
    if not 1 <= size <= MOST_BYTES:
        msg = f"{written!r} is out of range; write 1 to {format_size(MOST_BYTES)}"
        raise ValueError(msg)
    return size


def format_amount(key: str, amount: int) -> str:
    """Return an amount as the file says it: `100`, or `10MiB` for bytes."""
    return format_size(amount) if key.startswith("bytes") else str(amount)


def describe_quotas(policy: QuotaPolicy) -> Iterator[tuple[str, str]]:
    """Yield each key of the quotas and its value, as `preopen policy` shows them."""
    if not policy.quotas:
        yield "quota", "none"
    for name, quota in policy.quotas.items():
        for key in KEYS:
            amount = getattr(quota, key)
            if amount is not None:
                yield f"quota.{name}.{key}", format_amount(key, amount)
