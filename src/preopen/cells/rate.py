"""How many calls of a tool may begin in any minute. Pure: the clock is a parameter."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from preopen.outcome import Busy

WINDOW_NS: Final = 60 * 10**9  # `limits.rate` is a number of calls per minute
_NS_PER_MS: Final = 10**6


@dataclass(slots=True, eq=False)
class Rates:
    """Remembers when each tool's latest calls were let in; `clock` answers nanoseconds.

    A sliding window, and no token bucket: a bucket that starts full lets twice its size through in
    its first minute, and `rate = 10` is to mean that no minute sees an eleventh call. The price is
    a number for each call of the last minute, at most `rate` of them.
    """

    clock: Callable[[], int]
    _let_in: dict[str, deque[int]] = field(default_factory=dict)

    def count(self, tool: str, rate: int) -> Busy | None:
        """Count a call that is let in; or return when to retry, and count nothing."""
        now, let_in = self.clock(), self._let_in.setdefault(tool, deque())
        while let_in and now - let_in[0] >= WINDOW_NS:
            let_in.popleft()
        if len(let_in) < rate:
            let_in.append(now)
            return None
        wait_ns = let_in[-rate] + WINDOW_NS - now
        # Rounded up: who waits that long is let in.
        return Busy(limit="rate", limit_value=rate, retry_after_ms=-(-wait_ns // _NS_PER_MS))

    def take_back(self, tool: str) -> None:
        """Forget the call that was counted last: another limit refused it in the same turn."""
        self._let_in[tool].pop()
