"""Guests of our own that warm zygote and cells, as WebAssembly text, compiled and loaded like any.

`ASKS_NOTHING` is run by the zygote: without WASI, for the state from which wasmtime draws a guest's
random bytes is made with the first WASI context of a process, and cells would inherit it.
`ASKS_ARGUMENTS` starts no thread and is run ahead of need. `ASKS_STATUS` does file work, which
starts wasmtime's threads: it runs *under* the wall, so that the wall binds them too.
"""

from dataclasses import dataclass
from typing import Final

from preopen.wire.frames import Binary

STARTER_STACK: Final = 1 << 20  # the default stack: one engine serves them and most tools


@dataclass(frozen=True, slots=True)
class Starter:
    """A guest of ours: its text, and how every process of ours names it."""

    text: bytes
    binary: Binary


def _starter(sha256: str, text: bytes) -> Starter:
    # The hash is written down: with a library that works it out, zygote and cells would have some
    # 20 mappings more to copy at each fork.
    return Starter(text, Binary(sha256=sha256, kind="module", stack_bytes=STARTER_STACK))


ASKS_NOTHING: Final = _starter(
    "a31118172e43aa743a412800fd0cb49575c4acc2ef3c405e8a503769afb76746",
    b"""(module (memory (export "memory") 1) (func (export "_start")))""",
)

ASKS_ARGUMENTS: Final = _starter(
    "b021ecf6e661a2a9e89bd59e4bb277aaf2f2b729840a8c32d143d0d4f5a1f005",
    b"""(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $sizes (i32.const 0) (i32.const 8)))))""",
)

ASKS_STATUS: Final = _starter(
    "d23c50e6c55684f65540be6aded6363b90bf33c90520432c0a7dc7d61867c05c",
    b"""(module
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ".")
  (func (export "_start")
    (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))))""",
)

STARTERS: Final = (ASKS_NOTHING, ASKS_ARGUMENTS, ASKS_STATUS)

# Of wasm/http_gate/http_gate.wasm, by `wasm/build_wat.py`: nothing else is linked to wasmtime's own
# wasi:http.
GATE_SHA256: Final = "5332998c717a098229685f6cde2c6c575270df76456e22985e24e2373ddd8839"


def gate_binary(*, stack_bytes: int, counts_fuel: bool) -> Binary:
    """Return how every process of ours names the gate component, for guests of this profile."""
    return Binary(
        sha256=GATE_SHA256, kind="component", stack_bytes=stack_bytes, counts_fuel=counts_fuel
    )
