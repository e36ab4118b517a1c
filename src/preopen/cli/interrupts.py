"""Ctrl-C where there is nothing to clean up yet: the process ends, without a word of Python's."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

INTERRUPTED: Final = 130  # as shells say it: 128 + SIGINT


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End this process by Ctrl-C: for imports, which would print a traceback, or lose the signal.

    A KeyboardInterrupt within the import system's own callbacks is printed and ignored. What was
    started before is tied to this process and ends with it. Where Ctrl-C is ignored, or somebody
    else's, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
