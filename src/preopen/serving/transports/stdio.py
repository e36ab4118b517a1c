"""MCP over standard input and output, without threads. Knows messages, not what they ask.

Half of what a call costs over the SDK's own stdio is spent in hops between threads.
"""

import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

import anyio
import anyio.to_thread
from mcp.server.lowlevel import Server
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from preopen.serving.transports.descriptors import borrowed, is_open, polls, unblocked
from preopen.serving.transports.framing import (
    Line,
    LineSplitter,
    Refused,
    encode_line,
    encode_loss,
    parse_line,
)
from preopen.serving.transports.requests import Requests
from preopen.serving.transports.stderr import logging_without_waiting
from preopen.wire.readiness import Readiness

CHUNK_BYTES: Final = 64 << 10  # what a pipe of Linux holds
# Unread answers that we hold before no further request is taken. Enough for a client that writes
# 10 000 calls before it reads (6 MB of answers); a larger answer passes whole.
UNREAD_BYTES: Final = 16 << 20
# Unread bytes past which an answer is lost, and an error says so: calls that were taken before go
# on to run, and a tool may have 256 of them wait, for answers of 16 MiB each.
MAX_UNREAD_BYTES: Final = 64 << 20
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
        source = stack.enter_context(borrowed(stdin_fd, null))
        wire = stack.enter_context(borrowed(stdout_fd, 2 if is_open(2) else null))
        stack.callback(_flush_prints)  # a print is kept back, and would come when the wire is back
        sink = stack.enter_context(unblocked(wire))
        stack.enter_context(logging_without_waiting())
        requests = Requests()
        readiness = Readiness(source)
        stack.callback(readiness.close)
        writer = StdioWriter(sink, requests, on_broken=readiness.close)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(writer.flush_forever)
                yield StdioReader(source, readiness, writer, requests), writer
                tasks.cancel_scope.cancel()
        finally:
            with anyio.move_on_after(LINGER_S, shield=True):
                await writer.flush()


class StdioReader:
    """The messages that come in. What is no message is answered here; the server never sees it."""

    def __init__(
        self, descriptor: int, readiness: Readiness, writer: "StdioWriter", requests: Requests
    ) -> None:
        self._descriptor = descriptor
        self._readiness = readiness
        self._requests = requests
        self._polls = polls(descriptor)
        self._writer = writer
        self._splitter = LineSplitter()
        self._lines: deque[Line] = deque()

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message, once the client has read enough of the answers before it.

        Raises:
            EndOfStream: the client closed its end, or reads no more. Half a line is dropped.

        """
        while True:
            line = await self._next_line()
            match self._take(line):
                case None:
                    continue
                case Refused(answer=answer):
                    self._writer.put(answer)
                    await self._writer.wait_for_room()
                case message:
                    await self._writer.wait_for_room()
                    return message

    def _take(self, line: Line) -> SessionMessage | Refused | None:
        match parse_line(line):
            case JSONRPCRequest() as request if isinstance(line, bytes):
                if (refusal := self._requests.take(request, len(line))) is not None:
                    return Refused(answer=refusal)
                return SessionMessage(request, self._metadata(request.id))
            case None | Refused() as nothing:
                return nothing
            case message:
                return SessionMessage(message)

    def _metadata(self, request_id: RequestId) -> ServerMessageMetadata:
        """Have the SDK tell us of a request that it will never answer: one that was taken back."""

        async def settle() -> None:
            self._requests.settle(request_id)

        return ServerMessageMetadata(on_request_unanswered=settle)

    async def _next_line(self) -> Line:
        while not self._lines:
            self._lines.extend(self._splitter.feed(await self._read()))
        return self._lines.popleft()

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
        await self._readiness.wait()
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
    nor loses an answer. The buffer holds `UNREAD_BYTES`, and the answers to calls that were taken
    before the client stopped to read, up to `MAX_UNREAD_BYTES`.
    """

    def __init__(
        self, descriptor: int, requests: Requests, *, on_broken: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._requests = requests
        self._on_broken = on_broken
        self._buffer = bytearray()
        self._unsent = anyio.Event()
        self._room = anyio.Event()
        self._waits = True
        self._closed = False
        self.broken = False

    async def send(self, item: SessionMessage, /) -> None:
        """Send one message; where it is no answer, wait while the client leaves too much unread.

        A call that has its answer is over. Were it to wait here, it would keep its answer, too, in
        memory beside the buffer: 60 calls of 4 MiB kept 240 MiB.

        Raises:
            ClosedResourceError: this end was closed.
            BrokenResourceError: the client's end was.

        """
        if self._closed:
            raise anyio.ClosedResourceError
        if self.broken:
            raise anyio.BrokenResourceError
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._requests.settle(item.message.id)
            self.put(item.message)
            return
        self.put(item.message)
        await self.wait_for_room()

    def put(self, message: JSONRPCMessage) -> None:
        """Write a message at once where it fits, else keep what is left for the flushing task."""
        if self.broken:
            return
        waiting = bool(self._buffer)
        self._buffer += self._fit(message)
        if not waiting:
            self._write()
        if self._buffer:
            self._unsent.set()

    def _fit(self, message: JSONRPCMessage) -> bytes:
        """Return the line of a message, or what is sent in its place where too much is unread."""
        line = encode_line(message)
        if not self._buffer or len(self._buffer) + len(line) <= MAX_UNREAD_BYTES:
            return line
        if isinstance(message, JSONRPCNotification):
            return b""
        unread = f"{len(self._buffer)} bytes of answers lie unread"
        return encode_loss(message, f"the answer is lost: {unread}; read them, then ask again")

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


def _flush_prints() -> None:
    with suppress(OSError, ValueError):
        if sys.stdout is not None:
            sys.stdout.flush()
