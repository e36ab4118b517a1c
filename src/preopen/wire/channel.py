"""Socket pairs that carry frames and descriptors, blocking: for zygote and cells.

The server's half is `async_channel.py`: the zygote is not to import anyio. Beside
`sandbox/netns.py` these two alone use `socket`; only Unix pairs here, nothing with an address.
"""

import array
import os
import select
import socket
from collections.abc import Sequence
from typing import Final, TypeAlias

from preopen.wire.codec import (
    MAX_BODY,
    MAX_DESCRIPTORS,
    MAX_HEADER,
    PREFIX,
    FrameError,
    decode,
    encode,
)
from preopen.wire.frames import Frame

# What one recvmsg asks for, at least and at most. Python has the memory for all of it first, and
# gives back what was too much: above 128 KiB by a system call each, and a page fault or two.
_SMALL, _LARGE = 16 << 10, 256 << 10
_INT = array.array("i").itemsize
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # macOS lacks it; nothing is exec'd there meanwhile
_RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)

# What every socket of a channel is; told, Python does not ask the kernel for each.
PAIR: Final = (socket.AF_UNIX, socket.SOCK_STREAM, 0)

Socket: TypeAlias = socket.socket  # for those who name one and may not make one


class ChannelClosed(Exception):  # noqa: N818 - it is an end, not an error: the peer left
    """Raised when the peer has closed its end, between frames or within one."""


def open_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, neither inheritable."""
    return socket.socketpair(*PAIR)


class BaseChannel:
    """What both kinds share: a socket, and what has come over it and is no frame yet.

    `max_descriptors` is what the peer may send beside a frame: 0 for a cell, whose descriptors the
    kernel then closes unseen. A frame says how many are its own, so that two frames which come in
    one read keep theirs apart.
    """

    def __init__(self, sock: socket.socket, *, max_descriptors: int) -> None:
        self._socket = sock
        self._space = socket.CMSG_SPACE(max_descriptors * _INT) if max_descriptors else 0
        self._data = bytearray()
        self._descriptors: list[int] = []
        self.taken: tuple[int, ...] = ()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket and whatever descriptors came and were never part of a frame."""
        self._socket.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def take_no_more_descriptors(self) -> None:
        """From now on have the kernel close, unseen, whatever descriptors the peer sends."""
        self._space = 0

    @property
    def holds_frame(self) -> bool:
        """Whether `receive` would return without reading: one read may bring several frames."""
        if len(self._data) < PREFIX.size:
            return False
        header, body, _ = PREFIX.unpack_from(self._data)
        return bool(len(self._data) >= PREFIX.size + header + body)

    def _receive_once(self) -> None:
        try:
            data, ancillary, *_ = self._socket.recvmsg(self._missing(), self._space, _FLAGS)
        except BlockingIOError:
            raise
        except OSError as error:  # reset, or closed on our side
            raise ChannelClosed from error
        for level, kind, packed in ancillary:
            if (level, kind) == _RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(packed[: len(packed) - len(packed) % _INT])
                self._descriptors.extend(numbers)
        if not data:
            raise ChannelClosed
        self._data += data

    def _missing(self) -> int:
        """Return how many bytes to ask for: the rest of the frame that has begun, within bounds."""
        if len(self._data) < PREFIX.size:
            return _SMALL
        header, body, _ = PREFIX.unpack_from(self._data)
        return int(min(max(PREFIX.size + header + body - len(self._data), _SMALL), _LARGE))

    def _pop(self) -> Frame | None:
        if len(self._data) < PREFIX.size:
            return None
        header, body, count = PREFIX.unpack_from(self._data)
        if header > MAX_HEADER or body > MAX_BODY:
            msg = f"a frame of {header} + {body} bytes"
            raise FrameError(msg)
        if not self.holds_frame:
            return None
        start, end = PREFIX.size + header, PREFIX.size + header + body
        self.taken = tuple(self._descriptors[:count])
        del self._descriptors[:count]
        frame = decode(
            bytes(self._data[PREFIX.size : start]), bytes(self._data[start:end]), self.taken
        )
        del self._data[:end]
        return frame


class Channel(BaseChannel):
    """A blocking channel, for the zygote and the cells. One thread."""

    def __init__(self, sock: socket.socket, *, max_descriptors: int = MAX_DESCRIPTORS) -> None:
        super().__init__(sock, max_descriptors=max_descriptors)

    def send(self, frame: Frame, beside: tuple[int, ...] = ()) -> None:
        """Send a frame whole, with the descriptors of its own and those `beside` it."""
        self.send_all([(frame, beside)])

    def send_all(self, frames: Sequence[tuple[Frame, tuple[int, ...]]]) -> None:
        """Send frames one after another in one message, each with its descriptors."""
        encoded = [encode(frame, beside) for frame, beside in frames]
        data = b"".join(text for text, _ in encoded)
        descriptors = tuple(number for _, numbers in encoded for number in numbers)
        try:
            sent = send_first(self._socket, data, descriptors)
            self._socket.sendall(memoryview(data)[sent:])
        except ConnectionError as error:
            raise ChannelClosed from error

    def receive(self) -> Frame:
        """Return the next frame; `taken` holds the descriptors that came with it, the caller's now.

        Raises:
            ChannelClosed: the peer left.
            FrameError: what came is no frame.

        """
        while (frame := self._pop()) is None:
            self._receive_once()
        return frame

    def has_more(self) -> bool:
        """Whether something has come that was not received yet, or the peer has left."""
        if self.holds_frame:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


def open_channel(descriptor: int) -> Channel:
    """Return the blocking channel over a socket that this process was started with."""
    return Channel(socket.socket(*PAIR, fileno=descriptor))


def send_first(sock: socket.socket, data: bytes | memoryview, descriptors: tuple[int, ...]) -> int:
    """Send what the socket takes at once, all descriptors with it, and return how many bytes."""
    ancillary = [(*_RIGHTS, array.array("i", descriptors))] if descriptors else []
    return sock.sendmsg([data], ancillary)
