"""`preopen.toml` and flags → Policy. A flag overrides the file for one run.

Reads one file and asks where folders really lie; the environment is handed in (`Surroundings`).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from preopen.capability import CEILINGS, DEFAULT_CELLS, LIMIT_KEYS
from preopen.document import (
    printable,
    reason_of,
    shown,
)
from preopen.errors import Fault, PolicyError
from preopen.layer import Layer, layers_named
from preopen.level import PermissionLevel
from preopen.policy.auditing import Auditing, read_auditing
from preopen.policy.decisions import Decisions, describe_decisions, read_decisions
from preopen.policy.file import FILE_NAME, read_document
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.flows import FlowRule, describe_flows, read_flows
from preopen.policy.names import is_tool_name, read_names
from preopen.policy.network import NetworkPolicy, read_network
from preopen.policy.policy import Policy
from preopen.policy.quotas import QuotaPolicy, describe_quotas, read_quotas
from preopen.policy.workspace_file import Beside, Held, narrow_beside
from preopen.tool.limits import parse_limits

_LEVELS: Final = tuple(level.value for level in PermissionLevel if level.value != "forbidden")
_ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load_policy(flags: Flags, around: Surroundings, held: Held | None = None) -> Policy:
    """Return what the operator allows, narrowed by the workspace's own file where there is one.

    That is the word of the operator's file, and the flags' over it. `held` is what the workspace's
    file said before in this process: it narrows still, whatever became of the file.

    Raises:
        PolicyError: a file cannot be read or is not valid, a folder does not exist, or a flag
            says what cannot be; with every fault that was found.

    """
    file = _policy_file(flags, around)
    document = {} if file is None else read_document(file)
    loader = _Loader(flags=flags, around=around, file=file or "", document=document)
    policy = loader.policy()
    if loader.faults:
        raise PolicyError(*loader.faults)
    usual, workspace = f"{around.config_dir}/{FILE_NAME}", policy.workspace
    if workspace is None:
        return policy

    def locate(path: str) -> str:
        return os.path.realpath(_absolute(path, workspace, around.home))

    beside = Beside(workspace=workspace, usual=usual, users_file=file or usual, locate=locate)
    return narrow_beside(policy, beside, {} if held is None else held)


def policy_place(flags: Flags, around: Surroundings) -> str:
    """Return where the operator's file is, or would be."""
    if flags.policy_file is not None:
        return _absolute(flags.policy_file, around.cwd, around.home)
    return f"{around.config_dir}/{FILE_NAME}"


def _policy_file(flags: Flags, around: Surroundings) -> str | None:
    place = policy_place(flags, around)
    return place if flags.policy_file is not None or os.path.lexists(place) else None


def _absolute(path: str, base: str, home: str) -> str:
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return path if path.startswith("/") else f"{base.rstrip('/')}/{path}"


@dataclass(slots=True, kw_only=True)
class _Loader:
    """One reading of one file and one command line; collects faults and where values came from."""

    flags: Flags
    around: Surroundings
    file: str  # "" where there is none
    document: Mapping[str, Any]
    faults: list[Fault] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)

    def policy(self) -> Policy:
        workspace, problem = self._workspace()
        given = read_names(self.document, self.file, self.flags, self._folder)
        self.origins |= given.origins
        self.faults += given.faults
        names = self._environment_names()
        ceilings, cells = self._limits()
        return Policy(
            workspace=workspace,
            workspace_problem=problem,
            max_level=self._max_level(),
            decisions=(self._decisions(),),
            tool_folders=self._tool_folders(),
            without=self._without(),
            folders=given.folders,
            variables=given.variables,
            environment_names=names,
            environment={n: self.around.environ[n] for n in names if n in self.around.environ},
            ceilings=ceilings,
            cells=cells,
            calls_per_cell=self._calls_per_cell(),
            required_layers=self._required_layers(),
            own_paths=self._own_paths(),
            network=self._network(),
            quotas=self._quotas(),
            flows=self._flows(),
            auditing=self._auditing(),
            home=os.path.realpath(self.around.home),
            origins=self.origins,
        )

    def _fault(self, place: str, key: str, found: str, write: str) -> None:
        self.faults.append(Fault(place=place, key=key, found=found, write=write))

    def _folder(self, path: str, place: str, key: str) -> str | None:
        """Return where the folder really lies, or None with a fault; key "" means a flag."""
        base = os.path.dirname(self.file) if key else self.around.cwd  # noqa: PTH120 - text only
        host_path = _absolute(path, base, self.around.home)
        try:
            resolved = os.path.realpath(host_path, strict=True)
            found = "" if os.path.isdir(resolved) else "is not a folder"  # noqa: PTH112 - text in, text out
        except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
            found = f"cannot be opened: {reason_of(problem)}"
        if not path:
            found = "is what an empty path means"
        if not found:
            return resolved
        self._fault(place, key, f'"{printable(host_path)}" {found}', "write a folder that exists")
        return None

    def _workspace(self) -> tuple[str | None, str]:
        if self.flags.workspace is not None:
            written, place, key, origin = self.flags.workspace, "--workspace", "", "--workspace"
        elif "workspace" in self.document:
            written, place, key, origin = (
                self.document["workspace"],
                self.file,
                "workspace",
                self.file,
            )
        else:
            written, place, key, origin = self.around.cwd, "the current folder", "", "default"
        self.origins["workspace"] = origin
        workspace = self._folder(written, place, key)
        home = os.path.realpath(self.around.home)
        if workspace is None or os.path.commonpath([workspace, home]) != workspace:
            return workspace, ""
        what = (
            "the home folder" if workspace == home else f"{workspace}, which holds the home folder"
        )
        where = f"{place}: {key}" if key else place
        return (
            None,
            f"{where}: {what} is never the workspace; write --workspace FOLDER, a folder below it",
        )

    def _max_level(self) -> PermissionLevel:
        self._origin("max_level", flag=self.flags.allow is not None and "--allow")
        written = self.flags.allow
        if written is None:
            written = self.document.get("max_level", PermissionLevel.EXECUTE.value)
        if written in _LEVELS:
            return PermissionLevel(written)
        self._fault(
            "--allow", "", f"{shown(written)} is no level", f"write one of {', '.join(_LEVELS)}"
        )
        return PermissionLevel.NONE

    def _decisions(self) -> Decisions:
        decisions = read_decisions(self.document, self.file)
        for key, _ in describe_decisions(decisions):
            self._origin(key)
        for name in decisions.tools:
            if not is_tool_name(name):
                found = f"{shown(name)} is no tool's name"
                self._fault(self.file, "decide.tools", found, "write one such as hash")
        return decisions

    def _tool_folders(self) -> tuple[str, ...]:
        written = self.document.get("tools", {}).get("folders", ())
        usual = f"{self.around.config_dir}/tools"
        found = [self._folder(usual, usual, "")] if os.path.isdir(usual) else []  # noqa: PTH112 - text
        found += [self._folder(p, self.file, f"tools.folders[{n}]") for n, p in enumerate(written)]
        found += [self._folder(path, "--manifests", "") for path in self.flags.manifests]
        self._origin("tools.folders", flag=bool(self.flags.manifests) and "--manifests", both=True)
        return tuple(dict.fromkeys(path for path in found if path is not None))

    def _without(self) -> frozenset[str]:
        written = self.document.get("tools", {}).get("without", ())
        for name, place, key in [
            *((name, self.file, "tools.without") for name in written),
            *((name, "--without", "") for name in self.flags.without),
        ]:
            if not is_tool_name(name):
                self._fault(
                    place, key, f"{shown(name)} is no tool's name", "write one such as hash"
                )
        self._origin("tools.without", flag=bool(self.flags.without) and "--without", both=True)
        return frozenset([*written, *self.flags.without])

    def _environment_names(self) -> tuple[str, ...]:
        names = tuple(self.document.get("environment", {}).get("names", ()))
        self._origin("environment.names")
        for index, name in enumerate(names):
            if not _ENVIRONMENT_NAME.fullmatch(name):
                found, key = (
                    f"{shown(name)} is no name of a variable",
                    f"environment.names[{index}]",
                )
                self._fault(self.file, key, found, 'write one such as "LANG"')
        return names

    def _limits(self) -> tuple[dict[str, int], int]:
        table = dict(self.document.get("limits", {}))
        for key in (*LIMIT_KEYS, "cells"):
            self._origin(f"limits.{key}")
        cells = table.pop("cells", DEFAULT_CELLS)
        numbers, faults = parse_limits(table, self.file)
        self.faults += faults
        return {**CEILINGS, **numbers}, cells

    def _calls_per_cell(self) -> dict[str, int]:
        calls: dict[str, int] = {}
        for name, table in self.document.get("cells", {}).items():
            self._origin(f"cells.{name}.calls_per_cell")
            if not is_tool_name(name):
                found = f"{shown(name)} is no tool's name"
                self._fault(self.file, "cells", found, "write one such as [cells.hash]")
            calls[name] = table["calls_per_cell"]
        return calls

    def _required_layers(self) -> frozenset[Layer]:
        written = self.document.get("wall", {}).get("require", ())
        flag = bool(self.flags.require_wall) and "--require-wall"
        self._origin("wall.require", flag=flag, both=True)
        return layers_named([*written, *self.flags.require_wall])

    def _network(self) -> NetworkPolicy:
        for key, flag in (("hosts", self.flags.egress), ("private", self.flags.egress_private)):
            name = "--egress" if key == "hosts" else "--egress-private"
            self._origin(f"egress.{key}", flag=bool(flag) and name, both=True)
        for key in ("ca_file", "record_paths"):
            self._origin(f"egress.{key}")
        for name in self.document.get("secrets", {}):
            self._origin(f"secrets.{name}")
        network, faults = read_network(
            self.document,
            self.file,
            {"hosts": self.flags.egress, "private": self.flags.egress_private},
            home=self.around.home,
            environ=self.around.environ,
        )
        self.faults += faults
        return network

    def _quotas(self) -> QuotaPolicy:
        quotas, faults = read_quotas(self.document, self.file, state_dir=self.around.state_dir)
        self.faults += faults
        self.origins |= {key: self.file for key, _ in describe_quotas(quotas) if quotas.quotas}
        return quotas

    def _flows(self) -> tuple[FlowRule, ...]:
        rules, faults = read_flows(self.document, self.file)
        self.faults += faults
        self.origins |= {key: self.file for key, _ in describe_flows(rules) if rules}
        return rules

    def _auditing(self) -> Auditing:
        for key in ("audit", "audit_values"):
            self._origin(key)
        return read_auditing(self.document)

    def _own_paths(self) -> tuple[str, ...]:
        folders = [self.around.config_dir, self.around.state_dir, self.around.cache_dir]
        paths = [os.path.realpath(folder) for folder in folders]
        if self.file:
            # The name as well as the file: who may replace a link rules what it says.
            folder, name = os.path.split(self.file)
            paths += [f"{os.path.realpath(folder).rstrip('/')}/{name}", os.path.realpath(self.file)]
        return tuple(dict.fromkeys(paths))

    def _origin(self, key: str, *, flag: str | bool = False, both: bool = False) -> None:
        """Write down where a key's value came from; `both` where a flag adds to the file."""
        at: Any = self.document
        for part in key.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        sources = [self.file] if at is not None and (both or not flag) else []
        sources += [flag] if isinstance(flag, str) else []
        self.origins[key] = " and ".join(sources) or "default"
