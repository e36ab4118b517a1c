"""Manifests, binaries and policies in one line, for the tests of this room."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preopen.capability import Access, Directory, Grants
from preopen.errors import Fault
from preopen.level import PermissionLevel
from preopen.policy.decide import Offered, Refused, decide
from preopen.policy.policy import Policy
from preopen.tool.binary import BinaryFacts, BinaryKind, Import
from preopen.tool.manifest import DirectoryAsk, Manifest, Run

FILE = "/tools/probe.toml"
P1 = "wasi_snapshot_preview1"
FUNCTIONS = ("fd_write", "path_open", "fd_readdir", "environ_get", "proc_exit")
INTERFACES = ("wasi:cli/environment@0.2.3", "wasi:filesystem/preopens@0.2.3")

MODULE = BinaryFacts(
    kind=BinaryKind.MODULE,
    imports=tuple(Import(interface=P1, name=name) for name in FUNCTIONS),
    exports=("memory", "_start"),
)
COMPONENT = BinaryFacts(
    kind=BinaryKind.COMPONENT,
    imports=tuple(Import(interface=name) for name in INTERFACES),
    exports=("wasi:cli/run@0.2.3",),
)


def ask(
    host: str = "${workspace}",
    access: str = "read",
    *,
    guest: str = "",
    narrow_to: tuple[str, ...] = (),
    number: int = 0,
) -> DirectoryAsk:
    """Return one [[directory]]."""
    key = f"directory[{number}]"
    return DirectoryAsk(key=key, host=host, guest=guest, access=Access(access), narrow_to=narrow_to)


def manifest(*directories: DirectoryAsk, level: str = "dangerous", **more: Any) -> Manifest:  # noqa: ANN401 - fields of many types
    """Return a manifest that asks for these directories, and declares enough by default."""
    values: dict[str, Any] = {
        "file": FILE,
        "name": "probe",
        "title": "Probe",
        "description": "Probes.",
        "level": PermissionLevel(level),
        "binary_path": "/tools/probe.wasm",
        "sha256": "0" * 64,
        "run": Run(),
        "input_schema": {"type": "object"},
        "asked_limits": {},
        "document": {},
        "directories": directories,
    }
    return Manifest(**{**values, **more})


def offer(
    asked: Manifest,
    policy: Policy,
    facts: BinaryFacts = MODULE,
    keep_out: tuple[str, ...] = (),
) -> Offered:
    """Decide what must be offered."""
    answer = decide(asked, facts, policy, keep_out=keep_out)
    assert isinstance(answer, Offered), answer
    return answer


def refuse(
    asked: Manifest,
    policy: Policy,
    facts: BinaryFacts = MODULE,
    keep_out: tuple[str, ...] = (),
) -> tuple[Fault, ...]:
    """Decide what must be refused."""
    answer = decide(asked, facts, policy, keep_out=keep_out)
    assert isinstance(answer, Refused), answer
    return answer.refusals


def directory(
    host: Path,
    access: str = "read",
    *,
    guest: str = "",
    narrow_to: tuple[str, ...] = (),
) -> Directory:
    """Return a granted directory."""
    return Directory(
        host_path=str(host),
        guest_path=guest or str(host),
        access=Access(access),
        narrow_to=narrow_to,
    )


def granted(*directories: Directory, paths: tuple[str, ...] = ()) -> tuple[Manifest, Grants]:
    """Return a manifest and what it was granted, without a decision."""
    asks = [
        ask(d.host_path, d.access, guest=d.guest_path, narrow_to=d.narrow_to) for d in directories
    ]
    return manifest(*asks, run=Run(paths=paths)), Grants(directories=directories)


def open_descriptors() -> list[int]:
    """Return this process's descriptors, to see that none leaks."""
    return sorted(int(name) for name in os.listdir("/proc/self/fd"))


def real(descriptor: int) -> str:
    """Return the path that a descriptor stands for."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def texts(faults: Sequence[Fault]) -> str:
    """Return faults as a person reads them."""
    return "\n".join(map(str, faults))
