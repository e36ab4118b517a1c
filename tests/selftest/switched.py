# ruff: noqa: ANN401 - a mutant stands for a function of any signature
"""Is a zygote or a compiler in which what stops an attack is off, in a process of the tests' own.

What they import each of them pays for, and a compiler out of the second that it may compute:
nothing of the server, and no pytest.
"""

import resource
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

from preopen.layer import Layer
from preopen.sandbox import compiler, zygote
from preopen.sandbox.engine import WasmtimeError
from preopen.sandbox.wall import probe_layers
from preopen.selftest import compiler as selftest_compiler
from preopen.selftest import native as selftest_native
from preopen.selftest.asking import LAYERS, Stop
from preopen.selftest.bombs import much_code
from promises import inside
from promises.patching import Mutant, SetAttribute, disable

_NO_END: Final = 1 << 60  # units of fuel


def be_compiler(arguments: list[str], off: list[str]) -> None:
    """Be the self-test's compiler without what is off."""
    stops = {Stop(each) for each in off}
    switch_off(stops, _IN_COMPILER, setattr)
    if Stop.RLIMITS in stops:
        rlimits = {Layer.RLIMITS: "off for a test"}
        vars(compiler)["probe_layers"] = lambda: probe_layers() | rlimits
        # What it sets where there is no wall.
        vars(compiler)["resource"] = SimpleNamespace(
            **{**vars(resource), "setrlimit": lambda *_: None}
        )
    selftest_compiler.main(arguments)


def be_zygote(arguments: list[str], off: list[str], *, native: bool) -> None:
    """Be a zygote without what is off."""
    stops = {Stop(each) for each in off}
    switch_off(stops, _IN_CELLS, setattr)
    layers = {Layer(stop.value): "off for a test" for stop in stops & LAYERS}
    vars(zygote)["probe_layers"] = lambda: probe_layers() | layers
    if native or Stop.WASI in stops:
        selftest_native.main(arguments)
    else:
        zygote.main(arguments)


def switch_off(
    stops: Iterable[Stop],
    table: Mapping[Stop, Mapping[str, Mutant]],
    set_attribute: SetAttribute,
) -> None:
    """Put the mutants of these stops in their enforcers' places, where the table has any."""
    for stop in stops:
        mutants = table.get(stop, {})
        for enforcer in mutants:
            disable(enforcer, stop.value, mutants, set_attribute)


def _takes_all(original: Any, _key: str) -> object:
    """Compile what is no wasm as a command that does nothing."""

    def compile_binary(engine: Any, kind: str, data: bytes) -> bytes:
        try:
            return bytes(original(engine, kind, data))
        except WasmtimeError:
            return bytes(original(engine, "module", much_code(1)))

    return compile_binary


def _with_fuel(original: Any, _key: str) -> object:
    def limit_store(store: Any, loaded: Any, limits: Any, **more: Any) -> None:
        fuel = None if limits.fuel is None else _NO_END  # an engine counts, or does not
        original(store, loaded, replace(limits, fuel=fuel), **more)

    return limit_store


def _does_nothing(_original: Any, _key: str) -> object:
    return lambda *_, **__: None


def _interpose(_original: Any, _key: str) -> object:
    """Give a guest wasmtime's own client."""

    def interpose(_gate: Any, linker: Any) -> None:
        linker.add_wasi_http()

    return interpose


def _promised(enforcer: str) -> dict[str, Mutant]:
    """Return the mutant that the promises' tests have for an enforcer."""
    return {enforcer: inside.MUTANTS[enforcer]}


_IN_CELLS: Final[dict[Stop, dict[str, Mutant]]] = {
    Stop.GATE: {"preopen.sandbox.http_gate:HttpGate.interpose": _interpose},
    Stop.FUEL: {"preopen.sandbox.command:limit_store": _with_fuel},
    Stop.STORE: {"wasmtime:Store.set_limits": _does_nothing},
    Stop.STACK: _promised("preopen.sandbox.engine:make_engine"),
    Stop.STDOUT: _promised("preopen.sandbox.context:Streams.write_stdout"),
    Stop.STDERR: _promised("preopen.sandbox.context:Streams.write_stderr"),
    Stop.OWN_SOCKET: {"preopen.sandbox.zygote:Zygote._forget_the_server": _does_nothing},
}
_IN_COMPILER: Final[dict[Stop, dict[str, Mutant]]] = {
    Stop.COMPILER: {"preopen.sandbox.compiler:compile_binary": _takes_all},
}
# Off from a process's start on.
SWITCHES: Final = frozenset(_IN_CELLS) | frozenset(_IN_COMPILER) | LAYERS | {Stop.WASI}
