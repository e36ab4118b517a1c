"""How an Invocation ended: a closed union of frozen values, and the Receipt that goes with it."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

JsonValue: TypeAlias = Any  # what json.loads returns; a schema narrows it where it matters


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A "no" at run time to one act. `allow` is the line that would allow it, or ""."""

    target: str
    reason: str
    allow: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; {self.allow}" if self.allow else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that a guest asked for, as it went. No path, no query, no header.

    `address` is the one that was dialled, "" where none was. `result` is the status, "denied", or
    in a few words what failed. Bytes are of bodies, as they passed the gateway; time in ms.
    `path` is "" unless the operator has paths recorded; `limit` is the manifest's key that ended
    it, or "".
    """

    method: str
    scheme: str
    host: str
    port: int
    result: str
    address: str = ""
    path: str = ""
    limit: str = ""
    request_bytes: int = 0
    response_bytes: int = 0
    time_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one call used. Times in milliseconds, sizes in bytes.

    `memory_of` is "guest" where the guest's own linear memory was read, "process" where it is the
    cell's largest resident size. `fuel_used` is None where the tool has no fuel, or where the cell
    was ended and could not say.
    """

    wall_time_ms: float = 0.0
    cpu_time_ms: float = 0.0
    peak_memory_bytes: int = 0
    memory_of: str = "guest"
    bytes_in: int = 0
    bytes_out: int = 0
    fuel_used: int | None = None

    def carrying(self, bytes_in: int, bytes_out: int) -> "Usage":
        """Return the same of a call into and out of which so much went."""
        return Usage(
            wall_time_ms=self.wall_time_ms,
            cpu_time_ms=self.cpu_time_ms,
            peak_memory_bytes=self.peak_memory_bytes,
            memory_of=self.memory_of,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            fuel_used=self.fuel_used,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The guest ended with an exit code of `exit_ok`. Streams are what it wrote."""

    stdout: bytes
    stderr: bytes = b""
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The guest ended with another exit code."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trapped:
    """The guest trapped, or could not be instantiated. `reason` is wasmtime's, one line."""

    reason: str
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """A time limit ended the call. `limit` is the manifest's key: "wall_time" or "cpu_time"."""

    limit: str
    limit_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFuel:
    """The guest used up its fuel (units of wasmtime's); streams are what it wrote until then."""

    limit: int
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOverflow:
    """The guest wrote more than `limit_bytes` to stdout; `stdout` is the part that was kept."""

    limit_bytes: int
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The client took the call back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Not started. `limit` is the manifest's key, or "cells"; retry after that many ms.

    "queue" and "rate" are the tool's own; "cells" is the total over all tools.
    """

    limit: str
    limit_value: int
    retry_after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidArguments:
    """The arguments do not fit the input schema; a problem names place and expectation."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidResult:
    """The tool ended well, and what it wrote is not what its manifest promises."""

    problem: str
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The call asked for something that no grant allows; no cell was touched."""

    denial: Denial


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncompilable:
    """Not started: the binary cannot be compiled, now or ever. `reason` names it and the fault."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLost:
    """The cell, the zygote or the compiler ended without an answer. `reason` says what is known.

    `may_pass` is False where the machine is at fault, and every other try meets the same.
    """

    reason: str
    may_pass: bool = True


Outcome: TypeAlias = (
    Returned
    | Exited
    | Trapped
    | TimedOut
    | OutOfFuel
    | OutputOverflow
    | Cancelled
    | Busy
    | InvalidArguments
    | InvalidResult
    | Denied
    | Uncompilable
    | CellLost
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a call was granted and what it used: in the result's `_meta` and in the audit log.

    `grants` names what was reachable, never the wish; `cell` is "call", "tool" or "none" (no cell
    was touched); `walls` are the layers that stood, `walls_missing` those that this machine lacks.
    `cell_user` is the "uid:gid" that the cell was where root serves another user's workspace, ""
    where it was who the server is. `notes` says what the call changed unasked: whose a replaced
    file is. `consent` is a person's word and how it came, "" where nobody
    had to be asked. `left_out` counts the requests and denials that there was no room for.
    """

    outcome: str
    grants: tuple[str, ...]
    cell: str
    sha256: str
    walls: tuple[str, ...] = ()
    walls_missing: tuple[str, ...] = ()
    cell_user: str = ""
    usage: Usage = field(default_factory=Usage)
    denials: tuple[Denial, ...] = ()
    requests: tuple[Request, ...] = ()
    left_out: int = 0
    notes: tuple[str, ...] = ()
    consent: str = ""
