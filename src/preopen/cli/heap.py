"""The C library's heap of a server that runs for days: what is large lies apart."""

import ctypes
import sys
from contextlib import suppress
from typing import Final

_TRIM: Final = -1  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_MMAP: Final = -3
LARGE_BYTES: Final = 256 << 10
SPARE_BYTES: Final = 2 << 20  # kept at its end: giving it back and taking it again costs time


def map_large_blocks_apart() -> None:
    """Have blocks from 256 KiB on mapped for themselves, and given back when they are freed.

    glibc begins so, and then keeps whatever was freed, up to 32 MiB, in the heap (mallopt(3)): one
    small block behind a guest's output keeps all of it. Where there is no such call all stays.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):
            library = ctypes.CDLL(None)
            library.mallopt(_MMAP, LARGE_BYTES)
            library.mallopt(_TRIM, SPARE_BYTES)
