"""Names in `preopen.toml` and flags: what `${NAME}` stands for, how a tool may be called."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from preopen.capability import Access
from preopen.document import hidden_character, shown
from preopen.errors import Fault
from preopen.policy.flags import Flags
from preopen.policy.policy import NamedFolder

BUILT_IN_NAMES: Final = frozenset({"workspace", "folders", "egress"})  # what preopen itself expands

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")

# Where a folder really lies, or None with a fault kept: of path, place and key ("" for a flag).
Locate: TypeAlias = Callable[[str, str, str], str | None]


def is_tool_name(name: str) -> bool:
    """Whether a tool may be called so: 1 to 64 letters, digits, `-` and `_`."""
    return _TOOL_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Folders and variables by name; `origins` by dotted key, as in Policy."""

    folders: tuple[NamedFolder, ...]
    variables: Mapping[str, str]
    origins: Mapping[str, str]
    faults: tuple[Fault, ...]


def read_names(document: Mapping[str, Any], file: str, flags: Flags, locate: Locate) -> Names:
    """Return what `${NAME}` stands for: the file's word, and the flags' over it."""
    origins: dict[str, str] = {}
    folders = dict(_folders(document, file, flags, locate, origins))
    variables: dict[str, str] = dict(document.get("variables", {})) | dict(flags.variables)
    origins |= {
        f"variables.{name}": "--var" if name in flags.variables else file for name in variables
    }
    faults = [
        *_hidden(flags.variables),
        *_name_faults([*document.get("folders", {}), *flags.folders], variables, origins, file),
    ]
    return Names(
        folders=tuple(folders.values()),
        variables=variables,
        origins=origins,
        faults=tuple(faults),
    )


def _folders(
    document: Mapping[str, Any],
    file: str,
    flags: Flags,
    locate: Locate,
    origins: dict[str, str],
) -> Iterator[tuple[str, NamedFolder]]:
    written: list[tuple[str, str, Access, str]] = []
    for name, value in document.get("folders", {}).items():
        table = {"path": value} if isinstance(value, str) else value
        if name not in flags.folders:  # its path may be gone, and the flag replaces it whole
            written.append((name, table["path"], Access(table.get("access", "read")), file))
    written += [(name, path, Access.READ, "--folder") for name, path in flags.folders.items()]
    for name, path, access, place in written:
        host_path = locate(path, place, f"folders.{name}" if place == file else "")
        origins[f"folders.{name}"] = place
        if host_path is not None:
            yield name, NamedFolder(name=name, host_path=host_path, access=access)


def _hidden(variables: Mapping[str, str]) -> Iterator[Fault]:
    for name, value in variables.items():
        if hidden := hidden_character(value):
            found = f"{shown(name)} holds {hidden}"
            yield Fault(place="--var", found=found, write="write printable text")


def _name_faults(
    folders: list[str], variables: Mapping[str, str], origins: Mapping[str, str], file: str
) -> Iterator[Fault]:
    """Yield a fault for each name that `${NAME}` cannot mean, or that would mean two things."""
    written = [("folders", name) for name in dict.fromkeys(folders)]
    for section, name in [*written, *(("variables", name) for name in variables)]:
        place = origins[f"{section}.{name}"]
        key = f"{section}.{name}" if place == file else ""
        if name in BUILT_IN_NAMES:
            found = f"${{{name}}} is built in and cannot be given another meaning"
        elif not _VARIABLE_NAME.fullmatch(name):
            found = f"{shown(name)} is no name"
            write = "write 1 to 64 letters, digits, - and _"
            yield Fault(place=place, key=key, found=found, write=write)
            continue
        elif section == "variables" and name in folders:
            found = f"${{{name}}} is also a named folder ({origins[f'folders.{name}']})"
        else:
            continue
        yield Fault(place=place, key=key, found=found, write="write another name")
