"""Guests of our own that warm zygote and cells, as WebAssembly text, compiled and loaded like any.

`ASKS_NOTHING` is run by the zygote: without WASI, for the state from which wasmtime draws a guest's
random bytes is made with the first WASI context of a process, and cells would inherit it.
`ASKS_ARGUMENTS` starts no thread and is run ahead of need. `ASKS_STATUS` does file work, which
starts wasmtime's threads: it runs *under* the wall, so that the wall binds them too.
"""

import functools
import hashlib
from typing import Final

from preopen.wire.frames import Binary

ASKS_NOTHING: Final = b"""(module (memory (export "memory") 1) (func (export "_start")))"""

ASKS_ARGUMENTS: Final = b"""(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $sizes (i32.const 0) (i32.const 8)))))"""

ASKS_STATUS: Final = b"""(module
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ".")
  (func (export "_start")
    (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))))"""

# Of wasm/http_gate/http_gate.wasm, by `wasm/build_wat.py`: nothing else is linked to wasmtime's own
# wasi:http.
GATE_SHA256: Final = "5332998c717a098229685f6cde2c6c575270df76456e22985e24e2373ddd8839"

STARTER_STACK: Final = 1 << 20  # the default stack: one engine serves them and most tools


@functools.cache  # a cell that hashed would copy a dozen pages of its zygote for it
def starter_binary(text: bytes) -> Binary:
    """Return how every process of ours names this starter."""
    return Binary(sha256=hashlib.sha256(text).hexdigest(), kind="module", stack_bytes=STARTER_STACK)


def gate_binary(*, stack_bytes: int, counts_fuel: bool) -> Binary:
    """Return how every process of ours names the gate component, for guests of this profile."""
    return Binary(
        sha256=GATE_SHA256, kind="component", stack_bytes=stack_bytes, counts_fuel=counts_fuel
    )
