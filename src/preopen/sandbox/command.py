"""Runs a command: `_start` of a module, `wasi:cli/run` of a component, in a fresh Store."""

import resource
import sys
from ctypes import POINTER, _Pointer, byref
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from wasmtime import ExitTrap, Instance, Store, Trap, WasmtimeError
from wasmtime import _ffi as ffi

from preopen.capability import Limits
from preopen.sandbox.engine import Loaded, LoadedComponent, LoadedModule

_Extern: TypeAlias = ffi.wasmtime_extern_t
# The same words for both kinds; of a component's trap wasmtime-py tells no code.
OUT_OF_FUEL: Final = "wasm trap: all fuel consumed by WebAssembly"
_RSS_UNIT = (
    1 if sys.platform == "darwin" else 1024
)  # getrusage(2): kilobytes on Linux, bytes on macOS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a guest ended. `trap` is "" or why it trapped; memory is of "guest" or "process".

    `fuel_used` is None where the call has no limit of fuel.
    """

    exit_code: int = 0
    trap: str = ""
    peak_memory_bytes: int = 0
    memory_of: str = "guest"
    fuel_used: int | None = None


class Entry(NamedTuple):
    """Where an instance of a module begins, and its memory; None for what it does not export."""

    start: _Extern | None
    memory: _Extern | None


def limit_store(store: Store, loaded: Loaded, limits: Limits, *, instances_before: int = 0) -> None:
    """Set the limits that a Store keeps; `instances_before` are ours, which live in it already.

    Raises:
        WasmtimeError: there is a limit of fuel, and the engine does not count it.

    """
    store.set_limits(
        memory_size=limits.memory_bytes,
        table_elements=limits.table_elements,
        instances=limits.instances + instances_before,
        tables=limits.tables,
        # One memory makes `memory_size` exact for a module; RLIMIT_DATA holds a component's.
        memories=1 if isinstance(loaded, LoadedModule) else -1,
    )
    if limits.fuel is not None:
        store.set_fuel(limits.fuel)


def instantiate(store: Store, loaded: LoadedModule) -> Entry:
    """Make an instance of a module in a Store that has its limits.

    Raises:
        WasmtimeError, Trap: it does not fit its limits, or what it does at once fails.

    """
    instance = loaded.pre.instantiate(store)
    return Entry(
        start=_export(store, instance, b"_start", ffi.WASMTIME_EXTERN_FUNC.value),
        memory=_export(store, instance, b"memory", ffi.WASMTIME_EXTERN_MEMORY.value),
    )


def run_command(store: Store, loaded: Loaded, limits: Limits, entry: Entry | None = None) -> Ended:
    """Run a guest to its end in a Store of its own, which is the caller's to close.

    `entry` is that of a module's instance that this Store holds already.
    """
    ended = _run(store, loaded, entry)
    if limits.fuel is None:
        return ended
    return replace(ended, fuel_used=limits.fuel - store.get_fuel())


def _run(store: Store, loaded: Loaded, entry: Entry | None) -> Ended:
    match loaded:
        case LoadedModule():
            return _run_module(store, loaded, entry)
        case LoadedComponent():
            return _run_component(store, loaded)


def _run_module(store: Store, loaded: LoadedModule, entry: Entry | None) -> Ended:
    memory: _Extern | None = None
    code, trap = 0, ""
    try:
        start, memory = entry or instantiate(store, loaded)
        if start is None:  # the server's reader saw a function of that name
            return Ended(trap="the module exports no function _start")
        _call(store, start)
    except ExitTrap as exit_:
        code = exit_.code
    except (Trap, WasmtimeError) as error:
        trap = _first_line(error)
    if memory is None:
        return Ended(exit_code=code, trap=trap, peak_memory_bytes=_resident(), memory_of="process")
    length = ffi.wasmtime_memory_data_size(_context(store), byref(memory.of.memory))
    return Ended(exit_code=code, trap=trap, peak_memory_bytes=length)


# What follows is `exports()` and `Func.__call__` of wasmtime-py without what a command has no use
# for: they wrap every export and ask for each type, and half of a small guest's run went into that.
# It needs the library's insides, which the pin in pyproject.toml holds still.


def _export(store: Store, instance: Instance, name: bytes, kind: int) -> _Extern | None:
    """Return an export by its name and kind, or None."""
    found = ffi.wasmtime_extern_t()
    raw = byref(instance._instance)  # noqa: SLF001 - as said above
    if not ffi.wasmtime_instance_export_get(_context(store), raw, name, len(name), byref(found)):
        return None
    return found if found.kind == kind else None  # type: ignore[comparison-overlap]  # an int


def _call(store: Store, function: _Extern) -> None:
    """Call a function without parameters and results; the library checks that it is one."""
    trap = POINTER(ffi.wasm_trap_t)()
    error = ffi.wasmtime_func_call(
        _context(store), byref(function.of.func), None, 0, None, 0, byref(trap)
    )
    if error:
        raise WasmtimeError._from_ptr(error)  # noqa: SLF001 - as said above
    if trap:
        raise Trap._from_ptr(trap)  # noqa: SLF001 - as said above


def _context(store: Store) -> "_Pointer[ffi.wasmtime_context_t]":
    return store._context()  # noqa: SLF001 - as said above


def _run_component(store: Store, loaded: LoadedComponent) -> Ended:
    code, trap = 0, ""
    try:
        instance = loaded.linker.instantiate(store, loaded.component)
        run = instance.get_func(store, loaded.run) if loaded.run else None
        if run is None:
            trap = "the component exports no wasi:cli/run"
        else:
            code = int(run(store).tag == "err")
    except ExitTrap as exit_:
        code = exit_.code
    except (Trap, WasmtimeError) as error:
        trap = _first_line(error)
    return Ended(exit_code=code, trap=trap, peak_memory_bytes=_resident(), memory_of="process")


def _first_line(error: Exception) -> str:
    """Return what a trap says, without the guest's backtrace: the last cause of the chain."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [
        line
        for line in lines
        if not line.startswith(("Caused by", "error while executing", "wasm backtrace"))
    ]
    text = causes[-1] if causes else type(error).__name__
    return text[:500]


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
