"""`audit` and `audit_values` of `preopen.toml` as values: what is recorded, and when it must be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class AuditMode(Enum):
    """What a record that cannot be written means: calls go on unrecorded, or none runs."""

    ON = "on"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """How calls are recorded. `keeps_values`: with their arguments, not only sizes and a digest."""

    mode: AuditMode = AuditMode.ON
    keeps_values: bool = False


def read_auditing(document: Mapping[str, Any]) -> Auditing:
    """Return what a file says of the audit log; the schema has checked it."""
    return Auditing(
        mode=AuditMode(document.get("audit", AuditMode.ON.value)),
        keeps_values=document.get("audit_values", False),
    )


def describe_auditing(auditing: Auditing) -> Iterator[tuple[str, str]]:
    """Yield each key and its value, as `preopen policy` shows them."""
    yield "audit", auditing.mode.value
    yield "audit_values", "true" if auditing.keeps_values else "false"
