"""Descriptors that we share with others: borrowed for a while, and as before at the end."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def borrowed(descriptor: int, stand_in: int) -> Iterator[int]:
    """Yield a private duplicate while `descriptor` itself leads to `stand_in`."""
    inheritable = os.get_inheritable(descriptor)
    private = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        os.dup2(stand_in, descriptor, inheritable)
        try:
            yield private
        finally:
            os.dup2(private, descriptor, inheritable)
    finally:
        os.close(private)


@contextmanager
def unblocked(descriptor: int) -> Iterator[int]:
    """Yield a descriptor to the same place that does not block.

    O_NONBLOCK belongs to the open file, which a shell, its terminal and our own stderr may share:
    so a pipe or terminal is opened anew, and then not even a SIGKILL can leave the mode behind.
    Where that is not possible (a socket, no /proc) the mode is set, and set back at the end.
    """
    if not polls(descriptor):
        yield descriptor
        return
    with ExitStack() as stack:
        try:
            # O_NOCTTY: opening a terminal must not adopt it.
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:
            stack.callback(os.set_blocking, descriptor, os.get_blocking(descriptor))
            os.set_blocking(descriptor, False)
            own = descriptor
        else:
            stack.callback(os.close, own)
        yield own


def polls(descriptor: int) -> bool:
    """Return whether readiness can be awaited: epoll refuses files and the null device."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


def is_open(descriptor: int) -> bool:
    """Return whether a descriptor leads anywhere."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
