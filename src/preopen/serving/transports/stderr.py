"""The log on standard error while a client is served: as much of it as is read, and no waiting.

A client writes what is worth a warning as often as it likes. One that leaves stderr unread would
stop a server that waits there, and such a server would not even hear that its input has ended.
"""

import logging
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager


class UnwaitingHandler(logging.Handler):
    """Writes what a descriptor takes at once; says later how many lines it did not take."""

    def __init__(self, descriptor: int = 2) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, or count it as lost."""
        try:
            text = self.format(record) + "\n"
            if self._lost:
                text = f"({self._lost} lines of the log are lost: nobody read them)\n{text}"
            if self._write(text.encode("utf-8", "replace")):
                self._lost = 0
            else:
                self._lost += 1
        except (OSError, ValueError, TypeError):  # nobody hears, or a bad record
            self._lost += 1

    def _write(self, data: bytes) -> bool:
        """Return whether anything was written; its end is cut off where there is no more room."""
        begun = False
        while data and self._poll.poll(0):
            # Where poll says "writable" this many bytes pass at once, without O_NONBLOCK, which
            # whoever shares the descriptor would have to live with.
            data = data[os.write(self._descriptor, data[: select.PIPE_BUF]) :]
            begun = True
        return begun


@contextmanager
def logging_without_waiting() -> Iterator[None]:
    """Send the log to standard error without waiting, unless somebody already takes it."""
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    handler = UnwaitingHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
