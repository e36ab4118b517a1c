"""A guest's streams as the cell hears them; `tests/promises` shows that their limits hold."""

import ctypes
import errno

from preopen.sandbox import context
from preopen.sandbox.context import Streams, make_blank


def listen(streams: Streams) -> int:
    """Have a call's streams written to, and return by which number."""
    number = make_blank().number
    context._hear(number, streams)
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


def test_what_is_made_ahead_for_the_next_call_takes_nothing_from_this_one() -> None:
    """Ours: the pair; only when a call begins are its streams those that are heard."""
    streams = quiet()
    number = listen(streams)
    ahead = make_blank().number
    assert 3 == write(number, b"one")
    assert 3 == write(ahead, b"two")

    assert b"one" == bytes(streams.stdout)


def test_a_write_that_fails_here_is_told_to_the_guest() -> None:
    """Ours: what is raised into native code is printed and lost, and the write would count."""

    def fail(_streams: Streams) -> None:
        raise MemoryError

    number = listen(Streams(1, 1, fail))

    assert -errno.EIO == write(number, b"more")
