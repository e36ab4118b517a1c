"""One cell: calls in, answers out, behind a wall. The order of every step here is design §3's.

Ahead of need: all that starts no thread. On the first call: mount, wall, threads, limits, run. A
single-use cell ends there; a tool-bound one takes further calls behind the wall that it has.
"""

import functools
import gc
import json
import os
import resource
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple, NoReturn, TypeAlias

from wasmtime import Store, WasiConfig

from preopen.capability import Access, Limits, Reach
from preopen.sandbox.ahead import Ahead
from preopen.sandbox.command import OUT_OF_FUEL, Ended, limit_store, run_command
from preopen.sandbox.context import Streams, make_context
from preopen.sandbox.engine import Shelf, WasmtimeError
from preopen.sandbox.modes import close_umask, note_modes, restore_modes
from preopen.sandbox.netns import open_listener
from preopen.sandbox.process import look_up_calls, stay_on_one_cpu
from preopen.sandbox.wall import Sockets, Wall, WallError
from preopen.wire.channel import Channel, ChannelClosed
from preopen.wire.codec import PREFIX, FrameError, decode, encode
from preopen.wire.frames import Answer, Binary, Call, Listening, Load, Rule
from preopen.wire.starters import ASKS_ARGUMENTS, ASKS_NOTHING, ASKS_STATUS, Starter


def _nothing() -> None:
    """Leave all as it is."""


class Guest(NamedTuple):
    """What is done between limits and answer, and what clears away after the answer has left."""

    run: Callable[[], Ended]
    close: Callable[[], None] = _nothing


# There is one in the product; the self-test's entry point has native code in its place.
ReadyGuest: TypeAlias = Callable[[Ahead, Call, WasiConfig, Streams, Channel], Guest]

_STARTER_LIMITS = Limits()
_NOT_LOADED = 65  # EX_DATAERR: `cells/verdict.py` reads it


def ready_guest(
    ahead: Ahead, call: Call, wasi: WasiConfig, _streams: Streams, channel: Channel
) -> Guest:
    """Return what runs the call's guest in wasmtime; what is ours in its Store is there already."""
    store, entry, loaded = ahead.take(call.binary, call.limits)
    store.set_wasi(wasi)
    if entry is None:
        ours = ahead.shelf.enter_gate(store, call.binary, channel, call.gateway_port)
        limit_store(store, loaded, call.limits, instances_before=ours)
    return Guest(partial(run_command, store, loaded, call.limits, entry), store.close)


def serve_cell(
    channel: Channel, shelf: Shelf, wall: Wall, ready: ReadyGuest = ready_guest
) -> NoReturn:
    """Answer calls until none is left or the server has gone, then end the process.

    Always by `os._exit`: a normal exit after file work prints a panic of wasmtime's runtime.
    """
    try:
        _serve(channel, shelf, wall, ready)
    except (ChannelClosed, FrameError):
        pass
    finally:
        os._exit(0)


def _serve(channel: Channel, shelf: Shelf, wall: Wall, ready: ReadyGuest) -> None:
    ahead = Ahead(shelf)
    if not channel.has_more():  # else somebody waits already, and rehearsing would be in the way
        _rehearse(channel, ahead, wall)
    if shelf.gate is not None:
        listener = open_listener()
        channel.send(Listening(), (listener,))
        os.close(listener)
    walled = False
    while True:
        match channel.receive():
            case Load(binary=binary):
                (descriptor,) = channel.taken
                load_or_leave(shelf, binary, descriptor)
            case Call() as call:
                if call.mounts and not walled:
                    # Not before: the kernel woke it where there is room, and it may have been made
                    # where a cell that is being warmed computes now.
                    stay_on_one_cpu()
                clear_away = _answer(channel, ahead, wall, call, ready, walled=walled)
                walled = True
                if call.calls_left <= 1:
                    return  # and the kernel clears away
                clear_away()
                ahead.prepare(call.binary, call.limits, is_inert=call.is_inert)
                gc.enable()  # what one call leaves behind is not to be there in the hundredth
            case _:
                return


def load_or_leave(shelf: Shelf, binary: Binary, descriptor: int) -> None:
    """Load a compiled binary and close its descriptor; where it cannot be loaded say so and end.

    In one line on the server's standard error: nothing else can be of use to whoever reads it.
    """
    try:
        shelf.load(binary, descriptor)
    except WasmtimeError as error:
        reason = str(error).strip().partition("\n")[0]
        sys.stderr.write(f"preopen: a cell could not load a compiled binary: {reason}\n")
        sys.stderr.flush()
        os._exit(_NOT_LOADED)
    os.close(descriptor)


def rehearse_alone(shelf: Shelf) -> None:
    """In the zygote: do what a call will do, as far as it needs no WASI; once is not enough.

    The interpreter then has its shortcuts for this code, and no cell has to find them, each in
    pages of its own. No WasiConfig may be made here: with the first one wasmtime seeds what it
    draws a guest's random bytes from, and every cell would go on from the same seed.
    """
    call = _rehearsed(ASKS_NOTHING)
    _run_starter(shelf, call.binary, None)
    encode(Answer(end="exited", cpu_ms=_cpu_ms()))
    _rehearsed(ASKS_ARGUMENTS)
    look_up_calls()


def _rehearse(channel: Channel, ahead: Ahead, wall: Wall) -> None:
    """In a cell: do what a call will do, as far as it starts no thread.

    What that touches is copied from the zygote now and not while somebody waits.
    """
    call = _rehearsed(ASKS_ARGUMENTS)
    act = _Act(channel, call)
    wasi = make_context(call, act.streams)
    with suppress(OSError):  # a call will tell
        wall.rehearse()
    ended = _run_starter(ahead.shelf, call.binary, wasi)
    encode(act.answer(_end_of(ended), ended))
    ahead.prepare(call.binary, call.limits, is_inert=False)  # another's: a Store is all it can use


def _rehearsed(starter: Starter) -> Call:
    """Return the call that is rehearsed; it mounts nothing, as one that was only read would."""
    call = decode(_rehearsal(starter), b"", (0,))
    assert isinstance(call, Call)  # noqa: S101 - narrows the type
    return replace(call, mounts=(), rules=())


@functools.cache  # filled in the zygote
def _rehearsal(starter: Starter) -> bytes:
    call = Call(
        binary=starter.binary,
        argv=("rehearsal",),
        environment=(),
        mounts=(),
        rules=(Rule(descriptor=0, access=Access.READ, is_file=False),),
        limits=_STARTER_LIMITS,
        calls_left=1,
    )
    data, _ = encode(call)
    # As the server would write it: nothing here makes a mount.
    header = json.loads(data[PREFIX.size :])
    header["mounts"] = [[0, ["/"], Access.READ, Reach.TREE, []]]
    return json.dumps(header).encode()


class _Act:
    """One call as its cell sees it: the streams, the modes to keep, the CPU time at its begin."""

    def __init__(self, channel: Channel, call: Call) -> None:
        limits = call.limits
        self.streams = Streams(limits.output_bytes, limits.stderr_bytes, self._overflow)
        self._channel = channel
        self._begin_ms = _cpu_ms()
        self._noted = note_modes(call.kept)
        self._umask = close_umask(self._noted) if self._noted else None

    def answer(self, end: str, ended: Ended) -> Answer:
        """Return how the guest ended; the files that it replaced have their modes back by then."""
        restore_modes(self._noted)
        if self._umask is not None:
            os.umask(self._umask)
        return Answer(
            end=end,
            exit_code=ended.exit_code,
            reason=ended.trap,
            cpu_ms=_cpu_ms() - self._begin_ms,
            peak_memory_bytes=ended.peak_memory_bytes,
            memory_of=ended.memory_of,
            fuel_used=ended.fuel_used,
            stdout=bytes(self.streams.stdout),
            stderr=self.streams.stderr,
        )

    def _overflow(self, _streams: Streams) -> NoReturn:
        # Within the guest's own write: the answer leaves from here, and the guest never gets back.
        self._channel.send(self.answer("overflow", Ended()))
        os._exit(0)


def _answer(
    channel: Channel, ahead: Ahead, wall: Wall, call: Call, ready: ReadyGuest, *, walled: bool
) -> Callable[[], None]:
    """Answer one call, and return what is left to do when whoever waits has that answer."""
    act = _Act(channel, call)
    held = {kept.folder for kept in call.kept}
    try:
        wasi = make_context(call, act.streams, ahead.take_blank())
        if not walled:
            port = call.gateway_port
            wall.raise_(
                call.rules or (),
                tcp_ports=[port] if port else [],
                sockets=Sockets.TCP if port else Sockets.NONE,
            )
            _start_threads(ahead.shelf, call)
        guest = ready(ahead, call, wasi, act.streams, channel)
        wall.limit(
            cpu_seconds=call.limits.cpu_seconds,
            memory_bytes=call.limits.memory_bytes,
            file_size_bytes=call.limits.file_size_bytes,
            open_files=call.limits.open_files,
            calls_left=call.calls_left - 1,
        )
    except (WallError, WasmtimeError, OSError) as error:
        channel.send(act.answer("refused", Ended(trap=str(error))))
        return _nothing
    finally:
        # Mounted and ruled by now: the guest's process needs no second way to them.
        _close(set(channel.taken) - held)
    ended = guest.run()
    answer = act.answer(_end_of(ended), ended)
    _close(held)
    channel.send(answer)
    return guest.close


def _end_of(ended: Ended) -> str:
    if ended.trap == OUT_OF_FUEL:
        return "out_of_fuel"
    return "trapped" if ended.trap else "exited"


def _start_threads(shelf: Shelf, call: Call) -> None:
    """Have wasmtime start its threads: under the wall, that it binds them; before the limits.

    A component that has filled its memory leaves no room for a thread's stack, and its next file
    call would wait for ever. A module never takes that room: its Store counts its one memory. Where
    nothing is mounted there is no file to call for, and it would cost a fifth of a small GET.
    """
    if call.binary.kind == "module" or not call.mounts:
        return
    wasi = WasiConfig()
    wasi.preopen_dir("/", "/", False)  # read-only, and gone before the guest
    _run_starter(shelf, ASKS_STATUS.binary, wasi)


def _run_starter(shelf: Shelf, binary: Binary, wasi: WasiConfig | None) -> Ended:
    engine, loaded = shelf.get(binary)
    store = Store(engine)
    if wasi is not None:
        store.set_wasi(wasi)
    limit_store(store, loaded, _STARTER_LIMITS)
    try:
        return run_command(store, loaded, _STARTER_LIMITS)
    finally:
        store.close()


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _cpu_ms() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1000
