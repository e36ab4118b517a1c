"""Entry points of a test's own: preopen's with one thing changed, as a launcher takes them.

A launcher names an entry point by its module alone, so each of these gets a module of its own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from wasmtime import component

from preopen.layer import Layer
from preopen.sandbox import (
    http_gate,
    landlock,
    privileges,
    rlimits,
    seccomp,
    spawn,
    wall,
    zygote,
)

Main: TypeAlias = Callable[[list[str]], None]

MAINS = {"zygote": zygote, "spawn": spawn}


def entry_of(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, call: str) -> str:
    """Write a module whose `main` is what `call`, a function of `module`, returns; name it."""
    name = f"entry_{folder.name}"
    function = call.partition("(")[0]
    text = f"from pathlib import Path\nfrom {module} import {function}\nmain = {call}\n"
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    return name


def failing(launcher: str, layer: str, starts: str) -> Main:
    """Return an entry point where this layer fails after the probe found it to be there."""

    def main(arguments: list[str]) -> None:
        with Path(starts).open("a") as file:
            file.write("started\n")
        probe = wall.probe_layers

        def probe_and_break() -> dict[Layer, str]:
            answers = probe()
            _break(Layer(layer))
            return answers

        MAINS[launcher].probe_layers = probe_and_break  # type: ignore[attr-defined]  # a module
        MAINS[launcher].main(arguments)

    return main


def lacking(launcher: str, layer: str) -> Main:
    """Return an entry point on a machine that lacks this layer."""

    def main(arguments: list[str]) -> None:
        answers = wall.probe_layers() | {Layer(layer): "taken away by a test"}
        MAINS[launcher].probe_layers = lambda: answers  # type: ignore[attr-defined]  # a module
        MAINS[launcher].main(arguments)

    return main


def _break(layer: Layer) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(12, "broken by a test")

    match layer:
        case Layer.LANDLOCK:
            landlock.restrict_self = fail
        case Layer.SECCOMP:
            seccomp.install = fail
        case Layer.UNDUMPABLE:
            privileges.forbid_dumps = fail
        case Layer.RLIMITS:
            rlimits.limit_self = fail
        case _:
            assert isinstance(wall._OF_THE_PROCESS, dict)
            assert layer in wall._OF_THE_PROCESS
            wall._OF_THE_PROCESS[layer] = fail


def past_the_gate(lacks: str = "") -> Main:
    """Return a zygote whose guests have wasmtime's own HTTP client, on a machine without layers."""

    def main(arguments: list[str]) -> None:
        answers = wall.probe_layers() | dict.fromkeys(
            map(Layer, lacks.split()), "taken away by a test"
        )
        vars(zygote)["probe_layers"] = lambda: answers
        setattr(http_gate.HttpGate, "interpose", _native)  # noqa: B010 - what is tried
        zygote.main(arguments)

    return main


def _native(_gate: http_gate.HttpGate, linker: component.Linker) -> None:
    linker.add_wasi_http()
