"""One cell as the server holds it: its channel, its pidfd, and how it ended."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from preopen.wire.async_channel import AsyncChannel
from preopen.wire.codec import FrameError
from preopen.wire.frames import Binary, Listening


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
    `missing` what this machine lacks of it; `walled` says that the wall stands. `listener` is the
    socket that a cell with a network has bound, -1 until `listen` has it.

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
    nicer_by: int = 0
    listener: int = -1
    end: End | None = None
    _ended: anyio.Event = field(default_factory=anyio.Event)

    def kill(self) -> None:
        """Kill the process: by its pidfd, which never names another one, where there are such."""
        with contextlib.suppress(ProcessLookupError):
            if self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            elif self.end is None:
                os.kill(self.pid, signal.SIGKILL)

    def cpu_ms(self) -> float:
        """Return the CPU time that the process has used; 0 where the kernel does not tell."""
        if self.pidfd < 0:
            return 0.0
        try:
            return time.clock_gettime((~self.pid << 3) | 2) * 1000  # clock_getcpuclockid(3)
        except OSError:  # it has ended
            return 0.0

    def give_way(self, nicer_by: int) -> None:
        """Be nicer than a cell at its begin by so many steps; there is no way back.

        By pid, for the kernel takes no pidfd here: were it another's by now, that one is slower.
        """
        more = nicer_by - self.nicer_by
        if more <= 0 or not self.alive:
            return
        self.nicer_by = nicer_by
        with contextlib.suppress(OSError):
            nice = min(os.getpriority(os.PRIO_PROCESS, self.pid) + more, 19)
            for thread in Path(f"/proc/{self.pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)

    def close(self) -> None:
        """Kill the process and give its descriptors back. A second time does nothing."""
        if self.closed:
            return
        self.closed = True
        self.kill()
        self.channel.close()
        for descriptor in (self.pidfd, self.listener):
            if descriptor >= 0:
                os.close(descriptor)
        self.pidfd = self.listener = -1

    async def listen(self) -> int:
        """Return the socket that a cell with a network listens on; it stays the cell's.

        It is the first thing that such a cell says, and the last descriptor that it can send.

        Raises:
            ChannelClosed: the cell has ended.
            FrameError: it said something else.

        """
        if self.listener < 0:
            match await self.channel.receive():
                case Listening() if len(self.channel.taken) == 1:
                    (self.listener,) = self.channel.taken
                    self.channel.take_no_more_descriptors()
                case frame:
                    msg = f"a cell that is to listen says {type(frame).__name__}"
                    raise FrameError(msg)
        return self.listener

    @property
    def gave_way(self) -> bool:
        """Whether it computes behind those that have not."""
        return self.nicer_by > 0

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
