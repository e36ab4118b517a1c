"""The import audit: what a binary asks of its host, against what it may get. Pure.

An import that no grant could make usable is a Refusal; a grant that no import could use, a warning.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from preopen.document import shown
from preopen.errors import Fault
from preopen.tool.binary import BinaryFacts, BinaryKind, Import
from preopen.tool.manifest import Manifest

PREVIEW_1: Final = "wasi_snapshot_preview1"

# All of preview 1, by prefix: what wasmtime's linker defines, no more.
_FUNCTIONS: Final = {
    "args_": "get sizes_get",
    "environ_": "get sizes_get",
    "clock_": "res_get time_get",
    "fd_": (
        "advise allocate close datasync fdstat_get fdstat_set_flags fdstat_set_rights filestat_get"
        " filestat_set_size filestat_set_times pread prestat_get prestat_dir_name pwrite read"
        " readdir renumber seek sync tell write"
    ),
    "path_": (
        "create_directory filestat_get filestat_set_times link open readlink remove_directory"
        " rename symlink unlink_file"
    ),
    "poll_": "oneoff",
    "proc_": "exit raise",
    "sched_": "yield",
    "random_": "get",
    "sock_": "accept recv send shutdown",
}
PREVIEW_1_FUNCTIONS: Final = frozenset(
    prefix + name for prefix, names in _FUNCTIONS.items() for name in names.split()
)

# WASI 0.2, without what wasmtime links only behind a switch (timezones, network error codes).
_INTERFACES: Final = {
    "cli": (
        "environment exit stdin stdout stderr terminal-input terminal-output terminal-stdin"
        " terminal-stdout terminal-stderr"
    ),
    "io": "error poll streams",
    "clocks": "monotonic-clock wall-clock",
    "filesystem": "preopens types",
    "random": "insecure insecure-seed random",
    "sockets": (
        "instance-network ip-name-lookup network tcp tcp-create-socket udp udp-create-socket"
    ),
}
WASI_02_INTERFACES: Final = frozenset(
    f"wasi:{package}/{name}" for package, names in _INTERFACES.items() for name in names.split()
)

# What a guest needs to send requests. A component that *serves* them is no command.
HTTP_INTERFACES: Final = frozenset({"wasi:http/types", "wasi:http/outgoing-handler"})

# Any patch of 0.2: an import that wasmtime does not know exactly gets its newest.
_VERSIONED: Final = re.compile(r"(wasi:[a-z-]+/[a-z-]+)@0\.2\.(?:0|[1-9][0-9]{0,3})")
_SHOWN: Final = 5  # unknown imports that one tool's refusals name
_READS_VARIABLES: Final = frozenset({"environ_get", "wasi:cli/environment"})
_READS_FOLDERS: Final = frozenset({"fd_readdir", "wasi:filesystem/preopens"})  # and path_*


def audit_imports(
    manifest: Manifest, facts: BinaryFacts
) -> tuple[tuple[Fault, ...], tuple[str, ...]]:
    """Return the refusals and the warnings that a binary's imports make, under its manifest."""
    unknown = [each for each in facts.imports if not _is_known(each, facts.kind)]
    network = [each for each in facts.imports if _is_http(each, facts.kind)]
    refusals = [_refuse_unknown(manifest, each, facts.kind) for each in unknown[:_SHOWN]]
    if len(unknown) > _SHOWN:
        refusals.append(_refuse(manifest, f"and {len(unknown) - _SHOWN} more that are unknown"))
    if network and not manifest.egress:
        found = f"imports {shown(network[0].interface)}, and the manifest has no [[egress]]"
        write = 'write [[egress]] with allow = "${egress}", or build the tool without it'
        refusals.append(_refuse(manifest, found, write))
    return tuple(refusals), tuple(_warnings(manifest, facts))


def _is_known(each: Import, kind: BinaryKind) -> bool:
    if kind is BinaryKind.MODULE:
        return each.interface == PREVIEW_1 and each.name in PREVIEW_1_FUNCTIONS
    return _unversioned(each) in WASI_02_INTERFACES | HTTP_INTERFACES


def _is_http(each: Import, kind: BinaryKind) -> bool:
    return kind is BinaryKind.COMPONENT and _unversioned(each) in HTTP_INTERFACES


def uses_network(facts: BinaryFacts) -> bool:
    """Return whether a binary imports what sends requests: its cells need the gateway."""
    return any(_is_http(each, facts.kind) for each in facts.imports)


def _unversioned(each: Import) -> str:
    """Return the interface of WASI 0.2 without its version, or "" where it is none."""
    match = _VERSIONED.fullmatch(each.interface)
    return match[1] if match else ""


def _refuse_unknown(manifest: Manifest, each: Import, kind: BinaryKind) -> Fault:
    pair = shown(each.interface) + (f" {shown(each.name)}" if kind is BinaryKind.MODULE else "")
    wants = PREVIEW_1 if kind is BinaryKind.MODULE else "WASI 0.2"
    found = f"imports {pair}, which preopen does not offer"
    return _refuse(manifest, found, f"build it so that it imports {wants} only")


def _refuse(manifest: Manifest, found: str, write: str = "") -> Fault:
    return Fault(
        place=manifest.file, key="binary", found=f"{manifest.binary_path} {found}", write=write
    )


def _warnings(manifest: Manifest, facts: BinaryFacts) -> Iterator[str]:
    names = {_unversioned(each) or each.name for each in facts.imports}
    if sockets := sorted(name for name in names if name.startswith(("sock_", "wasi:sockets/"))):
        yield (
            f"{manifest.file}: binary: imports {sockets[0]}, as many toolchains make it;"
            " no socket will open"
        )
    uses_folders = _any_of(names, _READS_FOLDERS) or any(n.startswith("path_") for n in names)
    if manifest.directories and not uses_folders:
        yield f"{manifest.file}: directory: the binary imports nothing that could use a folder"
    if manifest.egress and not uses_network(facts):
        yield f"{manifest.file}: egress: the binary imports no wasi:http, so it can send nothing"
    if manifest.environment and not _any_of(names, _READS_VARIABLES):
        yield f"{manifest.file}: environment: the binary imports nothing that reads variables"


def _any_of(names: Iterable[str], wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(names)
