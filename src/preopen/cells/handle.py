"""One cell as the server holds it: its channel, its pidfd, and how it ended."""

import contextlib
import os
import select
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from preopen.wire.async_channel import AsyncChannel
from preopen.wire.frames import Binary


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a cell's process ended. `status` is `waitpid`'s; None where nobody could reap it."""

    status: int | None = None
    cpu_ms: float = 0.0
    max_rss_bytes: int = 0

    @property
    def signal(self) -> int:
        """The signal that ended it, 0 for none."""
        ended = self.status is not None and os.WIFSIGNALED(self.status)
        return os.WTERMSIG(self.status) if ended and self.status is not None else 0


@dataclass(slots=True, kw_only=True, eq=False)
class Cell:
    """A living process. `pidfd` is -1 on platforms that have none.

    `knows` are the binaries that it has loaded; `layers` its wall,
    `missing` what this machine lacks of it; `walled` says that the wall stands.

    Whoever launched it hands it to one owner, who closes it: closing kills.
    """

    pid: int
    channel: AsyncChannel
    pidfd: int
    knows: set[Binary]
    layers: tuple[str, ...]
    missing: Mapping[str, str]
    walled: bool = False
    calls_left: int = 1
    closed: bool = False
    end: End | None = None
    _ended: anyio.Event = field(default_factory=anyio.Event)

    def kill(self) -> None:
        """Kill the process: by its pidfd, which never names another one, where there are such."""
        with contextlib.suppress(ProcessLookupError):
            if self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            elif self.end is None:
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process and give its descriptors back. A second time does nothing."""
        if self.closed:
            return
        self.closed = True
        self.kill()
        self.channel.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    @property
    def alive(self) -> bool:
        """Whether the process still runs, asked of the kernel where there are pidfds."""
        if self.end is not None or self.closed:
            return False
        return self.pidfd < 0 or not select.select([self.pidfd], [], [], 0)[0]

    def record(self, end: End) -> None:
        """Note how it ended, once; whoever waits in `ended` is told."""
        if self.end is None:
            self.end = end
            self._ended.set()

    async def ended(self) -> End:
        """Wait until the process was reaped, and return how it ended."""
        await self._ended.wait()
        return self.end or End()
