"""Binaries that are made to harm whoever compiles them, a few lines of bytes each.

Each is a command in its outermost sections, so that it gets as far as the compiler.
"""

import random
from itertools import repeat

import wasmtime

from preopen.selftest.bombs import (
    CODE,
    END,
    EXPORT,
    FUNCTION,
    MEMORY,
    MODULE,
    NOTHING_TO_NOTHING,
    TYPE,
    body,
    leb,
    name,
    section,
    vector,
)

COMPONENT = b"\0asm\x0d\0\x01\0"
IMPORT, TABLE, START, DATA = 2, 4, 8, 11
NESTED_COMPONENT = 4


def command(
    code: bytes = b"", *, functions: int = 1, locals_: bytes = b"\x00", **more: bytes
) -> bytes:
    """Return a command whose every function has this code; `more` are contents of sections.

    Keys of `more`: `types`, `tables`, `memories`, `start`, `data`, in place of the plain ones.
    """
    exported = name("_start") + b"\x00\x00"
    parts = [
        (TYPE, more.get("types", vector([NOTHING_TO_NOTHING], 1))),
        (FUNCTION, vector(repeat(b"\x00", functions), functions)),
        (TABLE, more.get("tables", b"")),
        (MEMORY, more.get("memories", b"")),
        (EXPORT, vector([exported], 1)),
        (START, more.get("start", b"")),
        (CODE, vector(repeat(body(code, locals_), functions), functions)),
        (DATA, more.get("data", b"")),
    ]
    return MODULE + b"".join(section(number, content) for number, content in parts if content)


def long_body(size: int = 10 << 20) -> bytes:
    """Return one function that adds and stores, over and over."""
    step = b"\x41\x00\x41\x00\x28\x02\x00\x41\x01\x6a\x36\x02\x00"  # memory[0] = memory[0] + 1
    return command(step * (size // len(step)), memories=b"\x01\x00\x01")


def many_functions(count: int = 100_000) -> bytes:
    """Return many functions, each of which does a little."""
    return command(b"\x41\x2a\x1a", functions=count)


def huge_memory(flags: int, pages: int) -> bytes:
    """Return a memory that begins with this many pages; with flags 0x04 it counts in 64 bits."""
    return command(memories=b"\x01" + bytes([flags]) + leb(pages))


def huge_table(elements: int = 2**32 - 1) -> bytes:
    """Return a table of functions that begins with this many elements."""
    return command(tables=b"\x01\x70\x00" + leb(elements))


def spinning_start() -> bytes:
    """Return a start function that never ends: to instantiate it is to run it."""
    return command(b"\x03\x40\x0c\x00\x0b", start=b"\x00")


def many_types(count: int = 1_000_000) -> bytes:
    """Return a section that holds one function type, again and again."""
    return command(types=vector(repeat(NOTHING_TO_NOTHING, count), count))


def branch_tables(count: int = 8, arms: int = 64_000, values: int = 50) -> bytes:
    """Return tables of branches, each arm of which carries many values out of a block."""
    carried = b"\x60\x00" + leb(values) + b"\x7f" * values
    push = b"\x41\x00\x28\x02\x00" * values  # loaded, or the compiler would know them
    arm_of = b"\x41\x00\x28\x02\x00\x0e" + leb(arms) + b"\x00" * (arms + 1)
    one = b"\x02\x01" + push + arm_of + END + b"\x1a" * values
    types = vector([NOTHING_TO_NOTHING, carried], 2)
    return command(one * count, types=types, memories=b"\x01\x00\x01")


def deep_blocks(depth: int = 100_000) -> bytes:
    """Return blocks in blocks."""
    return command(b"\x02\x40" * depth + END * depth)


def claimed_names(size: int = 100 << 20) -> bytes:
    """Return a name section whose one name says that it is longer than the file."""
    names = b"\x00" + leb(size + 5) + leb(size) + b"a"
    return command() + section(0, name("name") + names)


def claimed_data(size: int = 100 << 20) -> bytes:
    """Return a data segment that says that it is longer than the file."""
    return command(memories=b"\x01\x00\x01", data=b"\x01\x00\x41\x00\x0b" + leb(size) + b"a")


def sparse_data(count: int = 90) -> bytes:
    """Return many memories of 16 MiB, the first and the last byte of each given."""
    far = b"\x41" + b"\xff\xff\xff\x07" + END  # i32.const 16 MiB - 1
    segments = []
    for number in range(count):
        segments.append(b"\x02" + leb(number) + b"\x41\x00\x0b\x01a")
        segments.append(b"\x02" + leb(number) + far + b"\x01a")
    return command(
        memories=vector(repeat(b"\x00" + leb(256), count), count), data=vector(segments, 2 * count)
    )


def nested_components(depth: int = 1_000) -> bytes:
    """Return components in components, beside what makes the outermost a command."""
    inner = COMPONENT
    for _ in range(depth):
        inner = COMPONENT + section(NESTED_COMPONENT, inner)
    return good_component() + section(NESTED_COMPONENT, inner)


def good_component() -> bytes:
    """Return a component that runs and says nothing."""
    text = """(component
      (core module $m (func (export "run") (result i32) i32.const 0))
      (core instance $i (instantiate $m))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $cli (export "run" (func $run)))
      (export "wasi:cli/run@0.2.3" (instance $cli)))"""
    return bytes(wasmtime.wat2wasm(text))


def truncated(data: bytes) -> bytes:
    """Return all but the last byte of a binary, whose last section then says too much."""
    return data[:-1]


def random_bytes(seed: int = 5) -> bytes:
    """Return 1 MiB of anything."""
    return random.Random(seed).randbytes(1 << 20)  # noqa: S311 - the same at every run


def random_code(seed: int = 5) -> bytes:
    """Return a command whose code section holds random bytes."""
    noise = random_bytes(seed)
    return command()[: -len(section(CODE, vector([body(b"")], 1)))] + section(CODE, noise)


def unknown_imports(count: int = 90_000) -> bytes:
    """Return imports that nobody offers."""
    one = name("env") + name("gone") + b"\x00\x00"
    imports = section(IMPORT, vector(repeat(one, count), count))
    good = command()
    after_types = len(MODULE) + len(section(TYPE, vector([NOTHING_TO_NOTHING], 1)))
    return good[:after_types] + imports + good[after_types:]
