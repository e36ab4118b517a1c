"""Who may run now and who waits: permits over all tools, shared so that no tool starves another.

No process and no clock here. One event loop, so no lock.
"""

from collections import deque
from dataclasses import dataclass, field

import anyio

from preopen.outcome import Busy

_RETRY_AFTER_MS = 1000  # there is no better guess: calls take from a millisecond to minutes


class Full(Exception):  # noqa: N818 - it becomes the outcome Busy
    """Raised when a queue is full; `busy` is the outcome that says which."""

    def __init__(self, busy: Busy) -> None:
        super().__init__()
        self.busy = busy


@dataclass(slots=True)
class _Line:
    """One tool's calls: how many run, and who waits, first come first."""

    running: int = 0
    concurrency: int = 1
    waiting: deque[anyio.Event] = field(default_factory=deque)


class Permits:
    """At most `total` calls at once, and at most its own `concurrency` for each tool.

    The last quarter of the permits is for tools that run nothing: however many endless calls some
    tools have, another tool's first call finds a place. A free permit goes to the waiting tool that
    runs the fewest.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._reserve = total // 4
        self._running = 0
        self._lines: dict[str, _Line] = {}

    @property
    def running(self) -> int:
        """How many calls hold a permit now."""
        return self._running

    async def take(self, tool: str, *, concurrency: int, queue: int) -> None:
        """Take one permit of this tool, after waiting for it behind at most `queue` others.

        Whoever returns from here gives it back, however the call ends.

        Raises:
            Full: that many wait already; it names `cells` where the tool's own limit left room.

        """
        line = self._lines.setdefault(tool, _Line())
        line.concurrency = concurrency
        if line.waiting or not self._may_start(line):
            await self._wait(tool, line, queue)
        else:
            self._start(line)

    def give_back(self, tool: str) -> None:
        """Give back one permit that `take` gave this tool; who waits for it may start."""
        line = self._lines[tool]
        self._running -= 1
        line.running -= 1
        self._admit()
        self._forget_idle(tool, line)

    def _forget_idle(self, tool: str, line: _Line) -> None:
        if not line.running and not line.waiting:
            self._lines.pop(tool, None)

    async def _wait(self, tool: str, line: _Line, queue: int) -> None:
        if len(line.waiting) >= queue:
            of_all = line.running < line.concurrency  # so it is the total that is used up
            limit, value = ("cells", self._total) if of_all else ("queue", queue)
            raise Full(Busy(limit=limit, limit_value=value, retry_after_ms=_RETRY_AFTER_MS))
        turn = anyio.Event()
        line.waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # admitted and cancelled in the same turn of the loop
                self.give_back(tool)
            else:
                line.waiting.remove(turn)
                self._forget_idle(tool, line)
            raise

    def _may_start(self, line: _Line) -> bool:
        free = self._total - self._running
        return line.running < line.concurrency and free > (self._reserve if line.running else 0)

    def _start(self, line: _Line) -> None:
        self._running += 1
        line.running += 1

    def _admit(self) -> None:
        while True:
            ready = [
                line for line in self._lines.values() if line.waiting and self._may_start(line)
            ]
            if not ready:
                return
            line = min(ready, key=lambda each: each.running)
            self._start(line)
            line.waiting.popleft().set()
