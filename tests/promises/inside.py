# ruff: noqa: ANN401 - a mutant stands for a function of any signature
"""Mutants of the enforcers inside a cell, and the zygote's entry that puts them there.

The product has no switch for this: a test starts the zygote by a module of its own, which patches
and then is the zygote.
"""

import os
import resource
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from preopen.capability import Access
from preopen.layer import Layer
from preopen.sandbox import wall
from promises.patching import Mutant

_ROOM: Final = 1 << 30

# Limits that a Store keeps, by manifest key: their fields in Limits, and a value that lets all be.
_STORE: Final = {
    "limits.memory": "memory_bytes",
    "limits.table_elements": "table_elements",
    "limits.tables": "tables",
    "limits.instances": "instances",
    "limits.fuel": "fuel",
}
_RLIMITS: Final = {
    "limits.cpu_time": resource.RLIMIT_CPU,
    "limits.memory": resource.RLIMIT_DATA,
    "limits.file_size": resource.RLIMIT_FSIZE,
    "limits.open_files": resource.RLIMIT_NOFILE,
}


def write_entry(folder: Path, key: str, enforcers: Iterable[str]) -> str:
    """Write the module of a zygote in which these enforcers are off, and return its name."""
    name = "mutated_zygote"
    text = f"""\
from preopen.sandbox import zygote
from promises.inside import MUTANTS
from promises.patching import disable

def main(arguments):
    for enforcer in {tuple(enforcers)!r}:
        disable(enforcer, {key!r}, MUTANTS, setattr)
    zygote.main(arguments)
"""
    (folder / f"{name}.py").write_text(text)
    return name


def _context(original: Callable[..., Any], key: str) -> object:
    """Inherit: the cell's own environment, or the whole tree of files."""

    def make_context(call: Any, *more: Any) -> Any:
        if key == "environment":
            call = replace(call, environment=(*call.environment, *os.environ.items()))
        wasi = original(call, *more)
        if key == "directory[].host":
            wasi.preopen_dir("/", "/", True)
        return wasi

    return make_context


def _preopen(original: Callable[..., Any], key: str) -> object:
    """Mount to write whatever was granted, or under its host path as well."""

    def preopen(wasi: Any, mount: Any) -> None:
        if key == "directory[].access":
            mount = replace(mount, access=Access.WRITE)
        else:
            host_path = str(Path(f"/proc/self/fd/{mount.folder}").readlink())
            mount = replace(mount, guest_paths=(*mount.guest_paths, host_path))
        original(wasi, mount)

    return preopen


def _rights_for(original: Callable[..., Any], _key: str) -> object:
    return lambda _access, *, is_file: original(Access.WRITE, is_file=is_file)


def _no_ruleset(_original: object, _key: str) -> object:
    return lambda _rules, _tcp_ports, _without: None


def _limits_for(original: Callable[..., dict[int, tuple[int, int]]], key: str) -> object:
    def limits_for(**wanted: Any) -> dict[int, tuple[int, int]]:
        limits = original(**wanted)
        return {name: pair for name, pair in limits.items() if name != _RLIMITS[key]}

    return limits_for


def _limit_store(original: Callable[..., Any], key: str) -> object:
    def limit_store(store: Any, loaded: Any, limits: Any, **more: Any) -> None:
        if getattr(limits, _STORE[key]) is not None:  # our starters' engines count no fuel
            limits = replace(limits, **{_STORE[key]: _ROOM})
        original(store, loaded, limits, **more)

    return limit_store


def _make_engine(original: Callable[..., Any], _key: str) -> object:
    return lambda _stack_bytes, *, counts_fuel: original(2 << 20, counts_fuel=counts_fuel)


def _write_stdout(_original: object, _key: str) -> object:
    def write_stdout(streams: Any, data: bytes) -> None:
        streams.stdout += data

    return write_stdout


def _write_stderr(_original: object, _key: str) -> object:
    def write_stderr(streams: Any, data: bytes) -> None:
        streams._stderr += data

    return write_stderr


def _stderr(_original: object, _key: str) -> object:
    return property(lambda streams: bytes(streams._stderr))


def _interpose(_original: object, _key: str) -> object:
    """Give guests wasmtime's own HTTP client, which asks nobody."""
    return lambda _gate, linker: linker.add_wasi_http()


def _bind_process(original: Callable[..., Any], _key: str) -> object:
    """Leave a cell in the host's network."""

    def bind_process(walled: Any) -> None:
        acts = {**wall._OF_THE_PROCESS, Layer.NAMESPACES: lambda: None}
        vars(wall)["_OF_THE_PROCESS"] = acts
        original(walled)

    return bind_process


MUTANTS: Final[dict[str, Mutant]] = {
    "preopen.sandbox.command:limit_store": _limit_store,
    "preopen.sandbox.context:_preopen": _preopen,
    "preopen.sandbox.context:make_context": _context,
    "preopen.sandbox.context:Streams.stderr": _stderr,
    "preopen.sandbox.context:Streams.write_stderr": _write_stderr,
    "preopen.sandbox.context:Streams.write_stdout": _write_stdout,
    "preopen.sandbox.engine:make_engine": _make_engine,
    "preopen.sandbox.http_gate:HttpGate.interpose": _interpose,
    "preopen.sandbox.landlock:restrict_self": _no_ruleset,
    "preopen.sandbox.landlock:rights_for": _rights_for,
    "preopen.sandbox.rlimits:limits_for": _limits_for,
    "preopen.sandbox.wall:Wall._bind_process": _bind_process,
}
