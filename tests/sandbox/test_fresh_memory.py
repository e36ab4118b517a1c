"""A call finds nothing of the one before it in its memory, in whichever process it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import wasmtime

from lab import QUICK, Lab, source_of
from preopen.capability import Mount
from preopen.cells.cache import BinarySource
from preopen.cells.job import Binding
from preopen.outcome import Exited, Returned

pytestmark = pytest.mark.anyio

# Looks for a byte that is not zero in all the memory that it has and can get, in its global and in
# its table; then leaves some everywhere. Its answer is 1 if it found one.
CORE = """
  (memory (export "memory") 4) {data}
  (global $seen (mut i32) (i32.const 0))
  (table $seen_too 8 funcref)
  (func $mark)
  (elem declare func $mark)
  (func $look (result i32)
    (local $at i32) (local $end i32) (local $found i32)
    (drop (memory.grow (i32.const 60)))
    (local.set $end (i32.mul (memory.size) (i32.const 65536)))
    (local.set $found (i32.or (global.get $seen)
      (i32.eqz (ref.is_null (table.get $seen_too (i32.const 7))))))
    (loop $next
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (local.set $found (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (memory.fill (i32.const 0) (i32.const 0xA5) (local.get $end))
    (global.set $seen (i32.const 1))
    (table.set $seen_too (i32.const 7) (ref.func $mark))
    (local.get $found))
"""
MODULE = """
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  {core}
  (func (export "_start") (call $exit (call $look))))
"""
COMPONENT = """
(component
  (core module $m {core} (export "run" (func $look)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $e (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $e)))
"""


def looker(kind: str, data: str = "") -> BinarySource:
    frame = {"module": MODULE, "component": COMPONENT}[kind]
    text = frame.format(core=CORE.format(data=data))
    return source_of(bytes(wasmtime.wat2wasm(text)), kind)


def bound() -> Binding:
    @contextmanager
    def open_whole() -> Iterator[tuple[Mount, ...]]:
        yield ()

    return Binding(identity="looker", calls=10, open_whole=open_whole)


async def test_call_in_the_same_cell_finds_zeros(lab: Lab, kind: str) -> None:
    """Issue: no cell can reach another's request or answer, nor one call the last one's memory."""
    binding, pids = bound(), set()
    for _ in range(4):
        run = await lab.run(looker(kind), binding=binding)
        assert isinstance(run.outcome, Returned), run
        pids |= {cell.pid for _, cell in lab.pool.plain._bound}

    assert len(pids) == 1


async def test_call_in_a_cell_of_its_own_finds_zeros(lab: Lab, kind: str) -> None:
    """Issue: the default; the process is another one, forked or started anew."""
    for _ in range(3):
        run = await lab.run(looker(kind), limits=replace(QUICK, memory_bytes=32 << 20))
        assert isinstance(run.outcome, Returned), run


async def test_looker_finds_what_is_there(lab: Lab, kind: str) -> None:
    """Ours: the control. One byte, the last that it begins with, and it says so."""
    run = await lab.run(looker(kind, data='(data (i32.const 262143) "x")'))

    assert isinstance(run.outcome, Exited), run
