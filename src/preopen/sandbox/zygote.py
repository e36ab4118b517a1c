"""The zygote: imported wasmtime once, has one thread, loads binaries, forks cells, reaps them.

It never runs anybody's guest, only an empty one of ours to rehearse, and it leaves when the
server's end of its channel does. Started by `cells/launch.py` with nothing of ours or the user's in
its environment but four settings of libraries.
"""

import gc
import os
import select
import sys
from dataclasses import dataclass, field
from typing import NoReturn

from preopen.sandbox.cell import ReadyGuest, ready_guest, rehearse_alone, serve_cell
from preopen.sandbox.engine import Shelf, WasmtimeError
from preopen.sandbox.http_gate import HttpGate
from preopen.sandbox.privileges import forbid_dumps
from preopen.sandbox.process import begin_for_cells
from preopen.sandbox.wall import Layer, Wall, WallError, probe_layers
from preopen.wire.channel import Channel, ChannelClosed, Socket, open_channel, open_pair
from preopen.wire.codec import FrameError
from preopen.wire.frames import (
    MAX_FORKS,
    Binary,
    Forget,
    Fork,
    Forked,
    Frame,
    Hello,
    Load,
    Loaded,
    Reaped,
)
from preopen.wire.starters import ASKS_NOTHING

# Only a call that was cut short waits to hear of its cell's end; for the others it is told together
# with the next cells.
_REAP_LATER_MS = 20
NETWORK = "network"  # `cells/start.py` says it: cells with a network namespace of their own each
_NO_WALL = 71  # EX_OSERR: `cells/verdict.py` and `cells/zygote.py` read it
_REHEARSALS = 20  # CPython 3.11 takes a function's shortcuts after eight calls, and some more


@dataclass(slots=True)
class Zygote:
    """The server's channel, the loaded binaries, and the living cells: number and pid by pidfd.

    Between two forks this does as little as it can: each page that it writes was made the cells'
    own copy by the fork before, and costs a fault. So it learns of a cell's end by polling its
    pidfd, and no signal has a handler here that a cell would have to take off.
    """

    channel: Channel
    missing: dict[Layer, str]
    inherited: tuple[Layer, ...]
    shelf: Shelf
    ready: ReadyGuest = ready_guest
    cells: dict[int, tuple[int, int]] = field(default_factory=dict)
    reaped: list[Reaped] = field(default_factory=list)
    poll: "select.poll" = field(default_factory=select.poll)

    def serve(self) -> None:
        """Take frames and reap cells until the server leaves."""
        server = self.channel.fileno()
        self.poll.register(server, select.POLLIN)
        self.channel.send(greeting(self.missing))
        while True:
            ready = self.poll.poll(_REAP_LATER_MS if self.reaped else None)
            if not ready:
                self.channel.send_all(self._reaped())
            for descriptor, _ in ready:
                if descriptor != server:
                    self._reap(descriptor)
                    continue
                self._take()
                while self.channel.holds_frame:  # poll tells nothing of what is read already
                    self._take()

    def _take(self) -> None:
        match self.channel.receive():
            case Fork(first=first, count=count):
                self._fork(range(first, first + min(count, MAX_FORKS)))
            case Load(binary=binary):
                (descriptor,) = self.channel.taken
                self.channel.send(Loaded(binary=binary, fault=self._load(binary, descriptor)))
            case Forget(binary=binary):
                self.shelf.forget(binary)
            case frame:
                msg = f"the zygote takes no {type(frame).__name__}"
                raise FrameError(msg)

    def _load(self, binary: Binary, descriptor: int) -> str:
        try:
            self.shelf.load(binary, descriptor)
        except WasmtimeError as error:
            return str(error).strip().splitlines()[0]
        finally:
            os.close(descriptor)
        if binary == ASKS_NOTHING.binary:
            for _ in range(_REHEARSALS):
                rehearse_alone(self.shelf)
        return ""

    def _fork(self, numbers: range) -> None:
        """Make several cells: between two forks in a row hardly a page has to be copied again."""
        made: list[tuple[Forked, Socket, int]] = []
        for number in numbers:
            here, there = open_pair()
            pid = self._fork_one(there, [here, *(sock for _, sock, _ in made)])
            there.close()  # else a cell that dies gives no end of file
            pidfd = os.pidfd_open(pid)
            self.cells[pidfd] = number, pid
            made.append((Forked(cell=number, pid=pid), here, pidfd))
        told = [(frame, (here.fileno(), pidfd)) for frame, here, pidfd in made]
        self.channel.send_all([*told, *self._reaped()])
        for _, here, pidfd in made:
            here.close()
            self.poll.register(pidfd, select.POLLIN)  # readable when the process has ended

    def _fork_one(self, there: Socket, servers: list[Socket]) -> int:
        """Fork a cell that talks over `there`; `servers` are the server's ends, also of others."""
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                for here in servers:
                    here.close()
                self._forget_the_server()
                start_cell(
                    Channel(there),
                    self.shelf,
                    self.missing,
                    zygote,
                    inherited=self.inherited,
                    ready=self.ready,
                )
            finally:
                os._exit(70)  # EX_SOFTWARE: only a bug of ours gets here
        return pid

    def _forget_the_server(self) -> None:
        """In a new cell: close every descriptor that is the zygote's business."""
        self.channel.close()
        for pidfd in self.cells:
            os.close(pidfd)

    def _reap(self, pidfd: int) -> None:
        number, pid = self.cells.pop(pidfd)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        self.reaped.append(
            Reaped(cell=number, status=status, cpu_ms=cpu_ms, max_rss_bytes=usage.ru_maxrss << 10)
        )

    def _reaped(self) -> list[tuple[Frame, tuple[int, ...]]]:
        """Return what there is to say of cells that have ended."""
        told: list[tuple[Frame, tuple[int, ...]]] = [(frame, ()) for frame in self.reaped]
        self.reaped.clear()
        return told


def gate_for(role: str) -> HttpGate | None:
    """Return the gate of cells whose role is "network"; those of any other have no wasi:http."""
    return HttpGate() if role == NETWORK else None


def greeting(missing: dict[Layer, str]) -> Hello:
    """Return what the server is told first: the layers of every cell to come."""
    return Hello(
        layers=tuple(layer.value for layer in Layer if layer not in missing),
        missing={layer.value: why for layer, why in missing.items()},
    )


def start_cell(
    channel: Channel,
    shelf: Shelf,
    missing: dict[Layer, str],
    parent: int,
    *,
    inherited: tuple[Layer, ...] = (),
    ready: ReadyGuest = ready_guest,
) -> None:
    """In a fresh process: build the wall as far as it goes ahead of need, then answer calls."""
    try:
        wall = Wall.prepare(missing, parent, inherited)
    except WallError as error:
        leave_without_wall("a cell could not prepare its", error)
    serve_cell(channel, shelf, wall, ready)


def leave_without_wall(what: str, error: WallError) -> NoReturn:
    """Say on the server's standard error which layer failed, and end without having run a guest."""
    sys.stderr.write(f"preopen: {what} wall: {error}\n")
    sys.stderr.flush()
    os._exit(_NO_WALL)


def main(arguments: list[str], ready: ReadyGuest = ready_guest) -> None:
    """Be the zygote: `arguments` are channel's descriptor, server's pid, `uid:gid`, role."""
    descriptor, server, owner = int(arguments[0]), int(arguments[1]), arguments[2]
    gate = gate_for(arguments[3])
    begin_for_cells(server, owner)
    missing = {layer: why for layer, why in probe_layers().items() if why}
    try:
        inherited = Wall.raise_for_children(missing, with_network=gate is not None)
    except WallError as error:
        leave_without_wall("the zygote could not put up its", error)
    zygote = Zygote(open_channel(descriptor), missing, inherited, Shelf(gate), ready)
    forbid_dumps()  # nobody else's business either; a cell forked from here starts so
    gc.disable()  # nothing here makes cycles, and a collection would copy what the cells share
    gc.freeze()  # nor does one in a cell
    try:
        zygote.serve()
    except (ChannelClosed, FrameError):
        os._exit(0)  # the cells' parent-death signal ends them
