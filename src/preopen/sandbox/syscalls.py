"""Calls to the kernel that Python's library lacks, by ctypes. Nothing happens at import."""

import ctypes
import functools
import os


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: int | bytes) -> int:
    """Return what libc's function `name` returns.

    Bytes are passed by their address, and the kernel only ever reads them. Numbers are passed as
    `long`: ctypes would cut them to `int`, and `syscall` and `prctl` read whole registers.

    Raises:
        OSError: it returned a negative number; the message is its name and what errno means.

    """
    values = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
    result: int = getattr(_libc(), name)(*values)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def prctl(option: int, *arguments: int | bytes) -> int:
    """Return what `prctl` returns; the kernel refuses unused arguments that are not zero."""
    return call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


def address_of(buffer: bytes) -> int:
    """Return where `buffer` lies, for a structure that points to it. The caller keeps it alive."""
    return ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value or 0
