"""One cell: calls in, answers out, behind a wall. The order of every step here is design §3's.

Ahead of need: all that starts no thread. On the first call: mount, wall, threads, limits, run. A
single-use cell ends there; a tool-bound one takes further calls behind the wall that it has.
"""

import os
import resource
from typing import NoReturn

from wasmtime import WasiConfig

from preopen.capability import Limits
from preopen.sandbox.command import Ended, run_command
from preopen.sandbox.context import Streams, make_context
from preopen.sandbox.engine import Shelf, WasmtimeError
from preopen.sandbox.wall import Wall, WallError
from preopen.wire.channel import Channel, ChannelClosed
from preopen.wire.frames import (
    PREFIX,
    Answer,
    Call,
    FrameError,
    Load,
    Ready,
    decode,
    encode,
)
from preopen.wire.starters import ASKS_ARGUMENTS, ASKS_STATUS, starter_binary

_STARTER_LIMITS = Limits()


def serve_cell(channel: Channel, shelf: Shelf, wall: Wall) -> NoReturn:
    """Answer calls until none is left or the server has gone, then end the process.

    Always by `os._exit`: a normal exit after file work prints a panic of wasmtime's runtime.
    """
    try:
        _serve(channel, shelf, wall)
    except (ChannelClosed, FrameError):
        pass
    finally:
        os._exit(0)


def _serve(channel: Channel, shelf: Shelf, wall: Wall) -> None:
    _warm(shelf)
    channel.send(Ready())
    walled = False
    while True:
        match channel.receive():
            case Load(binary=binary):
                (descriptor,) = channel.taken
                shelf.load(binary, descriptor)
                os.close(descriptor)
            case Call() as call:
                channel.send(_answer(channel, shelf, wall, call, walled=walled))
                walled = True
                if call.calls_left <= 1:
                    return
            case _:
                return


def _warm(shelf: Shelf) -> None:
    """Do once what a call will do, as far as it starts no thread: read, mount nothing, run, answer.

    What that touches is copied from the zygote now and not while somebody waits: of the 900 pages
    that a cell makes its own, two thirds.
    """
    binary = starter_binary(ASKS_ARGUMENTS)
    call = Call(
        binary=binary,
        argv=("warm",),
        environment=(),
        mounts=(),
        rules=(),
        limits=_STARTER_LIMITS,
        calls_left=1,
    )
    data, _ = encode(call)
    decode(data[PREFIX.size :], b"")
    streams = Streams(1, 1, lambda _: None)
    engine, loaded = shelf.get(binary)
    run_command(engine, loaded, make_context(call, streams), _STARTER_LIMITS)
    encode(Answer(end="exited", cpu_ms=_cpu_ms()))


def _answer(channel: Channel, shelf: Shelf, wall: Wall, call: Call, *, walled: bool) -> Answer:
    before = _cpu_ms()

    def answer(end: str, ended: Ended, streams: Streams) -> Answer:
        return Answer(
            end=end,
            exit_code=ended.exit_code,
            reason=ended.trap,
            cpu_ms=_cpu_ms() - before,
            peak_memory_bytes=ended.peak_memory_bytes,
            memory_of=ended.memory_of,
            stdout=bytes(streams.stdout),
            stderr=streams.stderr,
        )

    def overflow(streams: Streams) -> NoReturn:
        # Within the guest's own write: the answer leaves from here, and the guest never gets back.
        channel.send(answer("overflow", Ended(), streams))
        os._exit(0)

    streams = Streams(call.limits.output_bytes, call.limits.stderr_bytes, overflow)
    try:
        wasi = make_context(call, streams)
        if not walled:
            _raise_wall(shelf, wall, call)
        wall.limit(
            cpu_seconds=call.limits.cpu_seconds,
            memory_bytes=call.limits.memory_bytes,
            file_size_bytes=call.limits.file_size_bytes,
            open_files=call.limits.open_files,
            calls_left=call.calls_left - 1,
        )
    except (WallError, WasmtimeError, OSError) as error:
        return answer("refused", Ended(trap=str(error)), streams)
    finally:
        _close(
            channel.taken
        )  # mounted and ruled by now: the guest's process holds no second way to them
    engine, loaded = shelf.get(call.binary)
    ended = run_command(engine, loaded, wasi, call.limits)
    return answer("trapped" if ended.trap else "exited", ended, streams)


def _raise_wall(shelf: Shelf, wall: Wall, call: Call) -> None:
    starter = WasiConfig()
    starter.preopen_dir("/", "/", False)  # read-only, and gone before the guest
    wall.raise_(call.rules or ())
    # Under the wall, so that it binds them; before the limits, because a guest that has filled its
    # memory leaves no room for a thread's stack, and its next file call would wait for ever.
    engine, loaded = shelf.get(starter_binary(ASKS_STATUS))
    run_command(engine, loaded, starter, _STARTER_LIMITS)


def _close(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _cpu_ms() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1000
