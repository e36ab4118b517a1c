"""What attacks are made of: who tries it, with which call; what can stop it. Data alone."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from preopen.outcome import JsonValue

SECRET = "swordfish"  # noqa: S105 - what lies outside of every grant, to be looked for
TOKEN = "tok-5f3a9c1e7b24"  # noqa: S105 - the secret of the operator's that goes to one host


class Section(enum.StrEnum):
    """What an attack is after."""

    FILES = "files"
    HOGS = "hogs"
    LEAKS = "leaks"
    LIARS = "liars"
    NETWORK = "network"


class Stop(enum.StrEnum):
    """What stops an attack; the layers of the wall have the names that receipts give them.

    `tests/selftest` switches each of them off: a row in which all of its own are off is red.
    """

    ARGUMENTS = "argument-check"  # policy/narrow.py and paths.py: before a cell is touched
    WASI = "wasi"  # wasmtime: what a guest was not given it cannot name, what was another's not see
    FRESH_CELL = "fresh-cell"  # a process of its own for each call
    START = "clean-start"  # cells/start.py: nothing of the server's goes to the zygote
    OWN_SOCKET = "own-socket"  # sandbox/zygote.py: a cell keeps its own channel and no other
    WALL_TIME = "wall_time"  # the server's SIGKILL
    STORE = "store-limits"  # wasmtime: memory, memories, tables, elements
    STACK = "stack"  # the engine's
    STDOUT = "output"  # counted in the cell
    STDERR = "stderr"  # the oldest is dropped in the cell
    FRAME = "answer-check"  # cells/verdict.py: the server cuts what a cell says
    QUEUE = "queue"  # cells/permits.py
    RESULT = "result-check"  # tool/result.py: what was written is what the manifest promises
    SCHEMA = "output-schema"  # schema.py
    TRANSPORT = "transport"  # serving/transports/framing.py: one line, valid JSON
    MESSAGES = "messages"  # tool/failure.py and policy/paths.py: what a model is told
    GATE = "http-gate"  # sandbox/http_gate.py: no guest sends without a word of the server
    URL = "url-check"  # egress/url.py: what says no target, or not in one way only
    NAMES = "name-gate"  # egress/rules.py: what no rule of the call allows
    ADDRESSES = "address-gate"  # egress/addresses.py: where nobody may be led
    ONE_LOOKUP = "one-lookup"  # egress/gateway.py: the address that was checked is dialled
    TICKETS = "tickets"  # egress/tickets.py: each once, soon, in its own call
    HEADERS = "header-check"  # egress/headers.py: what passes, and whose login counts
    MASKING = "masking"  # egress/masking.py: a secret does not come back
    CODINGS = "codings"  # egress/upstream.py: a body is passed on as it came, and never unpacked
    REQUEST_BYTES = "request_bytes"
    RESPONSE_BYTES = "response_bytes"
    REQUESTS = "requests"
    NAMESPACES = "namespaces"
    CAPABILITIES = "capabilities"
    LANDLOCK = "landlock"
    LANDLOCK_TRUNCATE = "landlock-truncate"
    LANDLOCK_TCP = "landlock-tcp"
    LANDLOCK_SCOPE = "landlock-scope"
    SECCOMP = "seccomp"
    RLIMITS = "rlimits"


LAYERS = frozenset(
    {
        Stop.NAMESPACES,
        Stop.CAPABILITIES,
        Stop.LANDLOCK,
        Stop.LANDLOCK_TRUNCATE,
        Stop.LANDLOCK_TCP,
        Stop.LANDLOCK_SCOPE,
        Stop.SECCOMP,
        Stop.RLIMITS,
    }
)  # the wall's: a kernel may lack them


class Who(enum.StrEnum):
    """Who tries it. What a guest of one kind is stopped in, the other kind must be, too."""

    GUESTS = "module, component"
    MODULE = "module"
    COMPONENT = "component"
    NATIVE = "native code"  # in a cell, in the guest's place: the sandbox is out of the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the operator opens of the network for a call, and what names lead to.

    `hosts` and `private` are those of `preopen.toml`. `names` are addresses by name, with spaces
    between; of several answers each serves one look-up, the last one all that follow. The secret
    "TOKEN" is there for whom the manifest names it. `ticket_s` is how long a ticket is good.
    """

    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ticket_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call of the probe: what it is granted, as rows of its manifest, and what it is to do.

    With a `network` it is one of the courier, which sends requests.
    """

    words: tuple[str, ...] = ()
    grant: str = ""  # the directories and variables of the manifest, TOML
    limits: Mapping[str, str | int] = field(default_factory=dict)
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    stdin: str = "none"
    stdout: str = "text"
    output: str = ""  # the manifest's [output], TOML
    guest: str = ""  # WebAssembly text in the probe's place
    calls_per_cell: int = 1
    network: Network | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of an attack or of its control, and a short word for a person."""

    holds: bool
    saw: str
