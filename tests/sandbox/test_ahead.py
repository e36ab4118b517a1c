"""What a tool-bound cell makes ahead of its next call, and when it does not."""

from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime

from lab import QUICK, Lab, source_of
from preopen.capability import Limits
from preopen.outcome import Returned
from preopen.sandbox.ahead import Ahead
from preopen.sandbox.engine import Shelf, compile_binary
from preopen.wire.frames import Binary
from sandbox.test_fresh_memory import bound

pytestmark = pytest.mark.anyio

COMMAND = '(memory (export "memory") 4) (func (export "_start"))'
STARTS = """
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\08\\00\\00\\00\\08\\00\\00\\00started\\n")
  (start $say)
  (func $say
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64))))
  (func (export "_start")))
"""
GROWS = """
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.eq (memory.grow (i32.const 63)) (i32.const -1)))))
"""


@pytest.fixture
def shelf() -> Shelf:
    """Give a shelf of this process's own."""
    return Shelf()


def put(
    shelf: Shelf, folder: Path, text: str, *, kind: str = "module", fuel: bool = False
) -> Binary:
    """Compile a binary of this text into a shelf."""
    data = bytes(wasmtime.wat2wasm(text))
    binary = source_of(data, kind, counts_fuel=fuel).binary
    engine, *_ = shelf.linkers(binary.stack_bytes, counts_fuel=fuel)
    with (folder / binary.sha256).open("wb+") as file:
        file.write(compile_binary(engine, kind, data))
        file.flush()
        shelf.load(binary, file.fileno())
    return binary


def test_an_instance_is_made_once_and_taken_once(shelf: Shelf, tmp_path: Path) -> None:
    """Ours: no call gets an instance that another had."""
    binary, ahead = put(shelf, tmp_path, f"(module {COMMAND})"), Ahead(shelf)
    ahead.prepare(binary, QUICK, is_inert=True)
    first, entry, _ = ahead.take(binary, QUICK)
    second, none, _ = ahead.take(binary, QUICK)

    assert entry is not None
    assert entry.start is not None
    assert entry.memory is not None
    assert none is None
    assert first is not second


def test_other_limits_have_an_instance_of_their_own(shelf: Shelf, tmp_path: Path) -> None:
    """Issue: a call is held to its own limits, in a cell that had others before, too."""
    binary, ahead = put(shelf, tmp_path, f"(module {COMMAND})"), Ahead(shelf)
    ahead.prepare(binary, QUICK, is_inert=True)
    _, entry, _ = ahead.take(binary, replace(QUICK, memory_bytes=1 << 20))

    assert entry is None


def test_another_binary_has_an_instance_of_its_own(shelf: Shelf, tmp_path: Path) -> None:
    """Ours: of the same engine; what runs is what was called."""
    binary, ahead = put(shelf, tmp_path, f"(module {COMMAND})"), Ahead(shelf)
    other = put(shelf, tmp_path, f"(module {COMMAND} (func $more))")
    ahead.prepare(binary, QUICK, is_inert=True)

    assert ahead.take(other, QUICK)[1] is None


@pytest.mark.parametrize(
    ("text", "kind", "fuel", "inert"),
    [
        ("(module {})", "module", False, False),
        ("(module {})", "module", True, True),
        ("(component (core module {}))", "component", False, True),
    ],
    ids=["with a start function", "counting fuel", "component"],
)
def test_what_may_run_code_or_counts_it_is_left_for_the_call(
    shelf: Shelf, tmp_path: Path, text: str, kind: str, *, fuel: bool, inert: bool
) -> None:
    """Ours: a guest's code runs within its call, by its deadline, on its fuel; a Store is ready."""
    binary = put(shelf, tmp_path, text.format(COMMAND), kind=kind, fuel=fuel)
    ahead = Ahead(shelf)
    ahead.prepare(binary, replace(QUICK, fuel=1000 if fuel else None), is_inert=inert)
    ready = ahead._ready
    store, entry, _ = ahead.take(binary, QUICK)

    assert entry is None
    assert ready is not None
    assert ready.store is store


def test_what_does_not_fit_is_left_for_the_call_to_tell(shelf: Shelf, tmp_path: Path) -> None:
    """Ours: nothing is raised where no call is there to hear it."""
    small = Limits(memory_bytes=65536)
    binary, ahead = put(shelf, tmp_path, f"(module {COMMAND})"), Ahead(shelf)
    ahead.prepare(binary, small, is_inert=True)

    assert ahead.take(binary, small)[1] is None


async def test_a_start_function_runs_in_each_call(lab: Lab) -> None:
    """Ours: it may write, for it runs where the call's streams are."""
    source, binding = source_of(bytes(wasmtime.wat2wasm(STARTS)), "module"), bound()
    assert not source.is_inert
    for _ in range(3):
        run = await lab.run(source, binding=binding)
        assert isinstance(run.outcome, Returned), run
        assert run.outcome.stdout == b"started\n"


async def test_limits_of_a_call_hold_in_the_cell_of_another(lab: Lab) -> None:
    """Issue: the pair; 64 pages are 4 MiB, and the instance of the call before had room for them.

    The guest's exit code says whether `memory.grow` was refused.
    """
    source, binding = source_of(bytes(wasmtime.wat2wasm(GROWS)), "module"), bound()
    assert source.is_inert
    said = []
    for megabytes in (4, 4, 3, 4):
        limits = replace(QUICK, memory_bytes=megabytes << 20)
        run = await lab.run(source, binding=binding, limits=limits)
        said.append(getattr(run.outcome, "exit_code", None))

    assert said == [0, 0, 1, 0]
