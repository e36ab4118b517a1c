"""A tool's definition: all that an approval is for, and the one hash over it. Pure.

Nothing here knows a workspace, a policy or where the manifest lies: one approval holds everywhere.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from preopen.level import PermissionLevel
from preopen.policy.egress import grant_egress
from preopen.policy.levels import (
    KeyedReason,
    derived_level,
    directory_level,
    execute_reason,
    variable_reason,
)
from preopen.policy.network import NetworkPolicy
from preopen.policy.variables import FOLDERS
from preopen.tool.binary import BinaryFacts
from preopen.tool.manifest import Manifest

RECIPE: Final = 1  # of the hash; another one makes every approval an old one
_WORKSPACE: Final = "${workspace}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a person approves: the manifest as written, and what its binary is and asks for.

    `document` is the manifest's TOML as JSON values, no variable expanded and no default filled
    in. `imports` are names, sorted, each once. `level` is what the asks come to as they are
    written (`written_level`), whatever a policy makes of them.
    """

    document: Mapping[str, Any]
    sha256: str
    kind: str
    imports: tuple[str, ...]
    level: PermissionLevel

    @property
    def name(self) -> str:
        """The tool's name, which is a part of what is approved."""
        name: str = self.document["tool"]["name"]
        return name

    @property
    def fingerprint(self) -> str:
        """The sha256 over all of it, in hexadecimal digits."""
        whole = {
            "recipe": RECIPE,
            "manifest": self.document,
            "sha256": self.sha256,
            "kind": self.kind,
            "imports": self.imports,
            "level": self.level.value,
        }
        return hashlib.sha256(canonical(whole).encode()).hexdigest()


def define(manifest: Manifest, facts: BinaryFacts) -> Definition:
    """Return what an approval of this tool is for; the binary is the one that the manifest pins."""
    names = {f"{each.interface} {each.name}".rstrip() for each in facts.imports}
    return Definition(
        document=manifest.document,
        sha256=manifest.sha256,
        kind=facts.kind.value,
        imports=tuple(sorted(names)),
        level=written_level(manifest),
    )


def canonical(value: object) -> str:
    """Return the one JSON text of a value: keys sorted, no blanks, ASCII.

    Unlike `==` it tells 1, 1.0 and true apart.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def written_level(manifest: Manifest) -> PermissionLevel:
    """Return the level of the asks as they are written, the same in every workspace.

    A folder that is neither in the workspace nor `${folders}` counts as dangerous: an absolute
    path, and a `${NAME}` that may stand for any. What a policy makes of it may lie below, or above
    where a link leads out of the workspace; that level gates a tool, this one is what was shown.
    """
    return derived_level(_reasons(manifest))


def _reasons(manifest: Manifest) -> Iterator[KeyedReason]:
    for ask in manifest.directories:
        yield directory_level(ask.key, ask.host, ask.access, opened=_is_opened(ask.host))
    for variable in manifest.environment:
        if variable.from_host is not None:
            yield variable_reason(variable.key, variable.name)
    if manifest.run.executes:
        yield execute_reason()
    # Under a policy that opens nothing: what an ask means does not depend on what is open.
    yield from grant_egress(manifest, NetworkPolicy()).reasons


def _is_opened(host: str) -> bool:
    if host in {_WORKSPACE, FOLDERS}:
        return True
    rest = host.removeprefix(f"{_WORKSPACE}/")
    return rest != host and "${" not in rest
