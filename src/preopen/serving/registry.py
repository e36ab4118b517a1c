"""The tools that are offered, and those that were refused: immutable; a reload makes a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from preopen.capability import Access, Grants
from preopen.cells.cache import BinarySource
from preopen.egress.rule import Secret
from preopen.egress.teaching import describe_rule
from preopen.errors import Fault
from preopen.level import PermissionLevel
from preopen.schema import Validator
from preopen.tool.binary import BinaryFacts
from preopen.tool.manifest import Manifest
from preopen.tool.result import output_schema_on_wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool that is offered: what it asked for, what it got, and how its calls are checked."""

    manifest: Manifest
    facts: BinaryFacts
    grants: Grants
    source: BinarySource
    arguments: Validator
    result: Validator | None
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that a client calls."""
        return self.manifest.name

    @property
    def title(self) -> str:
        """The name that a person reads."""
        return self.manifest.title

    @property
    def description(self) -> str:
        """What the model reads."""
        return self.manifest.description

    @property
    def level(self) -> PermissionLevel:
        """The derived level."""
        return self.grants.level

    @property
    def sha256(self) -> str:
        """The binary's."""
        return self.manifest.sha256

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """The arguments' JSON Schema, as it is advertised."""
        return self.manifest.input_schema

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The structured result's JSON Schema, as it is advertised: an object."""
        schema = self.manifest.output_schema
        return None if schema is None else output_schema_on_wire(schema)

    @property
    def grants_text(self) -> tuple[str, ...]:
        """The whole grant in plain words, a line per capability; none: it reaches nothing."""
        return describe_grants(self.grants)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedTool:
    """A tool that is not offered: its name, or its file where no name could be read, and why."""

    name: str
    file: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Name → Tool in a stable order (by name), and the refusals in the order of the files.

    `files` are the manifests and binaries that were looked at, but for the built-in ones: a change
    of one of them may change the rest.
    """

    tools: Mapping[str, Tool] = field(default_factory=dict)
    refused: tuple[RefusedTool, ...] = ()
    left_out: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def describe_grants(grants: Grants) -> tuple[str, ...]:
    """Return one line per capability, as receipts, `list` and `tools/list` say it."""
    lines = []
    for directory in grants.directories:
        verb = "write" if directory.access is Access.WRITE else "read"
        names = " and ".join(f'"{name}"' for name in directory.narrow_to)
        only = f" (only what {names} names)" if names else ""
        lines.append(f"{verb} {directory.host_path}{only}")
    lines += [describe_rule(rule) for rule in grants.egress]
    lines += [f"environment {variable.name}" for variable in grants.environment]
    if grants.executes:
        lines.append("run code from the arguments, inside the sandbox")
    return tuple(lines)
