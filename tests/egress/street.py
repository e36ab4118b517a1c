"""Both ends of the gateway, real ones: servers on loopback, a guest's HTTP client on sockets."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import anyio
import h11
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from preopen.egress.caps import Caps
from preopen.egress.gateway import Attendance, Gateway, Refusal, Resolve, Ticket
from preopen.egress.rule import CallEgress, EgressRule
from preopen.egress.rules import parse_rule
from preopen.egress.sockets import Address
from preopen.egress.trust import Trust

Handler = Callable[[ByteStream], Awaitable[None]]

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError)


@dataclass
class Got:
    """What a guest's client saw; `whole` says that the answer ended as it should."""

    status: int = 0
    reason: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False


def listening() -> int:
    """Return the descriptor of a listening socket, as a cell hands it over."""
    raw = socket.socket()
    raw.bind(("127.0.0.1", 0))
    raw.listen(128)
    return raw.detach()


async def nowhere(host: str, port: int) -> tuple[Address, ...]:
    """Resolve nothing."""
    del host, port
    raise OSError("no such name")


def resolving(**names: str) -> Callable[[str, int], Awaitable[tuple[Address, ...]]]:
    """Return a resolver of `{"a_example": "127.0.0.1 ::1"}`: underscores stand for dots."""
    table = {name.replace("_", "."): text.split() for name, text in names.items()}

    async def resolve(host: str, port: int) -> tuple[Address, ...]:
        del port
        if host not in table:
            raise OSError("no such name")
        return tuple(map(ip_address, table[host]))

    return resolve


@asynccontextmanager
async def far(
    handler: Handler, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve on loopback with `handler`, one connection each; yields the port."""

    async def shielded(stream: ByteStream) -> None:
        async with stream:
            try:
                await handler(stream)
            except GONE:
                return  # tests cut connections on purpose

    tcp = await anyio.create_tcp_listener(local_host=host)
    port: int = tcp.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
    listener: Any = tcp if tls is None else TLSListener(tcp, tls, standard_compatible=False)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, shielded)
        yield port
        group.cancel_scope.cancel()


async def head_of(stream: ByteStream) -> bytes:
    """Return a request's head, and what came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    return data


def saying(answer: bytes, heads: list[bytes] | None = None) -> Handler:
    """Return a handler that reads a head, keeps it in `heads`, and answers these bytes."""

    async def handle(stream: ByteStream) -> None:
        head = await head_of(stream)
        if heads is not None:
            heads.append(head)
        await stream.send(answer)

    return handle


def plain(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return a response with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def loopback(*urls: str) -> tuple[EgressRule, ...]:
    """Return rules for these hosts that let loopback through, every method allowed."""
    return tuple(parse_rule(url, methods=("*",), private=True) for url in urls)


@asynccontextmanager
async def attended(
    call: CallEgress | str,
    *,
    caps: Caps | None = None,
    resolve: Resolve = nowhere,
    trust: Trust | None = None,
) -> AsyncIterator[Attendance]:
    """Attend a call; a text stands for one `loopback` rule."""
    egress = CallEgress(rules=loopback(call)) if isinstance(call, str) else call
    gateway = Gateway(resolve=resolve, trust=trust or Trust(), caps=caps or Caps())
    with anyio.fail_after(20):
        async with gateway.attend(egress, listening()) as attendance:
            yield attendance


async def ticket(attendance: Attendance, url: str, method: str = "GET") -> str:
    """Ask, and return the ticket's path."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    answer = await attendance.ask(method, scheme, authority, slash + path)
    assert isinstance(answer, Ticket), (answer, attendance.denials)
    return answer.path


async def refused(attendance: Attendance, url: str, method: str = "GET") -> str:
    """Ask, and return the error of the refusal."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    answer = await attendance.ask(method, scheme, authority, slash + path)
    assert isinstance(answer, Refusal), answer
    return answer.error


def request(
    path: str, method: str = "GET", headers: Iterable[str] = (), body: bytes = b""
) -> bytes:
    """Return a request as bytes, its length included where it has a body."""
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *length, *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def exchange(attendance: Attendance, sent: bytes, method: str = "GET") -> Got:
    """Send bytes to the listener, read the answer to its end, however it ends."""
    async with await anyio.connect_tcp("127.0.0.1", attendance.port) as stream:
        with suppress(*GONE):
            await stream.send(sent)
        return await read_answer(stream, method)


async def read_answer(stream: ByteStream, method: str = "GET") -> Got:
    """Read one answer as a strict client does."""
    http, got = h11.Connection(h11.CLIENT), Got()
    http.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    http.send(h11.EndOfMessage())
    pieces: list[bytes] = []
    while not got.whole:
        try:
            event = http.next_event()
            if event is h11.NEED_DATA:
                try:
                    http.receive_data(await stream.receive())
                except anyio.EndOfStream:
                    http.receive_data(b"")
            elif isinstance(event, h11.Response):
                got.status, got.reason = event.status_code, event.reason
                got.headers = dict(event.headers)
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                got.whole = True
            elif isinstance(event, h11.ConnectionClosed):
                break
        except (h11.RemoteProtocolError, anyio.BrokenResourceError):
            break
    got.body = b"".join(pieces)
    return got


async def fetch(
    attendance: Attendance,
    url: str,
    method: str = "GET",
    headers: Iterable[str] = (),
    body: bytes = b"",
) -> Got:
    """Ask for one request, send it, read its answer: what a guest's client does."""
    path = await ticket(attendance, url, method)
    return await exchange(attendance, request(path, method, headers, body), method)
