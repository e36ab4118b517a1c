"""The server's half of a channel: awaits, never blocks the loop."""

import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

import anyio

from preopen.wire.channel import PAIR, BaseChannel, ChannelClosed, send_first
from preopen.wire.codec import encode
from preopen.wire.frames import Frame
from preopen.wire.readiness import Readiness


class AsyncChannel(BaseChannel):
    """A channel of the server: never blocks its loop. One task receives, one sends, at a time."""

    def __init__(self, sock: socket.socket, *, max_descriptors: int = 0) -> None:
        super().__init__(sock, max_descriptors=max_descriptors)
        sock.setblocking(False)
        self._readiness = Readiness(sock.fileno())
        self._is_blocked = False  # a task waits until it may send on

    @classmethod
    def from_descriptor(cls, descriptor: int, *, max_descriptors: int = 0) -> Self:
        """Return the channel over a socket that another process sent us."""
        sock = socket.socket(*PAIR, fileno=descriptor)
        return cls(sock, max_descriptors=max_descriptors)

    def close(self) -> None:
        """Close the channel; a task that waits for it gets ChannelClosed.

        Before and after the loop nobody waits: closing is all there is to do then.
        """
        self._readiness.close()
        if self._is_blocked:
            with suppress(RuntimeError):  # no loop, by one name or another of anyio's versions
                anyio.notify_closing(self._socket)
        super().close()

    async def send(self, frame: Frame, beside: tuple[int, ...] = ()) -> None:
        """Send a frame whole, with the descriptors of its own and those `beside` it."""
        data, descriptors = encode(frame, beside)
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[send_first(self._socket, rest, descriptors) :]
                descriptors = ()
            except BlockingIOError:
                await self._wait(self._writable)
            except OSError as error:
                raise ChannelClosed from error

    async def receive(self) -> Frame:
        """Return the next frame, as `Channel.receive` does."""
        while (frame := self._pop()) is None:
            if not self._data:  # a frame that is yet to come is not there: looking would be in vain
                await self._wait(self._readiness.wait)
            try:
                self._receive_once()
            except BlockingIOError:
                await self._wait(self._readiness.wait)
        return frame

    async def _writable(self) -> None:
        self._is_blocked = True
        try:
            await anyio.wait_writable(self._socket)
        finally:
            self._is_blocked = False

    async def _wait(self, ready: Callable[[], Awaitable[None]]) -> None:
        try:
            await ready()
        except (anyio.ClosedResourceError, ValueError) as error:  # closed meanwhile, or before
            raise ChannelClosed from error
