"""The operator's ceiling as frozen values: made by `settings.py`, read by `decide.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from preopen.capability import CEILINGS, DEFAULT_CELLS, Access
from preopen.layer import Layer
from preopen.level import PermissionLevel
from preopen.policy.auditing import Auditing
from preopen.policy.decisions import Decisions
from preopen.policy.flows import FlowRule
from preopen.policy.network import NetworkPolicy
from preopen.policy.quotas import QuotaPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFolder:
    """A folder outside the workspace that the operator opened by name. `host_path` is resolved."""

    name: str
    host_path: str
    access: Access = Access.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a call may have at most. Every default is the restrictive one.

    `workspace` is absolute and resolved, or None with `workspace_problem` saying why and what to
    write (then every tool that needs it is refused). `own_paths` are preopen's own folders and
    files (configuration, state, cache, policy file): no writable grant may touch them.
    `environment` holds the values of the host variables that the operator listed and that are set.
    `decisions` are what each file says happens at a call, the operator's first; the strictest
    counts.
    `ceilings` are limits by manifest key, in the fields' units of `Limits`. No cell runs anything
    on a machine that lacks one of `required_layers`. `origins` says for each key of `preopen.toml`,
    dotted, where its value came from: "default", "--flag" or a file's path.

    `workspace_file` is the workspace's own `preopen.toml`, "" where none counts; `barred` are names
    under which it lets no tool be offered, and `ignored` what it tried beyond narrowing, a sentence
    each.
    """

    workspace: str | None
    workspace_problem: str = ""
    max_level: PermissionLevel = PermissionLevel.WRITE
    decisions: tuple[Decisions, ...] = (Decisions(),)
    tool_folders: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    folders: tuple[NamedFolder, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    environment_names: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ceilings: Mapping[str, int] = field(default_factory=lambda: dict(CEILINGS))
    cells: int = DEFAULT_CELLS
    calls_per_cell: Mapping[str, int] = field(default_factory=dict)
    required_layers: frozenset[Layer] = frozenset()
    own_paths: tuple[str, ...] = ()
    network: NetworkPolicy = field(default_factory=NetworkPolicy)
    quotas: QuotaPolicy = field(default_factory=QuotaPolicy)
    flows: tuple[FlowRule, ...] = ()
    auditing: Auditing = field(default_factory=Auditing)
    home: str = "/"
    origins: Mapping[str, str] = field(default_factory=dict)
    workspace_file: str = ""
    barred: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
