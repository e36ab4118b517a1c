"""MCP over standard input and output, without threads. Knows messages, not what they ask.

Half of what a call costs over the SDK's own stdio is spent in hops between threads.
"""

import fcntl
import os
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

import anyio
import anyio.to_thread
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage

from preopen.serving.transports.framing import (
    Line,
    LineSplitter,
    Refused,
    encode_line,
    parse_line,
)

CHUNK_BYTES: Final = 64 << 10  # what a pipe of Linux holds
# Unread answers that we hold before no further request is taken. Enough for a client that writes
# some thousand small requests before it reads; a larger answer passes whole.
UNREAD_BYTES: Final = 4 << 20
LINGER_S: Final = (
    0.5  # for a client that still reads after it closed its end; design §7: all ends within 1 s
)


async def serve_stdio(server: Server[Any], stdin_fd: int = 0, stdout_fd: int = 1) -> None:
    """Serve one client until it closes its end; then running and queued calls are cancelled."""
    async with stdio_transport(stdin_fd, stdout_fd) as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


@asynccontextmanager
async def stdio_transport(
    stdin_fd: int = 0, stdout_fd: int = 1
) -> AsyncIterator[tuple["StdioReader", "StdioWriter"]]:
    """Give the two message streams that `Server.run()` takes.

    Meanwhile `stdin_fd` leads to the null device and `stdout_fd` to stderr, so that a stray print
    and a child process keep off the wire. Both are as before at the end, blocking mode included.
    """
    with ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, null)
        source = stack.enter_context(_borrowed(stdin_fd, null))
        wire = stack.enter_context(_borrowed(stdout_fd, 2 if _is_open(2) else null))
        stack.callback(_flush_prints)  # a print is kept back, and would come when the wire is back
        sink = stack.enter_context(_unblocked(wire))
        writer = StdioWriter(sink, on_broken=lambda: anyio.notify_closing(source))
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(writer.flush_forever)
                yield StdioReader(source, writer), writer
                tasks.cancel_scope.cancel()
        finally:
            with anyio.move_on_after(LINGER_S, shield=True):
                await writer.flush()


class StdioReader:
    """The messages that come in. What is no message is answered here; the server never sees it."""

    def __init__(self, descriptor: int, writer: "StdioWriter") -> None:
        self._descriptor = descriptor
        self._polls = _polls(descriptor)
        self._writer = writer
        self._splitter = LineSplitter()
        self._lines: deque[Line] = deque()

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message, once the client has read enough of the answers before it.

        Raises:
            EndOfStream: the client closed its end, or reads no more. Half a line is dropped.

        """
        message = await self._next_message()
        await self._writer.wait_for_room()
        return SessionMessage(message)

    async def _next_message(self) -> JSONRPCMessage:
        while True:
            while not self._lines:
                self._lines.extend(self._splitter.feed(await self._read()))
            match parse_line(self._lines.popleft()):
                case None:
                    continue
                case Refused(answer=answer):
                    self._writer.put(answer)
                    await self._writer.wait_for_room()
                case message:
                    return message

    async def _read(self) -> bytes:
        try:
            chunk = b"" if self._writer.broken else await self._read_chunk()
        except (OSError, anyio.ClosedResourceError):  # reset, hung up, or the writer broke
            chunk = b""
        if not chunk:
            self._writer.stop_waiting()
            raise anyio.EndOfStream
        return chunk

    async def _read_chunk(self) -> bytes:
        if not self._polls:
            return await anyio.to_thread.run_sync(
                os.read, self._descriptor, CHUNK_BYTES, abandon_on_cancel=True
            )
        # Readable means that this read won't block, so the mode of a descriptor that we share with
        # the client or with a terminal is left alone.
        await anyio.wait_readable(self._descriptor)
        return os.read(self._descriptor, CHUNK_BYTES)

    async def aclose(self) -> None:
        """Take no more; answers that wait for room are let through to the last flush."""
        self._writer.stop_waiting()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


class StdioWriter:
    """The messages that go out: whole lines, whatever is cancelled meanwhile.

    A message is in the buffer before its sender waits, so a cancelled sender neither tears a line
    nor loses an answer. The buffer holds `UNREAD_BYTES`, and a line more for each call that was
    running when the client stopped to read.
    """

    def __init__(self, descriptor: int, *, on_broken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._buffer = bytearray()
        self._unsent = anyio.Event()
        self._room = anyio.Event()
        self._waits = True
        self._closed = False
        self.broken = False

    async def send(self, item: SessionMessage, /) -> None:
        """Send one message; wait while the client leaves too much unread.

        Raises:
            ClosedResourceError: this end was closed.
            BrokenResourceError: the client's end was.

        """
        if self._closed:
            raise anyio.ClosedResourceError
        if self.broken:
            raise anyio.BrokenResourceError
        self.put(item.message)
        await self.wait_for_room()

    def put(self, message: JSONRPCMessage) -> None:
        """Write a message at once where it fits, else keep what is left for the flushing task."""
        if self.broken:
            return
        waiting = bool(self._buffer)
        self._buffer += encode_line(message)
        if not waiting:
            self._write()
        if self._buffer:
            self._unsent.set()

    async def wait_for_room(self) -> None:
        """Wait until the client has read enough."""
        while self._waits and len(self._buffer) > UNREAD_BYTES:
            await self._room.wait()

    def stop_waiting(self) -> None:
        """Let every sender go, now and from now on: the client has left, or is leaving."""
        self._waits = False
        self._room.set()

    async def flush_forever(self) -> None:
        """Write what did not fit, whenever there is such."""
        while True:
            await self._unsent.wait()
            self._unsent = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Write all that is left. One task at a time."""
        while self._buffer:
            await anyio.wait_writable(self._descriptor)
            self._write()
            if len(self._buffer) <= UNREAD_BYTES:
                self._room.set()
                self._room = anyio.Event()

    def _write(self) -> None:
        try:
            while self._buffer:
                del self._buffer[: os.write(self._descriptor, self._buffer)]
        except BlockingIOError:
            pass
        except OSError:  # EPIPE and its kin: the client left without a word, and so do we
            self.broken = True
            self._buffer.clear()
            self.stop_waiting()
            self._on_broken()

    async def aclose(self) -> None:
        """Take no more messages. What is in the buffer is still written."""
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


@contextmanager
def _borrowed(descriptor: int, stand_in: int) -> Iterator[int]:
    """Yield a private duplicate while `descriptor` itself leads to `stand_in`."""
    inheritable = os.get_inheritable(descriptor)
    private = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        os.dup2(stand_in, descriptor, inheritable)
        try:
            yield private
        finally:
            os.dup2(private, descriptor, inheritable)
    finally:
        os.close(private)


@contextmanager
def _unblocked(descriptor: int) -> Iterator[int]:
    """Yield a descriptor to the same place that does not block.

    O_NONBLOCK belongs to the open file, which a shell, its terminal and our own stderr may share:
    so a pipe or terminal is opened anew, and then not even a SIGKILL can leave the mode behind.
    Where that is not possible (a socket, no /proc) the mode is set, and set back at the end.
    """
    if not _polls(descriptor):
        yield descriptor
        return
    with ExitStack() as stack:
        try:
            # O_NOCTTY: opening a terminal must not adopt it.
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:
            stack.callback(os.set_blocking, descriptor, os.get_blocking(descriptor))
            os.set_blocking(descriptor, False)
            own = descriptor
        else:
            stack.callback(os.close, own)
        yield own


def _polls(descriptor: int) -> bool:
    """Return whether readiness can be awaited: epoll refuses files and the null device."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


def _flush_prints() -> None:
    with suppress(OSError, ValueError):
        if sys.stdout is not None:
            sys.stdout.flush()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
