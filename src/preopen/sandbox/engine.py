"""Engines, linkers and loaded binaries. Loading starts no thread: a cell is walled alone.

Compiling does start threads, so it happens in `compiler.py`, a process of its own.
"""

from dataclasses import dataclass
from typing import TypeAlias

from wasmtime import Config, Engine, InstancePre, Linker, Module, WasmtimeError
from wasmtime import component as wc

from preopen.wire.frames import Binary


def make_engine(stack_bytes: int, *, counts_fuel: bool) -> Engine:
    """Return an engine for guests with this much stack, in bytes, that counts fuel or does not.

    Epochs are off, and fuel where no limit asks for it: the process is the deadline, and guest code
    runs at full speed. Shared memory is off: it would outlive what the Store limits count.
    """
    config = Config()
    config.max_wasm_stack = stack_bytes
    config.wasm_threads = False
    config.shared_memory = False
    config.epoch_interruption = False
    config.consume_fuel = counts_fuel
    return Engine(config)


def compile_binary(engine: Engine, kind: str, data: bytes) -> bytes:
    """Return the compiled form of a binary. Starts threads: never call it in a zygote or a cell."""
    made = wc.Component(engine, data) if kind == "component" else Module(engine, data)
    return bytes(made.serialize())


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A core module, its imports already looked up."""

    pre: InstancePre


@dataclass(frozen=True, slots=True)
class LoadedComponent:
    """A component, its linker, and the place of its `wasi:cli/run#run` (None where it has none)."""

    component: wc.Component
    linker: wc.Linker
    run: wc.ExportIndex | None


Loaded: TypeAlias = LoadedModule | LoadedComponent


class Shelf:
    """The binaries that this process has loaded, an engine and its linkers per profile.

    A profile is a stack size, and whether fuel is counted: code of one does not run in another.

    A cell inherits the zygote's shelf by fork. Nothing is ever taken off it: a reload loads another
    sha256 beside the old one.
    """

    def __init__(self) -> None:
        self._engines: dict[tuple[int, bool], tuple[Engine, Linker, wc.Linker]] = {}
        self._loaded: dict[Binary, Loaded] = {}

    def load(self, binary: Binary, descriptor: int) -> None:
        """Load the compiled binary of this descriptor, and keep it.

        By file and not from bytes: those would lie in a memfd, which RLIMIT_FSIZE cuts (EFBIG at
        instantiation). The descriptor may be closed afterwards.

        Raises:
            WasmtimeError: it was compiled by another wasmtime or for another machine.

        """
        if binary in self._loaded:
            return
        engine, linker, component_linker = self.linkers(
            binary.stack_bytes, counts_fuel=binary.counts_fuel
        )
        path = f"/proc/self/fd/{descriptor}"
        if binary.kind == "module":
            module = Module.deserialize_file(engine, path)
            self._loaded[binary] = LoadedModule(linker.instantiate_pre(module))
        else:
            component = wc.Component.deserialize_file(engine, path)
            run = find_run(component)
            self._loaded[binary] = LoadedComponent(component, component_linker, run)

    def get(self, binary: Binary) -> tuple[Engine, Loaded]:
        """Return the engine and the loaded form of a binary that was loaded before."""
        engine, _, _ = self._engines[binary.stack_bytes, binary.counts_fuel]
        return engine, self._loaded[binary]

    def linkers(self, stack_bytes: int, *, counts_fuel: bool) -> tuple[Engine, Linker, wc.Linker]:
        """Return the engine of this profile and its two linkers, made at the first asking."""
        profile = stack_bytes, counts_fuel
        if profile not in self._engines:
            engine = make_engine(stack_bytes, counts_fuel=counts_fuel)
            linker, component_linker = Linker(engine), wc.Linker(engine)
            linker.define_wasi()
            component_linker.add_wasip2()
            self._engines[profile] = engine, linker, component_linker
        return self._engines[profile]


def find_run(component: wc.Component) -> wc.ExportIndex | None:
    """Return where `wasi:cli/run@0.2.x#run` is, whatever its x, or None."""
    for patch in range(100):
        interface = component.get_export_index(f"wasi:cli/run@0.2.{patch}")
        if interface is not None:
            return component.get_export_index("run", interface)
    return None


__all__ = [
    "Loaded",
    "LoadedComponent",
    "LoadedModule",
    "Shelf",
    "WasmtimeError",
    "compile_binary",
    "find_run",
    "make_engine",
]
