"""One run of a network guest by wasmtime's own wasi:http: what it says under any runtime.

Nothing here filters a request. What policy, gate and gateway do is other tests' business.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import WasiConfig, component

from lab import ROOT


@dataclass(frozen=True, slots=True)
class Guest:
    """A component that is compiled, and a folder for what it reads and writes."""

    engine: wasmtime.Engine
    compiled: component.Component
    folder: Path

    @classmethod
    def load(cls, name: str, folder: Path) -> "Guest":
        """Compile a guest of ours."""
        engine = wasmtime.Engine()
        compiled = component.Component.from_file(engine, str(ROOT / f"wasm/{name}/{name}.wasm"))
        return cls(engine, compiled, folder)

    def answer(self, *words: str, stdin: str = "") -> dict[str, Any]:
        """Run it once and return the envelope that it wrote."""
        linker = component.Linker(self.engine)
        linker.add_wasip2()
        linker.add_wasi_http()
        given, written = self.folder / "stdin", self.folder / "stdout"
        given.write_text(stdin, encoding="utf-8")
        wasi = WasiConfig()
        wasi.argv = ["guest", *words]
        wasi.stdin_file, wasi.stdout_file = str(given), str(written)
        store = wasmtime.Store(self.engine)
        store.set_wasi(wasi)
        store.set_wasi_http()
        instance = linker.instantiate(store, self.compiled)
        command = instance.get_export_index(store, "wasi:cli/run@0.2.6")
        index = instance.get_export_index(store, "run", command)
        assert index is not None
        run = instance.get_func(store, index)
        assert run is not None
        run(store)
        envelope: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
        return envelope

    def says(self, *words: str, stdin: str = "") -> str:
        """Return the text of an answer that must be no error."""
        envelope = self.answer(*words, stdin=stdin)
        assert "is_error" not in envelope, envelope
        return str(envelope["content"])

    def refuses(self, *words: str, stdin: str = "") -> str:
        """Return the text of an answer that must be an error."""
        envelope = self.answer(*words, stdin=stdin)
        assert envelope.get("is_error") is True, envelope
        return str(envelope["content"])
