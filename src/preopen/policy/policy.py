"""The operator's ceiling as frozen values: made by `settings.py`, read by `decide.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from preopen.capability import CEILINGS, DEFAULT_CELLS, Access
from preopen.layer import Layer
from preopen.level import PermissionLevel
from preopen.policy.auditing import Auditing
from preopen.policy.network import NetworkPolicy


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
    `ceilings` are limits by manifest key, in the fields' units of `Limits`. No cell runs anything
    on a machine that lacks one of `required_layers`. `origins` says for each key of `preopen.toml`,
    dotted, where its value came from: "default", "--flag" or a file's path.
    """

    workspace: str | None
    workspace_problem: str = ""
    max_level: PermissionLevel = PermissionLevel.WRITE
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
    auditing: Auditing = field(default_factory=Auditing)
    home: str = "/"
    origins: Mapping[str, str] = field(default_factory=dict)
