"""The zygote: imported wasmtime once, has one thread, loads binaries, forks cells, reaps them.

It never runs guest code itself, and it leaves when the server's end of its channel does. Started by
`cells/launch.py` with nothing in its environment.
"""

import gc
import os
import select
import signal
import sys
from dataclasses import dataclass, field

from preopen.sandbox.cell import serve_cell
from preopen.sandbox.engine import Shelf, WasmtimeError
from preopen.sandbox.privileges import forbid_dumps
from preopen.sandbox.process import become, end_with_parent
from preopen.sandbox.wall import Layer, Wall, WallError, probe_layers
from preopen.wire.channel import Channel, ChannelClosed, open_channel, open_pair
from preopen.wire.frames import Fork, Forked, FrameError, Hello, Load, Loaded, Reaped


@dataclass(slots=True)
class Zygote:
    """The server's channel, the loaded binaries, and the living cells: number and pidfd by pid."""

    channel: Channel
    missing: dict[Layer, str]
    inherited: tuple[Layer, ...]
    shelf: Shelf = field(default_factory=Shelf)
    cells: dict[int, tuple[int, int]] = field(default_factory=dict)

    def serve(self) -> None:
        """Take frames and reap cells until the server leaves."""
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        wakeup = _wake_on_child(poll)
        self.channel.send(greeting(self.missing))
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if wakeup in ready:
                os.read(wakeup, 4096)
                self._reap()
            if self.channel.fileno() in ready:
                self._take()
                while self.channel.holds_frame:  # poll tells nothing of what is read already
                    self._take()

    def _take(self) -> None:
        match self.channel.receive():
            case Load(binary=binary):
                (descriptor,) = self.channel.taken
                self.channel.send(Loaded(binary=binary, fault=self._load(binary, descriptor)))
            case Fork(cell=number):
                self._fork(number)
            case frame:
                msg = f"the zygote takes no {type(frame).__name__}"
                raise FrameError(msg)

    def _load(self, binary: object, descriptor: int) -> str:
        try:
            self.shelf.load(binary, descriptor)  # type: ignore[arg-type]  # a Load's, checked by its frame
        except WasmtimeError as error:
            return str(error).strip().splitlines()[0]
        finally:
            os.close(descriptor)
        return ""

    def _fork(self, number: int) -> None:
        here, there = open_pair()
        zygote = os.getpid()
        gc.freeze()  # a collection in the cell would copy every page of what it shares with us
        pid = os.fork()
        if pid == 0:
            try:
                here.close()
                self._forget_the_server()
                start_cell(Channel(there), self.shelf, self.missing, zygote, self.inherited)
            finally:
                os._exit(70)  # EX_SOFTWARE: only a bug of ours gets here
        there.close()  # else a cell that dies gives no end of file
        pidfd = os.pidfd_open(pid)
        self.cells[pid] = number, pidfd
        self.channel.send(Forked(cell=number, pid=pid), (here.fileno(), pidfd))
        here.close()

    def _forget_the_server(self) -> None:
        """In a new cell: close every descriptor that is the zygote's business."""
        self.channel.close()
        for _, pidfd in self.cells.values():
            os.close(pidfd)

    def _reap(self) -> None:
        while self.cells:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            known = self.cells.pop(pid, None)
            if known is None:
                continue
            number, pidfd = known
            os.close(pidfd)
            cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
            self.channel.send(
                Reaped(
                    cell=number, status=status, cpu_ms=cpu_ms, max_rss_bytes=usage.ru_maxrss << 10
                )
            )


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
    inherited: tuple[Layer, ...] = (),
) -> None:
    """In a fresh process: build the wall as far as it goes ahead of need, then answer calls."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        wall = Wall.prepare(missing, parent, inherited)
    except WallError as error:
        sys.stderr.write(f"preopen: a cell could not prepare its wall: {error}\n")
        sys.stderr.flush()
        os._exit(71)  # EX_OSERR: `cells/verdict.py` reads it
    serve_cell(channel, shelf, wall)


def _wake_on_child(poll: "select.poll") -> int:
    """Return a descriptor that becomes readable when a cell ends: SIGCHLD writes a byte to it."""
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll.register(readable, select.POLLIN)
    return readable


def main(arguments: list[str]) -> None:
    """Be the zygote: `arguments` are the channel's descriptor, the server's pid, `uid:gid`."""
    descriptor, server, owner = int(arguments[0]), int(arguments[1]), arguments[2]
    end_with_parent(server)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the server, which then closes our channel
    become(owner)
    missing = {layer: why for layer, why in probe_layers().items() if why}
    zygote = Zygote(open_channel(descriptor), missing, Wall.raise_for_children(missing))
    forbid_dumps()  # nobody else's business either; a cell forked from here starts so
    gc.disable()  # nothing here makes cycles, and a collection would copy what the cells share
    try:
        zygote.serve()
    except (ChannelClosed, FrameError):
        os._exit(0)  # the cells' parent-death signal ends them
