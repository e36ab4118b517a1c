"""One request to one checked address: httpcore2 over sockets of ours.

httpcore2 speaks HTTP/1.1 and HTTP/2; the name, the addresses, the deadlines and the end of sending
are decided here. No pool, proxy, redirect, cookie or decoding.
"""

import logging
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

import anyio
import httpcore2
from anyio.abc import TaskGroup

from preopen.egress.caps import Caps
from preopen.egress.failure import Failure, GuestLost
from preopen.egress.headers import Headers
from preopen.egress.line import Backend, Line
from preopen.egress.sockets import Address, Connection, dial
from preopen.egress.tickets import Approved
from preopen.egress.trust import Trust

# At DEBUG these write headers down: hpack the credential that is sent, httpcore2 a server's echo.
for _library in ("httpcore2", "h2", "hpack"):
    logging.getLogger(_library).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response's head as it came, and its body, which raises Failure where it is cut.

    `cut_short` says that the answer came before the request's body was sent, and ended its sending.
    """

    status: int
    reason: bytes
    headers: Headers
    body: AsyncGenerator[bytes, None]
    cut_short: bool


class Upstream:
    """The way to one target. State: the address that was reached, the line to it, the phase."""

    def __init__(self, *, approved: Approved, caps: Caps, group: TaskGroup) -> None:
        self.address: Address | None = None
        self._approved = approved
        self._caps = caps
        self._group = group
        self._line: Line | None = None
        self._head_by: float | None = None
        self._head_came = False

    async def ask(
        self, headers: Headers, body: AsyncGenerator[bytes, None] | None, trust: Trust
    ) -> Answer:
        """Send the request and return the response's head.

        Raises:
            Failure: no head came, or none that can be read.
            GuestLost: as `body` raises it.

        """
        target = self._approved.target
        # httpcore2 sends an HTTP/2 body to its end before it looks at an answer. Over HTTP/1.1 an
        # early 413 ends the sending (see Line.unless_answered), so HTTP/2 is for requests without.
        http2 = body is None
        with self._translated():
            url = httpcore2.URL(
                scheme=target.scheme,
                host=target.host,
                port=target.port,
                target=target.path + target.query,
            )
            tls = await _context(trust, http2=http2) if target.scheme == "https" else None
            http = httpcore2.AsyncHTTPConnection(
                url.origin, ssl_context=tls, http2=http2, network_backend=Backend(self._connect)
            )
            content = b"" if body is None else self._sent(body)
            response = await http.handle_async_request(
                httpcore2.Request(target.method, url, headers=headers, content=content)
            )
        self._head_came = True
        return Answer(
            status=response.status,
            reason=response.extensions.get("reason_phrase", b""),
            headers=list(response.headers),
            body=self._received(response),
            cut_short=self._line is not None and self._line.cut_short,
        )

    def close(self, *, whole: bool) -> None:
        """End the connection, if there is one: in order after a `whole` exchange, else abort."""
        if self._line is not None and whole:
            self._line.close()
        elif self._line is not None:
            self._line.abort()

    def _patience(self) -> tuple[float, str]:
        # The head has one deadline for all of its bytes: a trickle does not extend it.
        if self._head_came:
            return self._caps.between_s, "connection_read_timeout"
        if self._head_by is None:
            self._head_by = anyio.current_time() + self._caps.first_byte_s
        return max(0.0, self._head_by - anyio.current_time()), "http_response_timeout"

    async def _connect(self) -> Line:
        """Try the checked addresses in their order, each for its share of the time.

        Raises:
            Failure: none of them could be reached.

        """
        connection = await self._reach()
        self._line = Line(connection, caps=self._caps, patience=self._patience)
        return self._line

    async def _reach(self) -> Connection:
        addresses = self._approved.addresses[: self._caps.addresses]
        failure = Failure("destination_not_found", "the name has no address")
        for address in addresses:
            try:
                with anyio.fail_after(self._caps.connect_s / len(addresses)):
                    connection = await dial(address, self._approved.target.port)
            except TimeoutError:
                failure = Failure("connection_timeout", "the server accepted no connection in time")
            except ConnectionRefusedError:
                failure = Failure("connection_refused", "the server refuses connections")
            except OSError:
                failure = Failure("destination_ip_unroutable", "the server cannot be reached")
            else:
                self.address = address
                return connection
        raise failure

    async def _sent(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        line = self._line
        if line is None:  # httpcore2 connects before it asks for the body
            raise Failure("proxy_internal_error", "no connection to send a body on")
        line.listen(self._group)
        async with aclosing(body):
            while chunk := await line.unless_answered(lambda: anext(body, b"")):
                yield chunk

    async def _received(self, response: httpcore2.Response) -> AsyncGenerator[bytes, None]:
        with self._translated():
            async for chunk in response.aiter_stream():
                yield chunk

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (Failure, GuestLost):
            raise
        except httpcore2.NetworkError:
            raise Failure("connection_terminated", "the server broke the connection off") from None
        except httpcore2.ProtocolError as error:
            raise self._broken(str(error)) from None
        except Exception:  # noqa: BLE001 - h2, h11 and httpcore2 on a server's bytes: any of theirs
            raise Failure("http_protocol_error", "the server's answer cannot be read") from None

    def _broken(self, text: str) -> Failure:
        if self._head_came:
            return Failure("http_response_incomplete", "the server's answer ends too early")
        if text.startswith("Server disconnected"):
            return Failure("connection_terminated", "the server closed without an answer")
        return Failure("http_protocol_error", "the server's answer cannot be read")


async def _context(trust: Trust, *, http2: bool) -> ssl.SSLContext:
    try:
        return await trust.context(http2=http2)
    except OSError:
        raise Failure(
            "proxy_configuration_error", "the operator's ca_file cannot be read"
        ) from None
