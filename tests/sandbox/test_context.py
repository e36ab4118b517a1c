"""A guest's streams as the cell hears them; `tests/promises` shows that their limits hold."""

import ctypes
import errno

from wasmtime import WasiConfig

from preopen.sandbox import context
from preopen.sandbox.context import Streams


def listen(streams: Streams) -> int:
    """Have a call's streams written to, and return by which number."""
    context._set_outputs(WasiConfig(), streams)
    (number,) = context._outputs
    return number


def write(number: int, text: bytes) -> int:
    """Write to stdout as a thread of wasmtime does, and return what it is told."""
    start = (ctypes.c_ubyte * len(text))(*text)
    return context._to_stdout(number, ctypes.cast(start, ctypes.POINTER(ctypes.c_ubyte)), len(text))


def quiet() -> Streams:
    """Return streams with room for ten bytes."""
    return Streams(10, 10, lambda _streams: None)


def test_what_is_written_late_for_an_earlier_call_reaches_no_later_one() -> None:
    """Ours: a guest may leave a write behind that a thread does when the next call has begun."""
    first, second = quiet(), quiet()
    number = listen(first)
    assert 3 == write(number, b"one")
    later = listen(second)
    assert 3 == write(number, b"two")
    assert 5 == write(later, b"three")

    assert b"one" == bytes(first.stdout)
    assert b"three" == bytes(second.stdout)


def test_a_write_that_fails_here_is_told_to_the_guest() -> None:
    """Ours: what is raised into native code is printed and lost, and the write would count."""

    def fail(_streams: Streams) -> None:
        raise MemoryError

    number = listen(Streams(1, 1, fail))

    assert -errno.EIO == write(number, b"more")
