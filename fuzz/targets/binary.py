"""`tool/binary.py`: any bytes are refused with a BinaryError, or read as wasmtime reads them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from wasmtime import Engine, Module, WasmtimeError, wat2wasm
from wasmtime.component import Component

from fuzz.properties import expect_faults
from fuzz.target import Target
from preopen.errors import BinaryError
from preopen.tool.binary import BinaryFacts, BinaryKind, Import, read_facts

_PLACE: Final = "t.wasm"
_ENGINE: Final = Engine()
_CUTS: Final = 8
_EMPTY_CUSTOM_SECTION: Final = b"\x00\x01\x00"
_NO_SECTION: Final = b"\xff"
_SMALLEST: Final = 3  # bytes of an import or export: an empty name, a kind, an index


def check(data: bytes) -> None:
    """Hold what is read of `data` to its size, to its own cuts, and to wasmtime."""
    facts = _read(data)
    if facts is None:
        return
    assert facts == _read(memoryview(data))
    _expect_bounded(facts, data)
    _expect_cuts_to_agree(facts, data)
    assert _read(data + _EMPTY_CUSTOM_SECTION) == facts
    assert _read(data + _NO_SECTION) is None
    _expect_as_wasmtime(facts, data)


def _read(data: bytes | memoryview) -> BinaryFacts | None:
    try:
        return read_facts(data, _PLACE)
    except BinaryError as error:
        expect_faults(error, _PLACE)
        return None


def _expect_bounded(facts: BinaryFacts, data: bytes) -> None:
    assert not facts.is_command or facts.exports
    entries = len(facts.imports) + len(facts.exports)
    assert entries * _SMALLEST <= len(data)
    names = [*facts.exports, *(i.interface + i.name for i in facts.imports)]
    assert sum(len(name.encode()) for name in names) <= len(data)


def _expect_cuts_to_agree(facts: BinaryFacts, data: bytes) -> None:
    """Hold what a cut file says to what the whole one says: it is a beginning of that."""
    for part in range(_CUTS):
        cut = _read(data[: len(data) * part // _CUTS])
        if cut is not None:
            assert cut.kind is facts.kind
            assert cut.imports == facts.imports[: len(cut.imports)]
            assert cut.exports == facts.exports[: len(cut.exports)]


def _expect_as_wasmtime(facts: BinaryFacts, data: bytes) -> None:
    """Hold what was read to what wasmtime would link: grants are compared with nothing else.

    Sorted, for wasmtime-py gives a component's in no order; counted, for a module may ask twice.
    """
    with suppress(WasmtimeError, UnicodeDecodeError):  # it accepts less: that is its business
        asked, given = _of_module(data) if facts.kind is BinaryKind.MODULE else _of_component(data)
        assert Counter(facts.imports) == Counter(asked)
        assert Counter(facts.exports) == Counter(given)


def _of_module(data: bytes) -> tuple[list[Import], list[str]]:
    module = Module(_ENGINE, data)
    asked = [Import(interface=i.module, name=i.name or "") for i in module.imports]
    return asked, [e.name for e in module.exports]


def _of_component(data: bytes) -> tuple[list[Import], list[str]]:
    of = Component(_ENGINE, data).type
    asked = [Import(interface=name) for name in of.imports(_ENGINE)]
    return asked, list(of.exports(_ENGINE))


def _seeds() -> Iterator[bytes]:
    for text in (*_MODULES, *_COMPONENTS):
        yield bytes(wat2wasm(text))
    yield b"\0asm"
    yield b"\0asm\x0d\0\x01\0\x0a\x02\x01\x02"
    yield b"\0asm\x01\0\0\0\x02\xff\xff\xff\xff\x0f"


_MODULES: Final = (
    "(module)",
    """(module
  (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
  (func (export "_start")))""",
    """(module
  (type $t (func))
  (import "a" "t" (table 1 2 (ref null $t)))
  (import "a" "m" (memory i64 1 2))
  (import "a" "g" (global (mut (ref null $t))))
  (import "a" "e" (tag (type $t)))
  (import "" "" (global i32)))""",
    """(module
  (memory (export "memory") 1)
  (table (export "t") 1 funcref)
  (global (export "g") i64 (i64.const 1))
  (func (export "a") unreachable)
  (data (i32.const 0) "abc")
  (start 0))""",
    '(module (import "env" "shared" (memory 1 2 shared)))',
    '(module (import "same" "name" (func)) (import "same" "name" (func)) (@custom "note" "text"))',
)
_COMPONENTS: Final = (
    "(component)",
    """(component
  (import "wasi:cli/stdin@0.2.9" (instance (export "x" (type (sub resource)))))
  (import "plain" (func)))""",
    '(component (import "core" (core module (import "a" "b" (func)) (export "c" (memory 1)))))',
    """(component
  (type $r (record (field "a" u32)))
  (import "known" (type (eq $r)))
  (import "thing" (type (sub resource))))""",
    """(component
  (component $n (import "hidden" (func)) (export "deep" (func 0)))
  (core module $m (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $c (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $c))
  (export "typed" (func $run) (func (result (result))))
  (export "m" (core module $m)))""",
)

TARGET: Final = Target(
    name="binary",
    check=check,
    seeds=_seeds,
    tokens=(
        *(b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0", b"\xff\xff\xff\xff\x0f", b"\x80\x80\x04"),
        *(b"\x02\x07\x01\x01a\x01b\x00\x00", b"\x07\x05\x01\x01a\x00\x00"),
        *(b"\x0a\x06\x01\x00\x01a\x05\x00", b"\x0b\x07\x01\x00\x01a\x05\x00\x00"),
        *(b"wasi:cli/run@0.2.3", b"wasi:cli/stdin@0.2.9", b"_start", b"\x63\x70", b"\x64\x00"),
    ),
    max_bytes=4096,
)
