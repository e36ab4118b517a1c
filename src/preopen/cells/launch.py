"""Two ways to a new cell: forked by the zygote, or spawned as a fresh process. One interface.

What runs on one operating system only lives here: pidfds and fork on Linux.
"""

import os
import subprocess  # noqa: TC003 - dataclass fields are read at run time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from preopen.cells.handle import Cell, End
from preopen.cells.start import NETWORK, PLAIN, SPAWN, ZYGOTE, start
from preopen.cells.verdict import NOT_LOADED, UNLOADABLE
from preopen.cells.zygote import LAUNCH_SECONDS, LEAVING_SECONDS, LaunchError, Zygote
from preopen.layer import Layer
from preopen.wire.async_channel import AsyncChannel
from preopen.wire.channel import ChannelClosed, Socket, open_pair
from preopen.wire.codec import FrameError
from preopen.wire.frames import MAX_FORKS, Binary, Hello, Load


class Launcher(Protocol):
    """Makes cells. `layers` and those `missing` are known once a process has said hello.

    `greeted` is set then. Where one of the `required` layers is not up no cell is handed out.
    `owner` is the "uid:gid" that its cells become, "" where they stay who we are.
    """

    owner: str
    layers: tuple[str, ...]
    missing: Mapping[str, str]
    greeted: anyio.Event
    required: frozenset[Layer]

    def knows(self, binary: Binary) -> bool:
        """Whether a cell that is launched now would have loaded this binary."""

    async def load(self, binary: Binary, descriptor: int) -> None:
        """Have every later cell know this binary; raises LaunchError where it cannot be loaded."""

    async def retire(self, keep: Collection[Binary]) -> None:
        """Have later cells know these binaries at most."""

    async def launch(self, count: int) -> list[Cell]:
        """Return new cells, warming themselves: at least one, at most `count`."""

    def close(self) -> None:
        """Kill whatever was started."""


@dataclass(slots=True, eq=False)
class ZygoteLauncher:
    """Forks cells from one warm process, and starts that process again when it was lost."""

    tasks: TaskGroup | None = None
    owner: str = ""  # "uid:gid" for the zygote to become, "" to stay
    entry: str = ZYGOTE
    required: frozenset[Layer] = frozenset()
    has_network: bool = False
    layers: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    greeted: anyio.Event = field(default_factory=anyio.Event)
    _zygote: Zygote | None = None
    _closed: bool = False
    _starting: anyio.Lock = field(default_factory=anyio.Lock)

    def start(self) -> None:
        """Start the zygote's process, before there is a loop: it warms beside the imports."""
        process, here = _start(self)
        channel = AsyncChannel(here, max_descriptors=2 * MAX_FORKS)
        self._zygote = Zygote(process, channel, self.has_network)

    def with_network(self) -> "ZygoteLauncher":
        """Return the same for cells with a network; its process starts when one is wanted."""
        return ZygoteLauncher(
            owner=self.owner, entry=self.entry, required=self.required, has_network=True
        )

    def knows(self, binary: Binary) -> bool:  # noqa: D102 - as Launcher
        zygote = self._zygote
        return zygote is not None and not zygote.lost and binary in zygote.loaded

    async def load(self, binary: Binary, descriptor: int) -> None:  # noqa: D102 - as Launcher
        zygote = await self._ready()
        if binary not in zygote.loaded:
            await zygote.load(binary, descriptor)

    async def retire(self, keep: Collection[Binary]) -> None:  # noqa: D102 - as Launcher
        zygote = self._zygote
        if zygote is not None:
            for binary in zygote.loaded - set(keep):
                if not zygote.lost:
                    await zygote.forget(binary)

    async def launch(self, count: int) -> list[Cell]:  # noqa: D102 - as Launcher
        zygote = await self._ready()
        check_layers(self.required, zygote.layers, zygote.missing)
        return await zygote.fork(min(count, MAX_FORKS))

    def close(self) -> None:  # noqa: D102 - as Launcher
        self._closed = True
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    async def _ready(self) -> Zygote:
        zygote = self._zygote
        if zygote is not None and not zygote.lost and zygote.greeted.is_set():
            return zygote
        async with self._starting:
            if self._closed:  # a task that has not heard of the end yet must not start another
                raise LaunchError("the pool is closed")
            zygote = self._zygote
            if zygote is None or zygote.lost:
                if zygote is not None:
                    zygote.close()
                self.start()
                zygote = self._zygote
            assert zygote is not None and self.tasks is not None  # noqa: S101, PT018 - narrows types: start() made it, and the pool set tasks
            if not zygote.greeted.is_set():
                self.tasks.start_soon(zygote.read)
                await zygote.wait(zygote.greeted)
                self.layers, self.missing = zygote.layers, zygote.missing
                self.greeted.set()
            return zygote


@dataclass(slots=True, eq=False)
class SpawnLauncher:
    """Starts a fresh process for every cell: 0.2 s each, and no fork."""

    tasks: TaskGroup | None = None
    owner: str = ""
    entry: str = SPAWN
    required: frozenset[Layer] = frozenset()
    has_network: bool = False
    layers: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    greeted: anyio.Event = field(default_factory=anyio.Event)
    _loads: dict[Binary, int] = field(default_factory=dict)

    def start(self) -> None:
        """Do nothing: every cell is started when it is wanted."""

    def with_network(self) -> "SpawnLauncher":
        """Return the same for cells with a network."""
        return SpawnLauncher(
            owner=self.owner, entry=self.entry, required=self.required, has_network=True
        )

    def knows(self, binary: Binary) -> bool:  # noqa: D102 - as Launcher
        return binary in self._loads

    async def load(self, binary: Binary, descriptor: int) -> None:  # noqa: D102 - as Launcher
        if binary not in self._loads:
            self._loads[binary] = os.dup(descriptor)

    async def retire(self, keep: Collection[Binary]) -> None:  # noqa: D102 - as Launcher
        for binary in [each for each in self._loads if each not in keep]:
            os.close(self._loads.pop(binary))

    async def launch(self, count: int) -> list[Cell]:  # noqa: ARG002, D102 - as Launcher: one
        process, here = _start(self)
        pidfd = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
        cell = Cell(
            pid=process.pid,
            channel=AsyncChannel(here, max_descriptors=int(self.has_network)),
            pidfd=pidfd,
            knows=set(),
            layers=(),
            missing={},
        )
        assert self.tasks is not None  # noqa: S101 - narrows the type: the pool set it
        self.tasks.start_soon(_reap, process, cell)
        try:
            with anyio.fail_after(LAUNCH_SECONDS):
                await self._greet(cell)
        except (ChannelClosed, FrameError, TimeoutError) as error:
            raise await _never_ready(cell) from error
        except BaseException:
            cell.close()
            raise
        return [cell]

    async def _greet(self, cell: Cell) -> None:
        match await cell.channel.receive():
            case Hello(layers=layers, missing=missing):
                self.layers = cell.layers = layers
                self.missing = cell.missing = missing
                self.greeted.set()
            case _:
                msg = "not a greeting"
                raise FrameError(msg)
        check_layers(self.required, cell.layers, cell.missing)
        for binary in list(self._loads):  # one may be added meanwhile, or given up
            if binary in self._loads:
                await _send_load(cell, binary, self._loads[binary])

    def close(self) -> None:  # noqa: D102 - as Launcher
        for descriptor in self._loads.values():
            os.close(descriptor)
        self._loads.clear()


def _start(
    launcher: ZygoteLauncher | SpawnLauncher,
) -> tuple["subprocess.Popen[bytes]", Socket]:
    """Start an entry point, and return it with our end of the pair that it speaks over.

    Raises:
        PlatformError: the machine has no process for us.

    """
    here, there = open_pair()
    role = NETWORK if launcher.has_network else PLAIN
    try:
        return start(launcher.entry, [launcher.owner, role], there.fileno()), here
    except BaseException:
        here.close()
        raise
    finally:
        there.close()


async def _send_load(cell: Cell, binary: Binary, descriptor: int) -> None:
    """Have a cell load a binary; the descriptor may be closed by its owner meanwhile."""
    own = os.dup(descriptor)
    try:
        await cell.channel.send(Load(binary=binary), (own,))
    finally:
        os.close(own)
    cell.knows.add(binary)


async def _never_ready(cell: Cell) -> LaunchError:
    """Return why a fresh cell is of no use, as far as its end tells; close it."""
    with anyio.move_on_after(LEAVING_SECONDS):
        await cell.ended()
    end = cell.end
    cell.close()
    if end is not None and end.status is not None and end.status >> 8 == NOT_LOADED:
        return LaunchError(UNLOADABLE, may_pass=False)
    return LaunchError("a fresh cell ended before it was ready")


def check_layers(
    required: Collection[Layer], layers: Collection[str], missing: Mapping[str, str]
) -> None:
    """Return if every required layer was said to be up; one that nobody spoke of is not.

    Asked for each process that says hello: the machine may lack tomorrow what it had at the start.

    Raises:
        LaunchError: one is not, and nothing may run in such a cell.

    """
    lacking = [layer for layer in Layer if layer in required and layer not in layers]
    if lacking:
        why = "; ".join(
            f"{layer} ({missing.get(layer, 'nobody spoke of it')})" for layer in lacking
        )
        msg = f"the operator requires layers of the wall that this machine lacks: {why}"
        raise LaunchError(msg, may_pass=False)


async def _reap(process: "subprocess.Popen[bytes]", cell: Cell) -> None:
    """Wait for a spawned cell's end, without a thread where there are pidfds, and note it."""
    try:
        if not hasattr(os, "pidfd_open"):
            await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            cell.record(End())
            return
        watch = os.pidfd_open(process.pid)
        try:
            await anyio.wait_readable(watch)
        finally:
            os.close(watch)
        _, status, usage = os.wait4(process.pid, 0)  # noqa: ASYNC222 - it has ended: no wait
        process.returncode = os.waitstatus_to_exitcode(status)  # Popen must not wait again
        cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        cell.record(End(status=status, cpu_ms=cpu_ms, max_rss_bytes=usage.ru_maxrss << 10))
    finally:
        if process.returncode is None:  # we are shutting down
            process.kill()
            process.wait()
