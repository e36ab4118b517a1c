"""What server, zygote and cell say to one another, as values; `codec.py` has the bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from preopen.capability import Access, Kept, Limits, Mount

MAX_FORKS: Final = 8  # cells that one Fork asks for; two descriptors each come back


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A compiled binary as every process of ours names it: its sha256, kind and engine.

    `counts_fuel` is the engine's, too: code that counts is other code, and slower.
    """

    sha256: str
    kind: str  # "module" | "component"
    stack_bytes: int
    counts_fuel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Server → zygote or cell: load this binary. One descriptor: the compiled file."""

    binary: Binary


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Zygote → server: a Load is done. `fault` is "" or why it failed."""

    binary: Binary
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Server → zygote: no later cell needs this binary. Nothing is answered."""

    binary: Binary


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Server → zygote: make `count` cells, numbered from `first` on."""

    first: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Zygote or spawned cell → server, once: the layers of every wall; those missing, and why."""

    layers: tuple[str, ...]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """Zygote → server: the cell lives. Two descriptors: its socket and its pidfd."""

    cell: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """Zygote → server: the cell ended. `status` is `waitpid`'s; CPU in ms, size in bytes."""

    cell: int
    status: int
    cpu_ms: float
    max_rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a wall: what may be done below, or with, the file of this descriptor."""

    descriptor: int
    access: Access
    is_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Server → cell: run this binary once. Body: the guest's stdin.

    `rules` is the wall to put up first, or None for a cell that stands behind one already.
    `calls_left` counts this call: 1 for a single-use cell. `kept` are files whose modes the cell
    puts back when the guest has replaced them, which WASI cannot. `gateway_port` is the one TCP
    port of its loopback that the call may reach, 0 for none. `is_inert` says that instantiating the
    binary runs none of its code.
    """

    binary: Binary
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    rules: tuple[Rule, ...] | None
    limits: Limits
    calls_left: int
    kept: tuple[Kept, ...] = ()
    gateway_port: int = 0
    is_inert: bool = False
    stdin: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Cell → server: how the guest ended. Body: stdout, then stderr.

    `end` is "exited", "trapped", "out_of_fuel", "overflow" (of stdout) or "refused" (no wall, so no
    guest). `fuel_used` is None where nobody counted it.
    """

    end: str
    exit_code: int = 0
    reason: str = ""
    cpu_ms: float = 0.0
    peak_memory_bytes: int = 0
    memory_of: str = "guest"
    fuel_used: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Cell → server, once, before any call: where its gateway is to be served.

    One descriptor: a TCP socket that listens on the loopback of the cell's own network namespace.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Cell → server, during a call: may the guest send this request? Its parts as it wrote them."""

    method: str
    scheme: str | None
    authority: str | None
    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Server → cell: the answer to an Ask. One of the two is "".

    `ticket` is the path under which the gateway takes the request once; `error` the name of an
    error-code of wasi:http, such as "HTTP-request-denied".
    """

    ticket: str = ""
    error: str = ""


Frame: TypeAlias = (
    Load
    | Loaded
    | Forget
    | Fork
    | Hello
    | Forked
    | Reaped
    | Call
    | Answer
    | Listening
    | Ask
    | Verdict
)
