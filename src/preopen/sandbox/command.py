"""Runs a command: `_start` of a module, `wasi:cli/run` of a component, in a fresh Store."""

import resource
import sys
from dataclasses import dataclass

from wasmtime import Engine, ExitTrap, Memory, Store, Trap, WasiConfig, WasmtimeError

from preopen.capability import Limits
from preopen.sandbox.engine import Loaded, LoadedComponent, LoadedModule

_RSS_UNIT = (
    1 if sys.platform == "darwin" else 1024
)  # getrusage(2): kilobytes on Linux, bytes on macOS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a guest ended. `trap` is "" or why it trapped; memory is of "guest" or "process"."""

    exit_code: int = 0
    trap: str = ""
    peak_memory_bytes: int = 0
    memory_of: str = "guest"


def run_command(engine: Engine, loaded: Loaded, wasi: WasiConfig, limits: Limits) -> Ended:
    """Run a guest to its end, within the limits that a Store keeps."""
    store = Store(engine)
    store.set_wasi(wasi)
    store.set_limits(
        memory_size=limits.memory_bytes,
        table_elements=limits.table_elements,
        instances=limits.instances,
        tables=limits.tables,
        # One memory makes `memory_size` exact for a module; RLIMIT_DATA holds a component's.
        memories=1 if isinstance(loaded, LoadedModule) else -1,
    )
    try:
        match loaded:
            case LoadedModule():
                return _run_module(store, loaded)
            case LoadedComponent():
                return _run_component(store, loaded)
    finally:
        store.close()


def _run_module(store: Store, loaded: LoadedModule) -> Ended:
    memory: Memory | None = None
    code, trap = 0, ""
    try:
        exports = loaded.pre.instantiate(store).exports(store)
        exported = exports.get("memory")
        memory = exported if isinstance(exported, Memory) else None
        exports["_start"](store)  # type: ignore[operator]  # the server's reader saw a function of that name
    except ExitTrap as exit_:
        code = exit_.code
    except (Trap, WasmtimeError) as error:
        trap = _first_line(error)
    if memory is None:
        return Ended(exit_code=code, trap=trap, peak_memory_bytes=_resident(), memory_of="process")
    return Ended(exit_code=code, trap=trap, peak_memory_bytes=memory.data_len(store))


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
