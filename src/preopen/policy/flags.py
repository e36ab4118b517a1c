"""What a command line says, and where the server was started: what `settings.py` reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What a command line says. Names and texts as written; nothing is resolved or checked yet."""

    workspace: str | None = None
    manifests: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    allow: str | None = None
    without: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)
    policy_file: str | None = None
    require_wall: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    egress_private: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the server was started: absolute folders, and the environment. Only cli/ makes one."""

    cwd: str
    home: str
    config_dir: str
    state_dir: str
    cache_dir: str
    environ: Mapping[str, str]
