import contextlib
import mmap
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st
from wasmtime import component

from preopen.errors import BinaryError
from preopen.selftest.bombs import leb, section
from preopen.tool.binary import MAX_ITEMS, BinaryFacts, BinaryKind, Import, read_facts

HEADER = b"\0asm\x01\0\0\0"
COMPONENT_HEADER = b"\0asm\x0d\0\x01\0"

COMMAND = """
(component
  (import "wasi:cli/stdin@0.2.9" (instance (export "x" (type (sub resource)))))
  (import "plain" (func))
  (import "wasi:io/error@0.2.4" (instance))
  (type $record (record (field "a" u32)))
  (import "record" (type $mine (eq $record)))
  (import "core" (core module))
  (component $nested (import "hidden" (func)) (export "deep" (func 0)))
  (core module $m (import "env" "gone" (func)) (func (export "run") (result i32) i32.const 0))
  (core module $n (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $n))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $cli))
  (export "typed" (func $run) (func (result (result))))
  (export "module" (core module $n))
)
"""

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
import_types = st.sampled_from(
    [
        "(func)",
        "(func (param i32 i64) (result f64))",
        "(memory 1)",
        "(memory 1 60000 shared)",
        "(memory i64 1 2)",
        "(table 1 funcref)",
        "(table 1 200000 externref)",
        "(table 1 (ref null func))",
        "(table 1 (ref null $t))",
        "(global i32)",
        "(global (mut (ref null $t)))",
        "(global (ref $t))",
        "(tag)",
    ]
)
BODIES = {
    "func": "(func (export {}))",
    "memory": "(memory (export {}) 1)",
    "table": "(table (export {}) 1 funcref)",
    "global": "(global (export {}) i32 (i32.const 1))",
}


def quoted(name: str) -> str:
    return '"' + "".join(f"\\{octet:02x}" for octet in name.encode()) + '"'


@st.composite
def modules(draw: st.DrawFn) -> bytes:
    asked = draw(st.lists(st.tuples(names, names, import_types), max_size=8))
    given_out = draw(st.lists(st.tuples(names, st.sampled_from(sorted(BODIES))), max_size=8))
    parts = [f"(import {quoted(a)} {quoted(b)} {kind})" for a, b, kind in asked]
    parts += [BODIES[kind].format(quoted(name)) for name, kind in dict(given_out).items()]
    return bytes(wasmtime.wat2wasm(f"(module (type $t (func)) {' '.join(parts)})"))


def as_wasmtime_says(data: bytes) -> BinaryFacts:
    engine = wasmtime.Engine()
    if data.startswith(COMPONENT_HEADER):
        of = component.Component(engine, data).type
        return BinaryFacts(
            kind=BinaryKind.COMPONENT,
            imports=tuple(Import(interface=name) for name in of.imports(engine)),
            exports=tuple(of.exports(engine)),
        )
    module = wasmtime.Module(engine, data)
    return BinaryFacts(
        kind=BinaryKind.MODULE,
        imports=tuple(Import(interface=i.module, name=i.name or "") for i in module.imports),
        exports=tuple(e.name for e in module.exports),
    )


@given(modules())
def test_a_module_is_read_as_wasmtime_reads_it(data: bytes) -> None:
    """Design §5, import audit: what is audited is what wasmtime will link."""
    assert as_wasmtime_says(data) == read_facts(data, "t.wasm")


def test_a_component_is_read_as_wasmtime_reads_it() -> None:
    """Design §5, import audit: only the outermost imports, every sort of them, in order."""
    data = bytes(wasmtime.wat2wasm(COMMAND))
    facts = read_facts(data, "t.wasm")

    said = as_wasmtime_says(data)
    assert set(said.imports) == set(facts.imports)
    assert set(said.exports) == set(facts.exports)
    assert Import(interface="wasi:cli/stdin@0.2.9") == facts.imports[0]
    assert Import(interface="hidden") not in facts.imports


def test_a_resource_is_asked_of_the_host_and_the_name_of_a_type_is_not() -> None:
    """Ours: wasmtime links no known type, so the audit must not refuse a component for one."""
    resource = '(import "thing" (type $thing (sub resource)))'
    known = '(type $r (record (field "a" u32))) (import "known" (type (eq $r)))'
    data = bytes(wasmtime.wat2wasm(f"(component {resource} {known})"))

    assert read_facts(data, "t").imports == (Import(interface="thing"),)
    assert read_facts(data, "t") == as_wasmtime_says(data)


@settings(max_examples=60)
@given(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8), st.data())
def test_a_made_up_component_is_read_as_wasmtime_reads_it(
    asked: list[str], data: st.DataObject
) -> None:
    """Design §5, import audit: versions of one interface are kept apart."""
    numbers = st.integers(0, 99)
    parts = [f'(import "x:{a}/i@0.2.{data.draw(numbers)}" (instance))' for a in asked]
    parts += [f'(export "out-{a}" (instance {n}))' for n, a in enumerate(asked)]
    made = bytes(wasmtime.wat2wasm(f"(component {' '.join(parts)})"))

    said, facts = as_wasmtime_says(made), read_facts(made, "t.wasm")
    assert (set(said.imports), set(said.exports)) == (set(facts.imports), set(facts.exports))


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("(module (func $f))", True),
        ("(module (func $f) (start $f))", False),
        ("(component)", False),
    ],
)
def test_only_a_module_without_a_start_function_is_inert(text: str, *, inert: bool) -> None:
    """Ours: such may be instantiated where no call watches over it; wasmtime runs the others."""
    data = bytes(wasmtime.wat2wasm(text))

    assert read_facts(data, "t.wasm").is_inert is inert


def refused_or_read(data: bytes) -> BinaryFacts | None:
    with contextlib.suppress(BinaryError):
        return read_facts(data, "t.wasm")
    return None


@given(modules() | st.just(bytes(wasmtime.wat2wasm(COMMAND))), st.data())
def test_a_damaged_binary_is_refused_or_read_as_wasmtime_reads_it(
    data: bytes, choose: st.DataObject
) -> None:
    """Ours: flipped and cut bytes end in BinaryError, or in what wasmtime says of them."""
    damaged = bytearray(data)
    for _ in range(choose.draw(st.integers(0, 3))):
        damaged[choose.draw(st.integers(0, len(data) - 1))] = choose.draw(st.integers(0, 255))
    cut = bytes(damaged[: choose.draw(st.integers(0, len(data)))])
    for candidate in (bytes(damaged), cut):
        facts = refused_or_read(candidate)
        try:
            said = as_wasmtime_says(candidate)
        except (wasmtime.WasmtimeError, UnicodeDecodeError):
            continue
        if facts is not None:
            assert set(said.imports) == set(facts.imports)
            assert set(said.exports) == set(facts.exports)


@given(st.sampled_from([b"", HEADER, COMPONENT_HEADER]), st.binary(max_size=300))
def test_random_bytes_end_in_facts_or_a_binary_error(header: bytes, rest: bytes) -> None:
    """Ours: a binary is untrusted input; nothing but BinaryError comes out."""
    refused_or_read(header + rest)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no wasm binary"),
        (b"\x7fELF" * 4, "no wasm binary"),
        (b"\0asm", "4 bytes are announced and 0 are there"),
        (b"\0asm\x02\0\0\0", "version is 02 00 00 00"),
        (HEADER + b"\x02", "in the middle of an entry"),
        (HEADER + b"\x02\xff\xff\xff\xff\x0f", "4294967295 bytes are announced"),
        (HEADER + b"\x02\xff\xff\xff\xff\x1f", "larger than 32 bits"),
        (HEADER + b"\x02\x80\x80\x80\x80\x80\x00", "longer than five bytes"),
        (HEADER + b"\x63\x00", "section number 99 is unknown for a module"),
        (HEADER + section(2, leb(MAX_ITEMS + 1)), "above the 100000"),
        (HEADER + section(2, b"\x00\x00"), "1 bytes follow the last of 0 entries"),
        (HEADER + section(2, b"\x01\x01a\x01b\x7f"), "import kind 0x7f of 'a' is unknown"),
        (HEADER + section(2, b"\x01\x01a\x01b\x02\x08\x01"), "limits with flags 0x08"),
        (HEADER + section(2, b"\x01\x01a\x01b\x02\x00" + b"\x80" * 11), "longer than 10 bytes"),
        (HEADER + section(7, b"\x01\x01\xff\x00\x00"), "not UTF-8"),
        (HEADER + section(7, b"\x01" + leb(100_001)), "a name says 100001 bytes"),
        (HEADER + section(0, b"") * 100_001, "more than 100000 sections"),
        (COMPONENT_HEADER + section(10, b"\x01\x02\x01a\x00\x05\x00"), "begins with 0x02"),
        (COMPONENT_HEADER + section(10, b"\x01\x00\x01a\x09\x00"), "sort 0x09"),
        (
            COMPONENT_HEADER + section(11, b"\x01\x00\x01a\x01\x00\x07"),
            "0x07 stands where the type",
        ),
    ],
)
def test_a_damaged_place_is_named(data: bytes, found: str) -> None:
    """Style rule 1: the message names the place, the thing found, and what to write."""
    with pytest.raises(BinaryError, match=found) as refused:
        read_facts(data, "wasm/t.wasm")

    (fault,) = refused.value.faults
    assert fault.place == "wasm/t.wasm"
    assert fault.write


def test_a_name_in_a_message_is_escaped_and_cut() -> None:
    """Ours: a name in a binary is untrusted and reaches a terminal."""
    name = b"\x1b[31m" + b"a" * 90_000
    data = HEADER + section(2, b"\x01" + leb(len(name)) + name + b"\x00\x55")

    with pytest.raises(BinaryError) as refused:
        read_facts(data, "t.wasm")

    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_only_a_start_function_or_a_run_interface_makes_a_command() -> None:
    """Design §5: `interface = "command"` is wasi:cli/run or _start."""
    start = wasmtime.wat2wasm('(module (func (export "_start")))')
    other = wasmtime.wat2wasm('(module (func (export "start")))')
    typed = wasmtime.wat2wasm(
        '(component (instance $i) (export "wasi:cli/run@0.3.0" (instance $i)))'
    )

    assert read_facts(bytes(start), "t").is_command
    assert not read_facts(bytes(other), "t").is_command
    assert read_facts(bytes(wasmtime.wat2wasm(COMMAND)), "t").is_command
    assert not read_facts(bytes(typed), "t").is_command


def test_imports_that_wasmtime_has_switched_off_are_skipped_by_their_size() -> None:
    """Ours: sorts that wasmtime has switched off are read by the grammar, never misread."""
    value = b"\x00\x01v\x02\x01\x73"
    bound = b"\x00\x01w\x02\x00\x00"
    inside = b"\x00\x01c\x04\x00"

    facts = read_facts(COMPONENT_HEADER + section(10, b"\x03" + value + bound + inside), "t")
    assert [asked.interface for asked in facts.imports] == ["v", "w", "c"]


def test_a_mapped_file_can_be_closed_after_it_was_read(tmp_path: Path) -> None:
    """Ours: neither facts nor an error keep the mapping."""
    good, bad = tmp_path / "good.wasm", tmp_path / "bad.wasm"
    good.write_bytes(wasmtime.wat2wasm('(module (import "a" "b" (func)))'))
    bad.write_bytes(good.read_bytes()[:-1])

    for path in (good, bad):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            kept: object = None
            try:
                kept = read_facts(mapped, "t")
            except BinaryError as error:
                kept = error
            assert kept is not None
        assert mapped.closed
