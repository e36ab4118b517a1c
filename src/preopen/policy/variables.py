"""`${NAME}` in a manifest's paths: the workspace, a named folder, or a variable of the operator's.

Pure. Nothing comes from the environment, and a value is never expanded again.
"""

import re
from typing import Final

from preopen.document import shown
from preopen.errors import Fault
from preopen.policy.policy import NamedFolder, Policy

FOLDERS: Final = "${folders}"

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")


class _Undefined(Exception):  # noqa: N818 - half a Fault on its way to `expand`
    """Raised inside this file; holds what was found and what to write."""


def expand(text: str, policy: Policy, *, place: str, key: str) -> str | Fault:
    """Return an absolute path, not resolved yet, or why this one of the manifest's means none.

    A leading `~` is the operator's home, wherever the text got it from.
    """
    try:
        path = _VARIABLE.sub(lambda match: _value(match, policy), text)
    except _Undefined as problem:
        found, write = problem.args
        return Fault(place=place, key=key, found=found, write=write)
    if path == "~" or path.startswith("~/"):
        path = policy.home.rstrip("/") + path[1:] or "/"
    if path.startswith("/") and "\0" not in path:
        return path
    found = f"{shown(text)} is {shown(path)}, which is no absolute path"
    return Fault(place=place, key=key, found=found, write="give the variable an absolute path")


def named_folder(text: str, policy: Policy) -> NamedFolder | None:
    """Return the folder by whose name a path begins: `${docs}`, `${docs}/drafts`."""
    match = _VARIABLE.match(text)
    return None if match is None else _folders(policy).get(match[1])


def _folders(policy: Policy) -> dict[str, NamedFolder]:
    return {folder.name: folder for folder in policy.folders}


def _value(match: re.Match[str], policy: Policy) -> str:
    name, written = match[1], match[0]
    folders = _folders(policy)
    if name == "workspace" or name in folders:
        if match.start():
            raise _Undefined(f"{written} is a folder", f"begin the path with {written}")
        return _workspace(policy) if name == "workspace" else folders[name].host_path
    if name == "folders":
        raise _Undefined(
            f"{written} stands for several folders and cannot be a part of a path",
            f'write "{written}" alone, as host',
        )
    if name in policy.variables:
        return policy.variables[name]
    raise _Undefined(
        f"{written} is not defined",
        f"start preopen with --folder {name}=FOLDER or --var {name}=VALUE, or write"
        f' {name} = "…" under [folders] or [variables] in preopen.toml',
    )


def _workspace(policy: Policy) -> str:
    if policy.workspace is None:
        raise _Undefined(
            f"there is no workspace ({policy.workspace_problem or 'none was given'})",
            "start preopen with --workspace FOLDER",
        )
    return policy.workspace
