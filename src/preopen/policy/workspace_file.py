"""A workspace's own `preopen.toml` over the operator's Policy: it may only narrow.

Such a file may be a stranger's, come with a repository. Every key of the schema has a row in
`ROWS`, which says how it narrows; what it tries more is left out, and said in `Policy.ignored`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from preopen.capability import LIMIT_KEYS
from preopen.document import MAX_FAULTS, printable, read_file
from preopen.errors import Fault, PolicyError
from preopen.policy import workspace_guards as guards
from preopen.policy import workspace_rows as rows
from preopen.policy.decisions import FOLDER_WRITES, Decisions
from preopen.policy.file import FILE_NAME, check_document
from preopen.policy.policy import Policy
from preopen.policy.quotas import KEYS
from preopen.policy.workspace_rows import Narrowing

MOST_HELD: Final = 100  # texts of one workspace's file; each narrows again at each reload
MOST_SAID: Final = 10  # lines at a start; `preopen policy` shows all


# What a workspace's file has said in this process, by its path: texts, each once.
Held: TypeAlias = dict[str, list[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Where a workspace's file is, and which files are the user's: the usual one, this run's.

    `locate` gives where a path in the workspace's file really lies.
    """

    workspace: str
    usual: str
    users_file: str
    locate: Callable[[str], str]

    @property
    def file(self) -> str:
        """Where the workspace's file is, or would be."""
        return f"{self.workspace}/{FILE_NAME}"


def narrow_beside(policy: Policy, beside: Beside, held: Held) -> Policy:
    """Return what the workspace's own file, which may be a stranger's, leaves of the policy.

    What it said before, in `held`, narrows still: whoever may write in the workspace lifts nothing
    while this process runs.

    Raises:
        PolicyError: the file cannot be read or is not valid, or was changed a hundred times.

    """
    texts = held.setdefault(beside.file, [])
    found = find_beside(beside.file, {beside.users_file, beside.usual})
    if found and (text := read_beside(found)) not in texts:
        check_document(text, printable(found))
        if len(texts) == MOST_HELD:
            what = f"was changed more than {MOST_HELD} times while this server runs"
            raise PolicyError(Fault(place=printable(found), found=what, write="start preopen anew"))
        texts.append(text)
    for each in texts:
        policy = narrow_policy(
            policy,
            check_document(each, printable(beside.file)),
            beside.file,
            users_file=beside.users_file,
            locate=beside.locate,
        )
    return policy


def find_beside(file: str, users: Iterable[str]) -> str:
    """Return the file, or "" where there is none or it is one of the user's own."""
    if not os.path.lexists(file) or any(_are_same(file, each) for each in users):
        return ""
    return file


def _are_same(file: str, other: str) -> bool:
    try:
        return os.path.samefile(file, other)  # noqa: PTH121 - text
    except OSError:  # one of them is not there
        return False


def read_beside(file: str) -> bytes:
    """Return the bytes of a file that may be a stranger's.

    Raises:
        PolicyError: it cannot be read, is larger than 256 KiB, a link or no regular file.

    """
    try:
        return read_file(file, PolicyError, flags=os.O_NOFOLLOW)
    except PolicyError as error:
        write = "make it a readable TOML file and no link, or remove it"
        raise PolicyError(*(replace(fault, write=write) for fault in error.faults)) from None


def narrow_policy(
    policy: Policy,
    document: Mapping[str, Any],
    file: str,
    *,
    users_file: str,
    locate: Callable[[str], str],
) -> Policy:
    """Return what a workspace's file, whose keys the schema has checked, leaves of the policy.

    `users_file` is where a person opens more. `locate` gives where a path in the file really lies.

    Raises:
        PolicyError: a value says nothing that could be understood; with the first eight faults.

    """
    narrowing = Narrowing(
        policy=replace(policy, workspace_file=file),
        place=printable(file),
        users_file=printable(users_file),
        locate=locate,
    )
    for key, apply in dict.fromkeys(ROWS.values()):
        value = _at(document, key)
        if value is not None:
            apply(narrowing, value)
    if narrowing.faults:
        raise PolicyError(*narrowing.faults[:MAX_FAULTS])
    return replace(narrowing.policy, ignored=tuple(narrowing.ignored))


def first_ignored(policy: Policy) -> Iterator[str]:
    """Yield what of the workspace's file does not count: the first ten, then how many more."""
    yield from policy.ignored[:MOST_SAID]
    more = len(policy.ignored) - MOST_SAID
    if more > 0:
        place = printable(policy.workspace_file)
        yield f"{place}: {more} more of its values do not count; `preopen policy` shows them all"


def _at(document: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Return the value at a dotted key, None where there is none: TOML has no null."""
    found: Any = document
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


# Where a row is applied, and by what. The value there is the schema's.
Row: TypeAlias = tuple[str, Callable[[Narrowing, Any], None]]

# Leaf key of the schema → its row, as tests/promises/leaves.py names the keys. One row may stand
# for several leaves.
ROWS: Final[Mapping[str, Row]] = {
    "preopen": ("preopen", rows.pass_format),
    "workspace": ("workspace", rows.narrow_workspace),
    "max_level": ("max_level", rows.narrow_max_level),
    **dict.fromkeys(
        [
            *(f"decide.{each.value}" for each in Decisions().levels),
            f"decide.{FOLDER_WRITES}",
            "decide.tools",
        ],
        ("decide", rows.narrow_decide),
    ),
    "tools.folders": ("tools.folders", rows.narrow_tool_folders),
    "tools.without": ("tools.without", rows.narrow_without),
    **dict.fromkeys(
        ("folders", "folders.*.path", "folders.*.access"), ("folders", rows.narrow_folders)
    ),
    "variables": ("variables", rows.narrow_variables),
    "environment.names": ("environment.names", rows.narrow_environment),
    "egress.hosts": ("egress.hosts", rows.narrow_hosts),
    "egress.private": ("egress.private", rows.narrow_private),
    "egress.ca_file": ("egress.ca_file", rows.narrow_ca_file),
    "audit": ("audit", rows.narrow_audit),
    "audit_values": ("audit_values", rows.narrow_audit_values),
    "egress.record_paths": ("egress.record_paths", rows.narrow_record_paths),
    **dict.fromkeys(
        ("secrets.*.environment", "secrets.*.file", "secrets.*.keyring"),
        ("secrets", rows.narrow_secrets),
    ),
    **dict.fromkeys((f"limits.{key}" for key in LIMIT_KEYS), ("limits", rows.narrow_limits)),
    "limits.cells": ("limits.cells", rows.narrow_cells),
    "cells.*.calls_per_cell": ("cells", rows.narrow_calls_per_cell),
    **dict.fromkeys((f"quota.*.{key}" for key in KEYS), ("quota", guards.narrow_quota)),
    **dict.fromkeys(("flow[].from", "flow[].to", "flow[].then"), ("flow", guards.narrow_flow)),
    "wall.require": ("wall.require", rows.narrow_require),
}
