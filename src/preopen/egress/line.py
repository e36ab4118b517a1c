"""One connection as httpcore2 uses it: deadlines, TLS, and an ear while a body is sent."""

import re
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

import anyio
import httpcore2
from anyio.abc import ByteStream, TaskGroup
from anyio.streams.tls import TLSAttribute, TLSStream

from preopen.egress.caps import Caps
from preopen.egress.failure import Failure
from preopen.egress.sockets import Connection

T = TypeVar("T")

# Statuses that end the sending of a body: after 1xx and 2xx a server may still read on.
_ENDS_SENDING: Final = re.compile(rb"HTTP/1\.[01] [3-9]")
_ENOUGH: Final = len(b"HTTP/1.1 4")

_BROKEN: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError)


class Line(httpcore2.AsyncNetworkStream):
    """What httpcore2 reads from and writes to; the time-outs that it passes are not needed.

    `patience` says how many seconds the next read may take, and what to call it when it takes more.
    State: whether somebody listens beside the sending, and what the server said meanwhile.
    `cut_short` says that its answer ended the sending.
    """

    def __init__(
        self, connection: Connection, *, caps: Caps, patience: Callable[[], tuple[float, str]]
    ) -> None:
        self.cut_short = False
        self._connection = connection
        self._stream: ByteStream = connection
        self._caps = caps
        self._patience = patience
        self._group: TaskGroup | None = None  # while listening
        self._heard = anyio.Event()
        self._first: bytes | None = None
        self._ends_sending = False
        self._scope: anyio.CancelScope | None = None

    def close(self) -> None:
        """End the connection, in order."""
        self._connection.close()

    def abort(self) -> None:
        """End the connection so that the server gets an error: it may hold a part of a body."""
        self._connection.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
    ) -> "Line":
        """Shake hands as the client of `server_hostname`.

        Raises:
            Failure: it failed, with RFC 9209's name for it.

        """
        del timeout
        try:
            with anyio.fail_after(self._caps.connect_s):
                # A cut is an error, not an end: a body without length ends with the connection,
                # and without TLS's own end it may have been cut (RFC 9112, 9.8).
                self._stream = await TLSStream.wrap(
                    self._connection,
                    server_side=False,
                    hostname=server_hostname,
                    ssl_context=ssl_context,
                    standard_compatible=True,
                )
        except TimeoutError:
            raise Failure("connection_timeout", "the TLS handshake took too long") from None
        except ssl.SSLCertVerificationError as error:
            details = "the certificate is for another name" if _other_name(error) else _UNTRUSTED
            raise Failure("tls_certificate_error", details) from None
        except ssl.SSLError as error:
            kind = "tls_alert_received" if "ALERT" in (error.reason or "") else "tls_protocol_error"
            raise Failure(kind, "the TLS handshake failed") from None
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            raise Failure("tls_protocol_error", "the server left the TLS handshake") from None
        return self

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore2's
        """Return what came, b"" at the end.

        Raises:
            Failure: nothing came in time, or the connection broke.

        """
        del timeout
        seconds, error = self._patience()
        try:
            with anyio.fail_after(seconds):
                if self._group is not None:
                    await self._heard.wait()
                    if first := self._first:
                        self._first = b""
                        return first
                return await self._stream.receive(max(max_bytes, _READ_BYTES))
        except anyio.EndOfStream:
            return b""
        except TimeoutError:
            raise Failure(error, "the server sent nothing in time") from None
        except _BROKEN:
            raise Failure("connection_terminated", "the server broke the connection off") from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        """Send all of it.

        Raises:
            Failure: the server took nothing in time.
            httpcore2.WriteError: it answered already, or left; httpcore2 then reads the answer.

        """
        del timeout
        if not buffer:
            return
        try:
            with anyio.fail_after(self._caps.between_s):
                if self._group is None:
                    await self._stream.send(buffer)
                else:
                    await self._send_beside(buffer, self._group)
        except TimeoutError:
            raise Failure("connection_write_timeout", "the server takes nothing more") from None
        except _BROKEN as error:
            raise httpcore2.WriteError from error

    async def aclose(self) -> None:
        """Abort: httpcore2 closes what is not whole. TLS's own end is not said, nor waited for."""
        self._connection.abort()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore2's signature
        """Return the TLS object, by which httpcore2 learns what was agreed on."""
        known = self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's
        return known if info == "ssl_object" else None

    def listen(self, group: TaskGroup) -> None:
        """Hear the answer beside what is sent from here on; `group` ends before the line does."""
        self._group = group
        group.start_soon(self._listen)

    async def unless_answered(self, act: Callable[[], Awaitable[T]]) -> T:
        """Return what `act` returns, unless the server answers first.

        Raises:
            httpcore2.WriteError: it answered in a way that ends the sending, or left.

        """
        if not self._ends_sending:
            with anyio.CancelScope() as scope:
                self._scope = scope
                result = await act()
                self._scope = None
                return result
        self._scope = None
        self.cut_short = True
        raise httpcore2.WriteError

    async def _listen(self) -> None:
        data, left = b"", False
        try:
            while len(data) < _ENOUGH:
                data += await self._stream.receive()
        except (anyio.EndOfStream, *_BROKEN):
            left = True
        self._first = data
        self._ends_sending = left or _ENDS_SENDING.match(data) is not None
        self._heard.set()
        if self._ends_sending and self._scope is not None:
            self._scope.cancel()

    async def _send_beside(self, buffer: bytes, group: TaskGroup) -> None:
        # In a task of its own, which is not cancelled when an answer comes: half a TLS record
        # would make the connection useless for reading, too.
        sent = anyio.Event()

        async def send() -> None:
            try:
                await self._stream.send(buffer)
            except _BROKEN:
                self._ends_sending = True
            sent.set()

        group.start_soon(send)
        await self.unless_answered(sent.wait)


class Backend(httpcore2.AsyncNetworkBackend):
    """Connects where it was told by us, whatever name and port httpcore2 asks for."""

    def __init__(self, connect: Callable[[], Awaitable[Line]]) -> None:
        self._connect = connect

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Return the line; raises Failure as `connect` does."""
        del host, port, timeout, local_address, socket_options
        return await self._connect()


# httpcore2 asks for 64 KiB: with four times as much a download of 10 MB took 23 ms, and so 33.
_READ_BYTES: Final = 256 << 10
_UNTRUSTED: Final = "the certificate is signed by nobody that is trusted here"
_OTHER_NAME: Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH


def _other_name(error: ssl.SSLCertVerificationError) -> bool:
    return error.verify_code in _OTHER_NAME
