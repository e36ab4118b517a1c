"""Manifest + Policy → Grants or Refusals: the only maker of Grants.

Decides on values alone. The one question that it asks the system is where an asked folder really
lies, and whether it is one (`_locate`); the folder is opened later, at each call, by `paths.py`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from preopen.capability import Access, Directory, EnvVar, Grants, Source
from preopen.document import shown
from preopen.errors import Fault
from preopen.policy.audit_imports import audit_imports
from preopen.policy.ceilings import limit
from preopen.policy.egress import grant_egress
from preopen.policy.fences import check_fence
from preopen.policy.levels import (
    KeyedReason,
    check_level,
    derived_level,
    directory_reason,
    execute_reason,
    variable_reasons,
)
from preopen.policy.places import is_inside, join_path, printable, split_path
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.variables import FOLDERS, expand, named_folder
from preopen.tool.binary import BinaryFacts, BinaryKind
from preopen.tool.manifest import DirectoryAsk, EnvAsk, Interface, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The tool is offered with these grants. A warning hinders nothing."""

    grants: Grants
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The tool is not offered; every reason that was found, at least one."""

    refusals: tuple[Fault, ...]


def decide(
    manifest: Manifest, facts: BinaryFacts, policy: Policy, *, keep_out: tuple[str, ...]
) -> Offered | Refused:
    """Return what the tool may have under this policy, or why it is not offered.

    `keep_out` are resolved folders of served manifests and binaries, where nothing may be written;
    nor in a folder of tools that is still empty, for a manifest put there would be served.
    """
    opened = [(a.key, each) for a in manifest.directories for each in _open(a, manifest, policy)]
    given = [(ask.key, _give(ask, manifest.file, policy)) for ask in manifest.environment]
    directories = [(key, each) for key, each in opened if isinstance(each, Directory)]
    variables = [(key, each) for key, each in given if isinstance(each, EnvVar)]
    limits, above = limit(manifest, policy)
    reasons = _reasons(manifest, directories, variables, policy)
    egress = grant_egress(manifest, policy.network)
    reasons = (*reasons, *egress.reasons)
    unusable, warnings = audit_imports(manifest, facts)
    refusals = (
        *_check_interface(manifest, facts),
        *unusable,
        *(each for _, each in (*opened, *given) if isinstance(each, Fault)),
        *_check_directories(directories, manifest.file, policy, (*keep_out, *policy.tool_folders)),
        *egress.faults,
        *above,
        *check_level(manifest, reasons, policy),
    )
    if refusals:
        return Refused(refusals=refusals)
    grants = Grants(
        directories=tuple(directory for _, directory in directories),
        environment=tuple(variable for _, variable in variables),
        egress=egress.rules,
        executes=manifest.run.executes,
        limits=limits,
        level=derived_level(reasons),
        reasons=tuple(each.reason for each in reasons),
    )
    return Offered(grants=grants, warnings=warnings)


def _reasons(
    manifest: Manifest,
    directories: list[tuple[str, Directory]],
    variables: list[tuple[str, EnvVar]],
    policy: Policy,
) -> tuple[KeyedReason, ...]:
    return (
        *(directory_reason(key, directory, policy) for key, directory in directories),
        *variable_reasons(variables),
        *((execute_reason(),) if manifest.run.executes else ()),
    )


def _check_interface(manifest: Manifest, facts: BinaryFacts) -> Iterator[Fault]:
    match manifest.run.interface:
        case Interface.COMMAND if facts.is_command:
            return
        case Interface.COMMAND:
            missing = "_start" if facts.kind is BinaryKind.MODULE else "wasi:cli/run@0.2"
            found = f"{manifest.binary_path} is a {facts.kind} that does not export {missing}"
            write = "build it as a command, with a main function"
        case Interface.EXPORT:  # the parser refuses it first; here so that no way round is open
            found = 'interface = "export" is not supported yet; it comes with a later release'
            write = 'write "command" and build the tool as a command'
        case _:
            assert_never(manifest.run.interface)
    yield Fault(place=manifest.file, key="run.interface", found=found, write=write)


def _open(ask: DirectoryAsk, manifest: Manifest, policy: Policy) -> Iterator[Directory | Fault]:
    """Yield what one ask gets: one directory, or one for each named folder; or Faults."""
    place, key = manifest.file, f"{ask.key}.host"
    if ask.host == FOLDERS:
        for folder in policy.folders:
            if ask.access is Access.READ or folder.access is Access.WRITE:
                host_path = _locate(folder.host_path, place, key)
                yield _directory(ask, host_path, place, policy, folder)
        return
    written = expand(ask.host, policy, place=place, key=key)
    host_path = written if isinstance(written, Fault) else _locate(written, place, key)
    if isinstance(host_path, str) and (closed := _closed_folder(ask, host_path, policy)):
        yield Fault(
            place=place,
            key=f"{ask.key}.access",
            found=f"asks to write below {printable(host_path)}, and the folder {closed.name}"
            " is opened to read",
            write=f"to let it, write under [folders] in preopen.toml {closed.name} ="
            f' {{ path = "{printable(closed.host_path)}", access = "write" }}',
        )
    else:
        yield _directory(ask, host_path, place, policy)


def _directory(
    ask: DirectoryAsk,
    host_path: str | Fault,
    place: str,
    policy: Policy,
    folder: NamedFolder | None = None,
) -> Directory | Fault:
    if isinstance(host_path, Fault):
        return host_path
    guest_path = _guest_path(ask, host_path, place, policy, folder)
    if isinstance(guest_path, Fault):
        return guest_path
    return Directory(
        host_path=host_path, guest_path=guest_path, access=ask.access, narrow_to=ask.narrow_to
    )


def _guest_path(
    ask: DirectoryAsk, host_path: str, place: str, policy: Policy, folder: NamedFolder | None
) -> str | Fault:
    """Return where a guest sees the folder; of `${folders}`, each by its name below one path."""
    if not ask.guest or (folder and ask.guest == FOLDERS):
        return host_path
    key = f"{ask.key}.guest"
    guest_path = expand(ask.guest, policy, place=place, key=key)
    if isinstance(guest_path, Fault):
        return guest_path
    parts = split_path(guest_path)
    if ".." in parts:
        found = f'{shown(ask.guest)} is {shown(guest_path)}, which holds ".."'
        return Fault(place=place, key=key, found=found, write="write the path itself")
    return join_path((*parts, folder.name) if folder else parts)


def _closed_folder(ask: DirectoryAsk, host_path: str, policy: Policy) -> NamedFolder | None:
    """Return the folder that the operator opened to read, where an ask would write in it.

    By name always; by another spelling unless the path is open to write for another reason.
    """
    if ask.access is Access.READ:
        return None
    by_name = named_folder(ask.host, policy)
    if by_name is not None and by_name.access is Access.READ:
        return by_name
    holders = [each for each in policy.folders if is_inside(host_path, each.host_path)]
    if any(each.access is Access.WRITE for each in holders):
        return None
    in_workspace = policy.workspace is not None and is_inside(host_path, policy.workspace)
    return None if in_workspace else next(iter(holders), None)


def _locate(path: str, place: str, key: str) -> str | Fault:
    """Return where a folder really lies, no symlink in it, or why it is none."""
    try:
        host_path = os.path.realpath(path, strict=True)
        problem = "" if os.path.isdir(host_path) else "is not a folder"  # noqa: PTH112 - text in
        host_path.encode()
    except UnicodeError:
        problem = "has a name that is not UTF-8, which no guest could be told"
    except OSError as error:
        problem = f"cannot be opened: {error.strerror}"
    if not problem:
        return host_path
    found = f"{printable(path)} {problem}"
    return Fault(place=place, key=key, found=found, write="write a folder that exists")


def _check_directories(
    directories: list[tuple[str, Directory]],
    place: str,
    policy: Policy,
    keep_out: tuple[str, ...],
) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for key, directory in directories:
        if directory.access is Access.WRITE:
            fence = check_fence(
                directory.host_path, policy.own_paths, keep_out, place=place, key=key
            )
            if fence:
                yield fence
        other = seen.setdefault(directory.guest_path, directory.host_path)
        if other != directory.host_path:
            found = (
                f"{printable(directory.guest_path)} would be both {printable(other)} and"
                f" {printable(directory.host_path)}"
            )
            yield Fault(place=place, key=f"{key}.guest", found=found, write="write two paths")


def _give(ask: EnvAsk, place: str, policy: Policy) -> EnvVar | Fault:
    """Return a variable of the guest's, or why it gets none.

    One that the operator listed and that is not set is a Refusal as well: a tool that asked for an
    address or a token and silently runs without it fails at each call, and says less than this.
    """
    if ask.from_host is None:
        return EnvVar(name=ask.name, value=ask.value or "", source=Source.MANIFEST)
    name = ask.from_host
    if name not in policy.environment_names:
        names = ", ".join(f'"{each}"' for each in (*policy.environment_names, name))
        found = f"asks for the host's {name}, which is not open"
        write = f"write names = [{names}] under [environment] in preopen.toml"
    elif name not in policy.environment:
        found = f"asks for the host's {name}, which is not set"
        write = "set it before preopen starts, or remove the line from the manifest"
    elif not _is_text(policy.environment[name]):
        found, write = f"the host's {name} is not UTF-8", "set it to text"
    else:
        return EnvVar(name=ask.name, value=policy.environment[name], source=Source.HOST)
    return Fault(place=place, key=ask.key, found=found, write=write)


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)
