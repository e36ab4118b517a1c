"""Authorities, limits and Grants as frozen values. Nothing here opens, checks or decides."""

import enum
from dataclasses import dataclass, fields

from preopen.egress.rule import EgressRule
from preopen.level import PermissionLevel


class Access(enum.StrEnum):
    """What may be done below a directory. `WRITE` includes reading, creating, removing."""

    READ = "read"
    WRITE = "write"


class Source(enum.StrEnum):
    """Where an environment variable's value comes from: the manifest's own text, or the host."""

    MANIFEST = "manifest"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One directory tree of the host, and where and how a guest sees it.

    `host_path` is absolute and resolved (no symlink in it); `guest_path` is absolute. `narrow_to`
    names the arguments that cut the tree down to what one call needs; () means that every call
    gets the whole tree.
    """

    host_path: str
    guest_path: str
    access: Access
    narrow_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.host_path.startswith("/") and self.guest_path.startswith("/")):
            msg = (
                f"paths of a directory are absolute, not {self.host_path!r} and {self.guest_path!r}"
            )
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar:
    """One variable of a guest's environment."""

    name: str
    value: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What every call is held to: no capabilities, for they always apply.

    Times in milliseconds (`_ms`) or whole seconds (`_s`), sizes in bytes, the rest are counts:
    `fuel` of wasmtime's units, `rate` of calls in any minute, `requests` of those in flight.
    `cpu_time_s` None means wall time, rounded up; `fuel` and `rate` None mean that nobody counts.
    """

    wall_time_ms: int = 10_000
    cpu_time_s: int | None = None
    memory_bytes: int = 64 << 20
    stack_bytes: int = 1 << 20
    table_elements: int = 100_000
    tables: int = 16
    instances: int = 64
    output_bytes: int = 1 << 20
    stderr_bytes: int = 64 << 10
    file_size_bytes: int = 16 << 20
    open_files: int = 256
    concurrency: int = 4
    queue: int = 256
    request_bytes: int = 1 << 20
    response_bytes: int = 16 << 20
    requests: int = 8
    rate: int | None = None
    fuel: int | None = None

    @property
    def cpu_seconds(self) -> int:
        """The CPU time that a call may use, in whole seconds.

        By default the wall time, rounded up, and one more: where a guest spins through both, the
        limit that it was asked about ends it, and not whichever clock is read first.
        """
        return self.cpu_time_s or -(-self.wall_time_ms // 1000) + 1


# How a limit is written in a manifest and in preopen.toml: its key, and the unit of its field.
_KEEP_THEIR_UNIT = ("request_bytes", "response_bytes")  # `requests` is a count beside them
LIMIT_KEYS: dict[str, str] = {
    f.name
    if f.name in _KEEP_THEIR_UNIT
    else f.name.removesuffix("_ms").removesuffix("_s").removesuffix("_bytes"): f.name
    for f in fields(Limits)
}

# Ceilings where the operator's file names none; rate and fuel are off without one.
CEILINGS: dict[str, int] = {
    "wall_time": 5 * 60_000,
    "cpu_time": 5 * 60,
    "memory": 1 << 30,
    "stack": 2 << 20,
    "table_elements": 10_000_000,
    "tables": 1000,
    "instances": 1000,
    "output": 16 << 20,
    "stderr": 1 << 20,
    "file_size": 1 << 30,
    "open_files": 1024,
    "concurrency": 16,
    "queue": 1024,
    "request_bytes": 64 << 20,
    "response_bytes": 256 << 20,
    "requests": 32,
}
DEFAULT_CELLS = (
    32  # cells at once over all tools; a quarter more than the default tools' own limits together
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReason:
    """One granted capability, in plain words, and the level that it alone makes."""

    level: PermissionLevel
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What one tool may have: made by `policy/decide.py`, by nobody else in the server.

    `directories` keeps the manifest's order; relative paths start in the first one. `level` is the
    derived one and `reasons` says, a line per capability, how it came about.
    """

    directories: tuple[Directory, ...] = ()
    environment: tuple[EnvVar, ...] = ()
    egress: tuple[EgressRule, ...] = ()
    executes: bool = False
    limits: Limits = Limits()
    level: PermissionLevel = PermissionLevel.NONE
    reasons: tuple[LevelReason, ...] = ()


class Reach(enum.StrEnum):
    """How far below its folder a mount reaches."""

    TREE = "tree"  # everything below the folder
    FILE = (
        "file"  # one file in it; the wall keeps the others' contents and the list of names closed
    )
    NOTHING = "nothing"  # what the call named does not exist: the guest finds that out, no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One folder that one call's guest gets, opened: what was checked is what is mounted.

    `folder` is an `O_PATH` descriptor of the directory that becomes the preopen, under every path
    of `guest_paths` (absolute ones, and relative ones such as "src" or ".").
    `targets` are `O_PATH` descriptors of the only files that the wall opens when `reach` is FILE,
    else (). `host_paths` says the same for a receipt: the folder, or those files.
    The descriptors belong to whoever holds the Mount; in the cell they are the cell's own.
    """

    folder: int
    guest_paths: tuple[str, ...]
    access: Access
    reach: Reach
    host_paths: tuple[str, ...]
    targets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file that one call may replace and whose mode is to survive that.

    `folder` is an `O_PATH` descriptor of the folder that holds it, `name` its name in there.
    """

    folder: int
    name: str
