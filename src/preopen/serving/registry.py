"""The tools that are offered, and those that are not: immutable; a reload makes a new one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from preopen.capability import Access, Grants
from preopen.cells.cache import BinarySource
from preopen.document import listed
from preopen.egress.rule import Secret
from preopen.egress.teaching import describe_rule
from preopen.errors import Fault
from preopen.level import PermissionLevel
from preopen.schema import Validator
from preopen.tool.binary import BinaryFacts
from preopen.tool.manifest import Manifest
from preopen.tool.result import output_schema_on_wire
from preopen.trust.asks import RUNS_CODE
from preopen.trust.fingerprint import Definition
from preopen.trust.lock import Approvals, Lock, Standing, Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool that is offered: what it asked for, what it got, and how its calls are checked.

    `asks` says whether a person is asked before some of its calls.
    `fingerprint` is that of its definition, a sha256 in hexadecimal digits: another manifest,
    binary or name has another one. `identity` tells whose cells a call may share: it changes with
    name, binary and grants.

    What each call asks again and again is made once: `name` is what a client calls, `level` the
    derived one, `sha256` the binary's, `input_schema` the arguments' as it is advertised.
    """

    manifest: Manifest
    fingerprint: str
    facts: BinaryFacts
    grants: Grants
    source: BinarySource
    arguments: Validator
    result: Validator | None
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()
    asks: bool = True
    identity: str = field(init=False)
    name: str = field(init=False)
    level: PermissionLevel = field(init=False)
    sha256: str = field(init=False)
    input_schema: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        asked = self.manifest
        text = repr((asked.name, asked.sha256, self.grants))
        object.__setattr__(self, "identity", hashlib.sha256(text.encode()).hexdigest())
        object.__setattr__(self, "name", asked.name)
        object.__setattr__(self, "level", self.grants.level)
        object.__setattr__(self, "sha256", asked.sha256)
        object.__setattr__(self, "input_schema", asked.input_schema)

    @property
    def title(self) -> str:
        """The name that a person reads."""
        return self.manifest.title

    @property
    def description(self) -> str:
        """What the model reads."""
        return self.manifest.description

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
class QuarantinedTool:
    """A tool that could be offered, and that no person approved as it is: new, or changed since."""

    file: str
    definition: Definition
    waiting: Waiting

    @property
    def name(self) -> str:
        """The name that it would have."""
        return self.definition.name

    @property
    def faults(self) -> tuple[Fault]:
        """Why it is not offered, and the way out: one line."""
        found = "quarantined: it is new, and nobody approved it"
        if self.waiting.standing is Standing.CHANGED:
            keys = listed(dict.fromkeys(change.key for change in self.waiting.changes))
            found = f"quarantined: it changed since it was approved ({keys})"
        write = f"look at it with `preopen diff {self.name}`, then `preopen approve {self.name}`"
        return (Fault(place=self.file, found=found, write=f"{write}, with the flags of this run"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Name → Tool in a stable order (by name), and what is not offered in the order of the files.

    A tool is in one of them: offered, refused, quarantined, or left out by the operator. `files`
    are the manifests and binaries that were looked at, but for the built-in ones: a change of one
    of them may change the rest. `approvals` are those that all this was judged by.
    """

    tools: Mapping[str, Tool] = field(default_factory=dict)
    refused: tuple[RefusedTool, ...] = ()
    quarantined: tuple[QuarantinedTool, ...] = ()
    left_out: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    approvals: Approvals = field(default_factory=Lock)

    @property
    def known(self) -> frozenset[str]:
        """The name of every tool that is in one of them."""
        return frozenset((*self.tools, *(each.name for each in self.withheld), *self.left_out))

    @property
    def withheld(self) -> tuple[RefusedTool | QuarantinedTool, ...]:
        """Every tool that is not offered and says why."""
        return (*self.refused, *self.quarantined)

    def absence_of(self, name: str) -> str:
        """Return what a client is told that calls a tool which is not offered, in one line.

        Only the name is an author's text: what is quarantined says nothing to a model.
        """
        if any(tool.name == name for tool in self.quarantined):
            return (
                f"the tool {name!r} is quarantined until a person has looked at it: the operator"
                f" runs `preopen diff {name}`, then `preopen approve {name}`"
            )
        return f"there is no tool {name[:64]!r}; tools/list names those there are"


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
        lines.append(RUNS_CODE)
    return tuple(lines)
