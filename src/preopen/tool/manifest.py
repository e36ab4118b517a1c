"""A manifest as frozen values: what a tool's author asks for. Not trusted, and not yet granted."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from preopen.capability import Access, Limits
from preopen.level import PermissionLevel


class Interface(enum.StrEnum):
    """How a binary is called."""

    COMMAND = "command"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a call is put to the binary and read back.

    `args` is the list of template elements, an inner tuple being a group that drops as one, or None
    for `args = "flags"`. `stdin` is "none", "json" or a template; `stdout` is "text", "json",
    "envelope" or a media type.
    """

    interface: Interface = Interface.COMMAND
    export: str = ""
    args: tuple[str | tuple[str, ...], ...] | None = ()
    stdin: str = "none"
    stdout: str = "text"
    paths: tuple[str, ...] = ()
    exit_ok: tuple[int, ...] = (0,)
    executes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryAsk:
    """One `[[directory]]` as written: variables such as `${workspace}` are not expanded yet."""

    key: str  # where it stands: "directory[0]"
    host: str
    guest: str  # "" means the same path as on the host
    access: Access = Access.READ
    narrow_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressAsk:
    """One `[[egress]]` as written."""

    key: str
    allow: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    narrow_to: str = ""
    private: bool = False
    credential: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvAsk:
    """One line of `[environment]`: a value of its own, or `from_host`, a variable's name."""

    key: str
    name: str
    value: str | None = None
    from_host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One tool, as its author describes it. Made by `tool/parsing.py` only, so it is valid.

    `file` is the manifest's own path; `binary_path` is absolute. `input_schema` is complete
    (`type` and `additionalProperties` filled in), `output_schema` is None without `[output]`.
    `asked_limits` holds only the limits that were written, by manifest key, in the fields' units.
    `document` is the whole of it as JSON values, as it was written: what an approval is for.

    `narrowing` are the arguments that directories are narrowed to, and `path_arguments` all that
    are paths: those, then `paths`, each once. Both follow from the rest, and each call asks.
    """

    file: str
    name: str
    title: str
    description: str
    level: PermissionLevel
    binary_path: str
    sha256: str
    run: Run
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None = None
    directories: tuple[DirectoryAsk, ...] = ()
    egress: tuple[EgressAsk, ...] = ()
    environment: tuple[EnvAsk, ...] = ()
    limits: Limits = Limits()
    asked_limits: Mapping[str, int]
    document: Mapping[str, Any]
    builtin: bool = False
    narrowing: frozenset[str] = field(init=False, repr=False, compare=False)
    path_arguments: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = [name for ask in self.directories for name in ask.narrow_to]
        paths = tuple(dict.fromkeys([*named, *self.run.paths]))
        object.__setattr__(self, "narrowing", frozenset(named))
        object.__setattr__(self, "path_arguments", paths)
