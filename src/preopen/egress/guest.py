"""The guest's side of one request: h11 as the server of one connection, one request long."""

from collections.abc import AsyncGenerator

import anyio
import h11

from preopen.egress import headers
from preopen.egress.caps import Caps
from preopen.egress.failure import Failure, GuestLost
from preopen.egress.sockets import Connection

_CONTINUE = 100


class Guest:
    """One connection that a guest opened. `answered` says that an answer's head was sent."""

    def __init__(self, connection: Connection, caps: Caps) -> None:
        self.answered = False
        self._connection = connection
        self._caps = caps
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=caps.head_bytes)

    async def request(self) -> h11.Request:
        """Return the head of the one request.

        Raises:
            GuestLost: none came, or one that is not passed on.

        """
        event = await self._next(self._caps.head_s)
        if not isinstance(event, h11.Request):
            raise GuestLost("no request")
        fields = list(event.headers)
        names = {name for name, _ in fields}
        if len(fields) > self._caps.headers or headers.size(fields) > self._caps.head_bytes:
            raise GuestLost("too many headers")
        if event.http_version != b"1.1" or b"upgrade" in names:
            raise GuestLost("another protocol")
        if {b"content-length", b"transfer-encoding"} <= names:
            raise GuestLost("two lengths")  # which one counts is how requests are smuggled
        return event

    async def body(self, most: int) -> AsyncGenerator[bytes, None]:
        """Yield the request's body.

        Raises:
            GuestLost: it stalls, ends early, or has more than `most` bytes.

        """
        count = 0
        while True:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=_CONTINUE, headers=[]))
            event = await self._next(self._caps.between_s)
            if not isinstance(event, h11.Data):
                return
            count += len(event.data)
            if count > most:
                raise GuestLost(f"more than request_bytes = {most}", limit="request_bytes")
            yield bytes(event.data)

    async def answer(self, status: int, reason: bytes, fields: headers.Headers) -> None:
        """Send the head of the answer. The body follows by `data` and `end`.

        Raises:
            Failure: it cannot be written as HTTP/1.1.
            GuestLost: the guest left.

        """
        fields = [*fields, (b"Connection", b"close")]
        try:
            response = h11.Response(status_code=status, reason=reason, headers=fields)
        except h11.LocalProtocolError:
            raise Failure("http_protocol_error", "the server's answer cannot be read") from None
        await self._send(response)

    async def data(self, chunk: bytes) -> None:
        """Send a piece of the body; raises as `answer` does."""
        await self._send(h11.Data(data=chunk))

    async def end(self) -> None:
        """End the body; raises as `answer` does, also where it is shorter than was announced."""
        await self._send(h11.EndOfMessage())

    async def discard(self, most: int) -> bool:
        """Throw away what still comes; True when the guest ends its side, False after `most`."""
        while most >= 0:
            try:
                most -= len(await self._connection.receive())
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return True
        return False

    async def close(self) -> None:
        """End the connection so that what was sent arrives, also at a guest that is sending."""
        with anyio.move_on_after(self._caps.linger_s):
            if self._http.their_state is h11.SEND_BODY:
                # Closing with bytes unread sends RST, which can overtake the answer.
                try:
                    await self._connection.send_eof()
                except anyio.BrokenResourceError:
                    return self.abort()
                await self.discard(self._caps.discarded)
        return self._connection.close()

    def abort(self) -> None:
        """End the connection so that the guest gets an error."""
        self._connection.abort()

    async def _next(self, seconds: float) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            with anyio.fail_after(seconds):
                while (event := self._http.next_event()) is h11.NEED_DATA:
                    self._http.receive_data(await self._receive())
        except h11.RemoteProtocolError:
            raise GuestLost("no HTTP") from None
        except TimeoutError:
            raise GuestLost("stalled") from None
        if isinstance(event, h11.ConnectionClosed):
            raise GuestLost("left")
        return event

    async def _receive(self) -> bytes:
        try:
            return await self._connection.receive()
        except anyio.EndOfStream:
            return b""
        except anyio.BrokenResourceError:
            raise GuestLost("left") from None

    async def _send(self, event: h11.Event) -> None:
        try:
            data = self._http.send(event)
        except h11.LocalProtocolError:
            raise Failure(
                "http_response_incomplete", "the answer's length is not as said"
            ) from None
        if isinstance(event, h11.Response):
            self.answered = True
        if data:
            try:
                await self._connection.send(data)
            except anyio.BrokenResourceError:
                raise GuestLost("left") from None
