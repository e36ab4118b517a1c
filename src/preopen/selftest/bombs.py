"""Binaries that are made to harm whoever compiles them, a few lines of bytes each. Pure.

Each is a command in its outermost sections, so that it gets as far as the compiler.
"""

from collections.abc import Iterable
from itertools import repeat
from typing import Final

MODULE: Final = b"\0asm\x01\0\0\0"
TYPE, FUNCTION, MEMORY, EXPORT, CODE = 1, 3, 5, 7, 10
NOTHING_TO_NOTHING: Final = b"\x60\x00\x00"
END: Final = b"\x0b"
_SEVEN_BITS: Final = 0x7F
_LOAD: Final = b"\x41\x00\x28\x02\x00"  # memory[0]: a compiler cannot know it
_STEP: Final = b"\x41\x00" + _LOAD + b"\x41\x01\x6a\x36\x02\x00"  # memory[0] = memory[0] + 1
_STEPS: Final = 600  # of one function, 8 KB: what compiling it takes is given back after each


def leb(value: int) -> bytes:
    """Return an unsigned number as wasm writes it."""
    out = bytearray()
    while value > _SEVEN_BITS:
        out.append(value & _SEVEN_BITS | 0x80)  # more will come
        value >>= 7
    return bytes([*out, value])


def section(number: int, content: bytes) -> bytes:
    """Return a section, whose size is the true one."""
    return bytes([number]) + leb(len(content)) + content


def vector(parts: Iterable[bytes], count: int) -> bytes:
    """Return a section's content: how many entries, and the entries."""
    return leb(count) + b"".join(parts)


def name(text: str) -> bytes:
    """Return a name: how many bytes, and the bytes."""
    return leb(len(text)) + text.encode()


def body(code: bytes, locals_: bytes = b"\x00") -> bytes:
    """Return the body of a function: its locals, its code, its end."""
    inner = locals_ + code + END
    return leb(len(inner)) + inner


def much_code(functions: int) -> bytes:
    """Return functions that add and store, over and over: each takes 10 ms to compile."""
    return _command(repeat(body(_STEP * _STEPS), functions), functions)


def nested_loops(count: int) -> bytes:
    """Return loops in loops, with as many locals that stay in use through all of them.

    What a compiler has to know of each local in each loop grows with the square: 25 KB take 40 MB,
    130 KB more than 2 GiB.
    """
    numbers = [leb(number) for number in range(count)]
    code = b"".join(_LOAD + b"\x21" + number for number in numbers)
    code += (b"\x03\x40" + _LOAD + b"\x0d\x00") * count + END * count
    code += b"".join(b"\x41\x00\x20" + number + b"\x36\x02\x00" for number in numbers)
    return _command([body(code, leb(1) + leb(count) + b"\x7f")], 1)


def no_code() -> bytes:
    """Return what is a command by its sections, and whose code is no instruction that there is."""
    return _command([body(b"\xff" * 16)], 1)


def _command(bodies: Iterable[bytes], count: int) -> bytes:
    """Return a command of these functions, the first of which is run, with a memory of one page."""
    parts = [
        (TYPE, vector([NOTHING_TO_NOTHING], 1)),
        (FUNCTION, vector(repeat(b"\x00", count), count)),
        (MEMORY, b"\x01\x00\x01"),
        (EXPORT, vector([name("_start") + b"\x00\x00"], 1)),
        (CODE, vector(bodies, count)),
    ]
    return MODULE + b"".join(section(number, content) for number, content in parts)
