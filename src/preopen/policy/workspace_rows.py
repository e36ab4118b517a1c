"""How each key of a workspace's own `preopen.toml` narrows the operator's Policy. Pure.

What it tries more is kept as a sentence, and left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from preopen.capability import LIMIT_KEYS, Access
from preopen.document import key_of, listed, printable, shown
from preopen.egress.rule import EgressRule
from preopen.egress.rules import intersect
from preopen.errors import Fault
from preopen.layer import layers_named
from preopen.level import PermissionLevel
from preopen.policy.auditing import AuditMode
from preopen.policy.decisions import FOLDER_WRITES, Decision, Decisions, read_narrowing
from preopen.policy.names import is_tool_name
from preopen.policy.network import NetworkPolicy, read_private, read_rules
from preopen.policy.policy import Policy
from preopen.tool.limits import format_limit, parse_limits


@dataclass(slots=True, kw_only=True)
class Narrowing:
    """One workspace's file while it is read: what is left of the policy, and what is said."""

    policy: Policy
    place: str
    users_file: str
    locate: Callable[[str], str]
    ignored: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def narrow(self, key: str, *, both: bool = False, **changes: Any) -> None:  # noqa: ANN401 - as replace() has it
        """Take changes over; `both` where the operator's value counts beside the file's."""
        if all(getattr(self.policy, name) == value for name, value in changes.items()):
            return
        before = self.policy.origins.get(key, "default")
        file = self.policy.workspace_file
        origin = f"{before} and {file}" if both and before != "default" else file
        self.policy = replace(self.policy, origins={**self.policy.origins, key: origin}, **changes)

    def ignore(self, *parts: str | int, found: str) -> None:
        """Say that a value does not count."""
        write = f"a workspace's file can only narrow. To open it, write it into {self.users_file}"
        fault = Fault(place=self.place, key=key_of(parts), found=found, write=write)
        self.ignored.append(str(fault))

    def check_names(self, key: str, names: list[str]) -> None:
        """Keep a fault for each that is no tool's name."""
        self.faults += [
            Fault(
                place=self.place,
                key=key,
                found=f"{shown(name)} is no tool's name",
                write="write one such as hash",
            )
            for name in names
            if not is_tool_name(name)
        ]


def pass_format(_narrowing: Narrowing, _number: int) -> None:
    """Pass the format, which the reader has checked."""


def narrow_workspace(narrowing: Narrowing, path: str) -> None:
    """Pass the folder that it is already."""
    if narrowing.locate(path) != narrowing.policy.workspace:
        found = f"{shown(path)} is another folder than the workspace that it lies in"
        narrowing.ignore("workspace", found=found)


def narrow_max_level(narrowing: Narrowing, word: str) -> None:
    """Take the lower level."""
    level, before = PermissionLevel(word), narrowing.policy.max_level
    if level < before:
        narrowing.narrow("max_level", max_level=level)
    elif level > before:
        found = f'"{level.value}" is above the "{before.value}" that you allow'
        narrowing.ignore("max_level", found=found)


def narrow_decide(narrowing: Narrowing, table: Mapping[str, Any]) -> None:
    """Add a layer of decisions, of which the strictest counts."""
    policy = narrowing.policy
    layer = read_narrowing({"decide": table}, narrowing.place)
    narrowing.check_names("decide.tools", list(layer.tools))
    usual = policy.decisions[0]
    for key, word in table.items():
        if key != "tools":
            before = _decided(usual, key)
            if Decision(word) < before:
                found = _lifts_nothing(word, before, usual.place_of(key))
                narrowing.ignore("decide", key, found=found)
    for name, decision in layer.tools.items():
        named = usual.tools.get(name)
        if named is not None and decision < named:
            found = _lifts_nothing(decision.value, named, usual.place)
            narrowing.ignore("decide", "tools", name, found=found)
        elif named is None and decision is Decision.ALLOW:
            found = '"allow" lifts nothing that you, or a default, decided of this tool\'s level'
            narrowing.ignore("decide", "tools", name, found=found)
    narrowing.policy = replace(policy, decisions=(*policy.decisions, layer))


def _decided(decisions: Decisions, key: str) -> Decision:
    if key == FOLDER_WRITES:
        return decisions.folder_writes
    return decisions.levels[PermissionLevel(key)]


def _lifts_nothing(word: str, before: Decision, place: str) -> str:
    where = printable(place) or "the default"
    return f'"{word}" does not lift the "{before.value}" of {where}'


def narrow_without(narrowing: Narrowing, names: list[str]) -> None:
    """Bar the names: unlike the operator's `without`, this frees no name for another tool."""
    narrowing.check_names("tools.without", names)
    barred = narrowing.policy.barred | frozenset(names)
    narrowing.narrow("tools.without", both=True, barred=barred)


def narrow_tool_folders(narrowing: Narrowing, paths: list[str]) -> None:
    """Look for no manifests where a workspace says."""
    if paths:
        found = f"{listed(map(shown, paths))}: no manifests are looked for there"
        narrowing.ignore("tools", "folders", found=found)


def narrow_folders(narrowing: Narrowing, table: Mapping[str, Any]) -> None:
    """Lower the access of folders that the operator opened under the same name."""
    for name, value in table.items():
        path, access = (
            (value, Access.READ)
            if isinstance(value, str)
            else (value["path"], Access(value.get("access", "read")))
        )
        folders = {each.name: each for each in narrowing.policy.folders}
        before = folders.get(name)
        if before is None or narrowing.locate(path) != before.host_path:
            found = f"{shown(path)} is no folder that you opened by this name"
            narrowing.ignore("folders", name, found=found)
        elif access is Access.READ and before.access is Access.WRITE:
            folders[name] = replace(before, access=access)
            narrowing.narrow(f"folders.{name}", both=True, folders=tuple(folders.values()))
        elif access is Access.WRITE and before.access is Access.READ:
            found = '"write" is more than you opened, which is to read'
            narrowing.ignore("folders", name, "access", found=found)


def narrow_variables(narrowing: Narrowing, table: Mapping[str, str]) -> None:
    """Pass values that are the operator's already."""
    for name, value in table.items():
        if narrowing.policy.variables.get(name) != value:
            found = f"{shown(value)} is not what you wrote for it"
            narrowing.ignore("variables", name, found=found)


def narrow_environment(narrowing: Narrowing, names: list[str]) -> None:
    """Leave those of the operator's variables that the file names, too."""
    policy = narrowing.policy
    for index, name in enumerate(names):
        if name not in policy.environment_names:
            found = f"{shown(name)} is no variable that you opened"
            narrowing.ignore("environment", "names", index, found=found)
    kept = tuple(name for name in policy.environment_names if name in names)
    values = {name: value for name, value in policy.environment.items() if name in kept}
    narrowing.narrow("environment.names", both=True, environment_names=kept, environment=values)


def narrow_hosts(narrowing: Narrowing, rules: list[str]) -> None:
    """Leave what both have open."""
    network = narrowing.policy.network
    kept = _cut(narrowing, "hosts", rules, network.hosts)
    network = replace(_without(narrowing, network.hosts, kept), hosts=kept)
    narrowing.narrow("egress.hosts", both=True, network=network)


def narrow_private(narrowing: Narrowing, rules: list[str]) -> None:
    """Leave what both have open of the operator's own network."""
    network = narrowing.policy.network
    kept = _cut(narrowing, "private", rules, network.private)
    network = replace(_without(narrowing, network.private, kept), private=kept)
    narrowing.narrow("egress.private", both=True, network=network)


def _without(
    narrowing: Narrowing, opened: tuple[EgressRule, ...], kept: tuple[EgressRule, ...]
) -> NetworkPolicy:
    """Return the network as it is, but for the note of which rules the file takes away."""
    network = narrowing.policy.network
    taken = [rule for rule in opened if rule not in kept]
    if not taken:
        return network
    both = tuple(dict.fromkeys((*network.taken, *taken)))
    return replace(network, taken=both, taken_by=narrowing.place)


def _cut(
    narrowing: Narrowing, key: str, written: list[str], opened: tuple[EgressRule, ...]
) -> tuple[EgressRule, ...]:
    """Return what the file's rules and the operator's have in common."""
    read = read_private if key == "private" else read_rules
    kept: dict[EgressRule, None] = {}
    for index, text in enumerate(written):
        rules, faults = read([(text, narrowing.place, f"egress.{key}[{index}]")])
        narrowing.faults += faults
        for rule in rules:
            shared = [both for each in opened if (both := intersect(rule, each))]
            kept |= dict.fromkeys(shared)
            if rule not in shared:
                found = f"{shown(text)} is not within what you opened"
                narrowing.ignore("egress", key, index, found=found)
    return tuple(kept)


def narrow_ca_file(narrowing: Narrowing, path: str) -> None:
    """Trust nobody whom a workspace names."""
    found = f"{shown(path)}: roots of trust are yours to name"
    narrowing.ignore("egress", "ca_file", found=found)


def narrow_record_paths(narrowing: Narrowing, recorded: bool) -> None:  # noqa: FBT001 - a value of the file
    """Keep paths out of receipts where one of both says so."""
    network = narrowing.policy.network
    if network.records_paths and not recorded:
        network = replace(network, records_paths=False)
        narrowing.narrow("egress.record_paths", network=network)
    elif recorded and not network.records_paths:
        found = "receipts show no paths, as you, or a default, decided"
        narrowing.ignore("egress", "record_paths", found=found)


def narrow_audit(narrowing: Narrowing, word: str) -> None:
    """Refuse calls that cannot be recorded where one of both does."""
    auditing, mode = narrowing.policy.auditing, AuditMode(word)
    if mode is AuditMode.REQUIRED and auditing.mode is AuditMode.ON:
        narrowing.narrow("audit", auditing=replace(auditing, mode=mode))
    elif mode is not auditing.mode:
        narrowing.ignore("audit", found='"on" does not lift the "required" of your file')


def narrow_audit_values(narrowing: Narrowing, kept: bool) -> None:  # noqa: FBT001 - a value of the file
    """Keep the values of arguments out of the log where one of both says so."""
    auditing = narrowing.policy.auditing
    if auditing.keeps_values and not kept:
        narrowing.narrow("audit_values", auditing=replace(auditing, keeps_values=False))
    elif kept and not auditing.keeps_values:
        found = "records keep no values of arguments, as you, or a default, decided"
        narrowing.ignore("audit_values", found=found)


def narrow_secrets(narrowing: Narrowing, table: Mapping[str, Any]) -> None:
    """Read no secret that a workspace names; no message says where it would lie."""
    for name in table:
        narrowing.ignore("secrets", name, found="where a secret lies is yours to name")


def narrow_limits(narrowing: Narrowing, table: Mapping[str, Any]) -> None:
    """Take the lower ceilings."""
    written = {key: value for key, value in table.items() if key in LIMIT_KEYS}
    numbers, faults = parse_limits(written, narrowing.place)
    narrowing.faults += faults
    for key, number in numbers.items():
        ceilings = narrowing.policy.ceilings
        before = ceilings.get(key)
        if before is None or number < before:
            narrowing.narrow(f"limits.{key}", ceilings={**ceilings, key: number})
        elif number > before:
            found = f"{format_limit(key, number)} is above your {format_limit(key, before)}"
            narrowing.ignore("limits", key, found=found)


def narrow_cells(narrowing: Narrowing, number: int) -> None:
    """Take the lower number."""
    before = narrowing.policy.cells
    if number < before:
        narrowing.narrow("limits.cells", cells=number)
    elif number > before:
        narrowing.ignore("limits", "cells", found=f"{number} is above your {before}")


def narrow_calls_per_cell(narrowing: Narrowing, table: Mapping[str, Any]) -> None:
    """Take the lower numbers: by default no two calls share a cell."""
    narrowing.check_names("cells", list(table))
    for name, value in table.items():
        calls = narrowing.policy.calls_per_cell
        number, before = value["calls_per_cell"], calls.get(name, 1)
        if number < before:
            key = f"cells.{name}.calls_per_cell"
            narrowing.narrow(key, calls_per_cell={**calls, name: number})
        elif number > before:
            found = f"{number} is above your {before}"
            narrowing.ignore("cells", name, "calls_per_cell", found=found)


def narrow_require(narrowing: Narrowing, names: list[str]) -> None:
    """Require the layers of both."""
    layers = narrowing.policy.required_layers | layers_named(names)
    narrowing.narrow("wall.require", both=True, required_layers=layers)
