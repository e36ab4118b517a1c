"""Engines, linkers and loaded binaries. Loading starts no thread: a cell is walled alone.

Compiling does start threads, so it happens in `compiler.py`, a process of its own.
"""

from dataclasses import dataclass
from typing import TypeAlias

from wasmtime import Config, Engine, InstancePre, Linker, Module, Store, WasmtimeError
from wasmtime import component as wc

from preopen.sandbox.http_gate import INSTANCES, HttpGate
from preopen.wire.channel import Channel
from preopen.wire.frames import Binary
from preopen.wire.starters import GATE_SHA256, gate_binary


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

    A cell inherits the zygote's shelf by fork. A reload loads another sha256 beside the old one,
    which is taken off when no tool has it any more: each costs a descriptor, three mappings and a
    part of every fork. With a `gate` components may send requests, each asked for first;
    without one `wasi:http` is linked for nobody.
    """

    def __init__(self, gate: HttpGate | None = None) -> None:
        self.gate = gate
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
            if binary.sha256 == GATE_SHA256:
                component_linker = native_linker(engine)
            self._loaded[binary] = LoadedComponent(component, component_linker, run)

    def forget(self, binary: Binary) -> None:
        """Take a binary off: its mappings and descriptor are given back. Its engine stays."""
        self._loaded.pop(binary, None)

    def get(self, binary: Binary) -> tuple[Engine, Loaded]:
        """Return the engine and the loaded form of a binary that was loaded before."""
        engine, _, _ = self._engines[binary.stack_bytes, binary.counts_fuel]
        return engine, self._loaded[binary]

    def enter_gate(self, store: Store, binary: Binary, channel: Channel, port: int) -> int:
        """Have the gate serve the call of this binary, in its Store; the pool had it loaded.

        Returns how many core instances that took.

        Raises:
            WasmtimeError: the gate cannot be put into the Store.

        """
        if self.gate is None or binary.kind == "module":
            return 0
        own = gate_binary(stack_bytes=binary.stack_bytes, counts_fuel=binary.counts_fuel)
        _, loaded = self.get(own)
        assert isinstance(loaded, LoadedComponent)  # noqa: S101 - narrows the type
        self.gate.enter(store, loaded.linker, loaded.component, channel, port)
        return INSTANCES

    def linkers(self, stack_bytes: int, *, counts_fuel: bool) -> tuple[Engine, Linker, wc.Linker]:
        """Return the engine of this profile and its two linkers, made at the first asking."""
        profile = stack_bytes, counts_fuel
        if profile not in self._engines:
            engine = make_engine(stack_bytes, counts_fuel=counts_fuel)
            linker, component_linker = Linker(engine), wc.Linker(engine)
            linker.define_wasi()
            component_linker.add_wasip2()
            if self.gate is not None:
                self.gate.interpose(component_linker)
            self._engines[profile] = engine, linker, component_linker
        return self._engines[profile]


def native_linker(engine: Engine) -> wc.Linker:
    """Return a linker with wasmtime's own wasi:http: for the gate, and for nothing else."""
    linker = wc.Linker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    return linker


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
    "native_linker",
]
