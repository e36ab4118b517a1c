"""One zygote process as the server holds it: what it has loaded, and the cells that it forked."""

import signal
import subprocess  # noqa: TC003 - dataclass fields are read at run time
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from preopen.cells.handle import Cell, End
from preopen.cells.verdict import NO_WALL
from preopen.wire.async_channel import AsyncChannel
from preopen.wire.channel import ChannelClosed
from preopen.wire.codec import FrameError
from preopen.wire.frames import Binary, Forget, Fork, Forked, Frame, Hello, Load, Loaded, Reaped

LAUNCH_SECONDS = (
    20  # a process that has not answered by then hangs; a cold start takes half a second
)


# Its channel ends a moment before it does; one that hangs is given up without its reason.
LEAVING_SECONDS = 0.2


class LaunchError(Exception):
    """Raised when no cell could be launched: the zygote or the fresh process ended or hangs.

    `may_pass` is False where another try would meet the same.
    """

    def __init__(self, message: str, *, may_pass: bool = True) -> None:
        super().__init__(message)
        self.may_pass = may_pass


@dataclass(slots=True, eq=False)
class _Batch:
    """Cells that were asked for together."""

    left: int
    made: list[Cell] = field(default_factory=list)
    done: anyio.Event = field(default_factory=anyio.Event)


@dataclass(slots=True, eq=False)
class Zygote:
    """One zygote process: its channel, what it has loaded, and its cells that live.

    Where it `has_network` each cell sends one descriptor: the socket that it listens on.
    """

    process: "subprocess.Popen[bytes]"
    channel: AsyncChannel
    has_network: bool = False
    loaded: set[Binary] = field(default_factory=set)
    layers: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    greeted: anyio.Event = field(default_factory=anyio.Event)
    lost: bool = False
    _sending: anyio.Lock = field(default_factory=anyio.Lock)
    _loads: dict[Binary, tuple[anyio.Event, list[str]]] = field(default_factory=dict)
    _forks: dict[int, _Batch] = field(default_factory=dict)
    _cells: dict[int, Cell] = field(default_factory=dict)
    _count: int = 0

    async def load(self, binary: Binary, descriptor: int) -> None:
        """Have every later cell know this binary."""
        pending = self._loads.get(binary)
        if pending is None:
            pending = self._loads[binary] = anyio.Event(), []
            await self._send(Load(binary=binary), (descriptor,))
        done, faults = pending
        await self.wait(done)
        if faults:
            msg = f"the compiled binary could not be loaded: {faults[0]}"
            raise LaunchError(msg, may_pass=False)

    async def forget(self, binary: Binary) -> None:
        """Have no later cell know this binary."""
        try:
            async with self._sending:  # so that a Load of it, if one is to follow, comes after this
                self.loaded.discard(binary)
                await self.channel.send(Forget(binary=binary))
        except (ChannelClosed, OSError):
            self._lose()

    async def fork(self, count: int) -> list[Cell]:
        """Return new cells, warming themselves."""
        first = self._count + 1
        self._count += count
        batch = _Batch(left=count)
        self._forks |= dict.fromkeys(range(first, first + count), batch)
        try:
            await self._send(Fork(first=first, count=count))
            await self.wait(batch.done)
        except BaseException:  # nobody will own the cells: not now, not when they come
            for number in range(first, first + count):
                self._forks.pop(number, None)
            for cell in batch.made:
                cell.close()
            raise
        return batch.made

    async def wait(self, event: anyio.Event) -> None:
        """Wait for something that the zygote is to say; a zygote that hangs is given up."""
        with anyio.move_on_after(LAUNCH_SECONDS):
            await event.wait()
        if self.lost or not event.is_set():
            self._lose()
            raise LaunchError(await self._why_lost())

    async def read(self) -> None:
        """Take the zygote's frames until it ends; then everything that waits for it is told."""
        try:
            while not self.lost:
                self._take(await self.channel.receive())
        except (ChannelClosed, FrameError, OSError):
            pass
        finally:
            self._lose()

    def close(self) -> None:
        """Kill the process and reap it; its cells die with it."""
        self._lose()
        self.process.kill()
        self.process.wait()

    async def _send(self, frame: Frame, beside: tuple[int, ...] = ()) -> None:
        try:
            async with self._sending:
                await self.channel.send(frame, beside)
        except (ChannelClosed, OSError) as error:
            self._lose()
            raise LaunchError(await self._why_lost()) from error

    def _take(self, frame: Frame) -> None:
        match frame:
            case Hello(layers=layers, missing=missing):
                self.layers, self.missing = layers, missing
                self.greeted.set()
            case Loaded(binary=binary, fault=fault):
                done, faults = self._loads.pop(binary)
                if fault:
                    faults.append(fault)
                else:
                    self.loaded.add(binary)
                done.set()
            case Forked(cell=number, pid=pid):
                self._take_cell(number, pid)
            case Reaped(cell=number):
                cell = self._cells.pop(number, None)
                if cell is not None:
                    cell.record(
                        End(
                            status=frame.status,
                            cpu_ms=frame.cpu_ms,
                            max_rss_bytes=frame.max_rss_bytes,
                        )
                    )
            case _:
                msg = "no frame of a zygote's"
                raise FrameError(msg)

    def _take_cell(self, number: int, pid: int) -> None:
        sock, pidfd = self.channel.taken
        cell = Cell(
            pid=pid,
            channel=AsyncChannel.from_descriptor(sock, max_descriptors=int(self.has_network)),
            pidfd=pidfd,
            knows=set(self.loaded),
            layers=self.layers,
            missing=self.missing,
        )
        self._cells[number] = cell
        pending = self._forks.pop(number, None)
        if pending is None:  # nobody waits any more
            cell.close()
            return
        pending.made.append(cell)
        pending.left -= 1
        if not pending.left:
            pending.done.set()

    async def _why_lost(self) -> str:
        with anyio.move_on_after(LEAVING_SECONDS):
            while self.process.poll() is None:  # noqa: ASYNC110 - a process sets no event
                await anyio.sleep(0.005)
        if self.process.returncode == NO_WALL:
            return "the zygote could not put up its wall; stderr of the server says why"
        return "the zygote was lost"

    def _lose(self) -> None:
        """Mark the zygote as lost: its cells die with it, and whoever waits for it learns so."""
        if self.lost:
            return
        self.lost = True
        self.greeted.set()
        for done, _ in self._loads.values():
            done.set()
        for batch in self._forks.values():
            batch.done.set()
        for cell in self._cells.values():
            cell.record(End(status=signal.SIGKILL))
        self._cells.clear()
        self.channel.close()
