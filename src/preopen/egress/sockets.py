"""Sockets of the network: the one file of the server that opens, accepts and looks up (design §4).

A Connection buffers nothing: who does not read makes the other side wait.
"""

import errno
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

import anyio
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

Address: TypeAlias = IPv4Address | IPv6Address
Wait: TypeAlias = Callable[[socket.socket], Awaitable[None]]

MAX_LOOKUPS: Final = 16  # threads that wait for the system's resolver; none of them can be stopped
_LINGER_NONE: Final = struct.pack("ii", 1, 0)  # close() sends RST and forgets what was not sent
_BACKOFF_S: Final = 0.05  # while the process has no descriptor left for one more connection

_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


class Connection(ByteStream):
    """One TCP connection. One task sends and one receives at a time."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return at least one byte.

        Raises:
            EndOfStream: the other side ended its half.
            BrokenResourceError: the connection is broken, or closed here.

        """
        await checkpoint()  # else a sender that is faster than we keeps the loop to itself
        while True:
            try:
                data = self._raw.recv(max_bytes)
            except BlockingIOError:
                await self._ready(anyio.wait_readable)
            except OSError as error:
                raise anyio.BrokenResourceError from error
            else:
                if not data:
                    raise anyio.EndOfStream
                return data

    async def send(self, item: bytes) -> None:
        """Send all of it; returns when the kernel has taken the last byte.

        Raises:
            BrokenResourceError: the connection is broken, or closed here.

        """
        await checkpoint()
        rest = memoryview(item)
        while rest:
            try:
                rest = rest[self._raw.send(rest) :]
            except BlockingIOError:
                await self._ready(anyio.wait_writable)
            except OSError as error:
                raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        """End our half; what was sent still arrives."""
        try:
            self._raw.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Close, in order; a task that waits for the connection finds it broken."""
        self.close()

    def close(self) -> None:
        """Close, in order. May be called again."""
        if self._raw.fileno() >= 0:
            anyio.notify_closing(self._raw)
            self._raw.close()

    def abort(self) -> None:
        """Close so that the other side gets an error (RST), never an end."""
        if self._raw.fileno() >= 0:
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self.close()

    async def _ready(self, wait: Wait) -> None:
        try:
            await wait(self._raw)
        except (anyio.ClosedResourceError, ValueError) as error:  # closed meanwhile, or before
            raise anyio.BrokenResourceError from error


class Listener:
    """The listening socket that a cell bound on its own loopback. It owns the descriptor."""

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor over, also when it is refused.

        Raises:
            ValueError: it is no TCP socket that listens on 127.0.0.1.

        """
        try:
            self._raw = socket.socket(fileno=descriptor)
        except OSError:
            raise ValueError("the cell's listener is no socket") from None
        try:
            self.port = _checked_port(self._raw)
        except (OSError, ValueError):
            self._raw.close()
            raise ValueError("the cell's listener does not listen on 127.0.0.1 over TCP") from None
        self._raw.setblocking(False)

    async def accept(self) -> Connection:
        """Return the next connection.

        Raises:
            BrokenResourceError: the listener is closed.

        """
        await checkpoint()  # else a guest that connects without end keeps the loop to itself
        while True:
            try:
                return Connection(self._raw.accept()[0])
            except BlockingIOError:
                try:
                    await anyio.wait_readable(self._raw)
                except (anyio.ClosedResourceError, ValueError) as error:
                    raise anyio.BrokenResourceError from error
            except OSError as error:
                if self._raw.fileno() < 0:
                    raise anyio.BrokenResourceError from error
                await anyio.sleep(_BACKOFF_S)  # EMFILE stays; a connection that was reset does not

    def close(self) -> None:
        """Close it: no connection is accepted any more."""
        if self._raw.fileno() >= 0:
            anyio.notify_closing(self._raw)
            self._raw.close()


def _checked_port(raw: socket.socket) -> int:
    if (raw.family, raw.type) != (socket.AF_INET, socket.SOCK_STREAM):
        raise ValueError
    if not raw.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ValueError
    host, port = raw.getsockname()
    if host != "127.0.0.1":
        raise ValueError
    return int(port)


async def dial(address: Address, port: int) -> Connection:
    """Connect to this address and no other; no name is looked up.

    Raises:
        OSError: why it could not be reached.

    """
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    raw = socket.socket(family, socket.SOCK_STREAM)
    try:
        raw.setblocking(False)
        error = raw.connect_ex((str(address), port))
        if error == errno.EINPROGRESS:
            await anyio.wait_writable(raw)
            error = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        _raise(error)
        return Connection(raw)
    except BaseException:
        raw.close()
        raise


def _raise(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))


async def look_up(host: str, port: int) -> tuple[Address, ...]:
    """Ask the system's resolver; each address once, in its order.

    Raises:
        OSError: the name is not known, or the resolver did not answer.

    """
    found = await anyio.to_thread.run_sync(_look_up, host, port, abandon_on_cancel=True)
    return tuple(dict.fromkeys(found))


def _look_up(host: str, port: int) -> list[Address]:
    # In the thread: an ask that was given up leaves it waiting, and it counts until it returns.
    if not _lookups.acquire(blocking=False):
        raise OSError("too many look-ups wait for the resolver")
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [ip_address(where[0]) for family, _, _, _, where in rows if family in _FAMILIES]
    finally:
        _lookups.release()


_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
