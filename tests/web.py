"""A server on loopback for whole calls: keeps what arrives, and answers as it is told."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
from anyio import EndOfStream
from anyio.abc import ByteStream

from egress.street import far, plain


@dataclass(slots=True)
class Arrived:
    """One request, as much of it as came; `whole` says that its body came to its end."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    whole: bool = False

    def values(self, name: str) -> list[str]:
        """Return the values of every header of this name."""
        return [value for each, value in self.headers if each == name.lower()]


def none(_arrived: Arrived) -> tuple[str, ...]:
    """Add no header to an answer."""
    return ()


async def at_once(_arrived: Arrived) -> None:
    """Wait for nothing before an answer."""


@dataclass(slots=True, kw_only=True)
class Web:
    """One server: `arrived` grows; `answer` and `headers` make what is said, after `before`.

    A body that is `chunked` does not say its length ahead.
    """

    scheme: str = "http"
    port: int = 0
    chunked: bool = False
    answer: Callable[[Arrived], bytes] = lambda _arrived: b"hello"
    headers: Callable[[Arrived], tuple[str, ...]] = none
    before: Callable[[Arrived], Awaitable[None]] = at_once
    arrived: list[Arrived] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """The scheme, address and port, as a rule names them."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """Path and query of each request that came."""
        return [each.target for each in self.arrived]

    async def handle(self, stream: ByteStream) -> None:
        """Serve one request of one connection."""
        http, arrived = h11.Connection(h11.SERVER), None
        while arrived is None or not arrived.whole:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError:
                return  # its sender broke it off
            if event is h11.NEED_DATA:
                http.receive_data(await _piece(stream))
            elif isinstance(event, h11.Request):
                arrived = Arrived(
                    method=event.method.decode(),
                    target=event.target.decode(),
                    headers=[(name.decode(), value.decode()) for name, value in event.headers],
                )
                self.arrived.append(arrived)
            elif arrived is None:
                return  # nothing came
            elif isinstance(event, h11.Data):
                arrived.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                arrived.whole = True
        await self.before(arrived)
        body = self.answer(arrived)
        await stream.send(_chunked(body) if self.chunked else plain(body, *self.headers(arrived)))


def _chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


async def _piece(stream: ByteStream) -> bytes:
    try:
        return await stream.receive()
    except EndOfStream:
        return b""


@asynccontextmanager
async def serving(
    answer: Callable[[Arrived], bytes] = lambda _arrived: b"hello",
    *,
    headers: Callable[[Arrived], tuple[str, ...]] = none,
    before: Callable[[Arrived], Awaitable[None]] = at_once,
    chunked: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Web]:
    """Serve on a free port of loopback, by TLS where a context is given.

    What the body raises comes out as it is, without the group of a task group around it.
    """
    failure: Exception | None = None
    scheme = "https" if tls else "http"
    web = Web(answer=answer, headers=headers, before=before, chunked=chunked, scheme=scheme)
    async with far(web.handle, tls) as web.port:
        try:
            yield web
        except Exception as error:  # noqa: BLE001 - raised again below
            failure = error
    if failure is not None:
        raise failure
