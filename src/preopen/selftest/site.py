"""A site on this machine's loopback, which stands for all that a guest must or must not reach.

It notes every request that arrives, answers as its path says, and leads nowhere else.
"""

import base64
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import Listener, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from preopen.selftest.asking import TOKEN

WELCOME: Final = "welcome, operator"
LOOPBACK: Final = "127.0.0.1"
NEIGHBOUR: Final = "127.0.0.2"
UNPACKED: Final = 4 << 20  # bytes that the bomb comes to
_MOST: Final = 64 << 10  # bytes of a head, or of one line of a body
_PIECE: Final = 16 << 10
_LOGIN: Final = f"Bearer {TOKEN}".encode()

_Headers = dict[str, str]
GONE: Final = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    anyio.IncompleteRead,
    anyio.DelimiterNotFound,
)


@dataclass(frozen=True, slots=True)
class Got:
    """One request as it arrived: its head, and how long its body was."""

    head: bytes
    body: int

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    @property
    def path(self) -> str:
        """What was asked for."""
        return self.line.split(" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of every field of this lower-case name."""
        fields = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        return [value.strip() for each, _, value in fields if each.lower() == name]


@dataclass(slots=True)
class _Meeting:
    """What one call leaves at the site for another, which is alive for as long as that needs it."""

    left: anyio.Event = field(default_factory=anyio.Event)
    fetched: anyio.Event = field(default_factory=anyio.Event)
    text: str = ""


@dataclass(slots=True)
class Site:
    """What arrived, in order. It listens on two ports, and does not care on which it is asked."""

    ports: tuple[int, int]
    got: list[Got] = field(default_factory=list)
    _meetings: dict[str, _Meeting] = field(default_factory=dict)

    async def serve(self, stream: SocketStream) -> None:
        """Answer one request."""
        async with stream:
            try:
                request = await _read(BufferedByteReceiveStream(stream))
                self.got.append(request)
                await self._answer(stream, request)
            except GONE:  # that is what rows try to bring about
                return

    async def _answer(self, stream: SocketStream, request: Got) -> None:
        _, verb, *words = request.path.partition("?")[0].split("/")
        match verb, words:
            case "flood", [size]:
                await _flood(stream, int(size))
            case "leave", [name, text]:
                await self._leave(name, text)
                await stream.send(response("fetched"))
            case "take", [name]:
                await stream.send(response(await self._take(name)))
            case "free", [name]:
                self._meeting(name).fetched.set()
                await stream.send(response("freed"))
            case "knock", [port]:
                await stream.send(response(await knock(int(port))))
            case _:
                await stream.send(_plain(verb, words, request))

    def _meeting(self, name: str) -> _Meeting:
        return self._meetings.setdefault(name, _Meeting())

    async def _leave(self, name: str, text: str) -> None:
        """Keep a text until another has come for it and has done what it wanted."""
        meeting = self._meeting(name)
        meeting.text = text
        meeting.left.set()
        await meeting.fetched.wait()

    async def _take(self, name: str) -> str:
        meeting = self._meeting(name)
        await meeting.left.wait()
        return meeting.text


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    """Serve a site on two free ports of loopback, and a neighbour on the first of them.

    At the end nobody serves there.
    """
    async with AsyncExitStack() as stack:

        async def listen(host: str, port: int) -> Listener[SocketStream]:
            listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
            return await stack.enter_async_context(listener)

        listeners = [await listen(LOOPBACK, 0) for _ in range(2)]
        first, second = (int(each.extra(SocketAttribute.local_port)) for each in listeners)  # noqa: S610 - no Django
        listeners.append(await listen(NEIGHBOUR, first))
        site = Site((first, second))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        for each in listeners:
            tasks.start_soon(each.serve, site.serve)
        yield site
        tasks.cancel_scope.cancel()


async def knock(port: int) -> str:
    """Return what somebody outside of the cell gets at this port of this machine's loopback."""
    try:
        async with await anyio.connect_tcp(LOOPBACK, port) as stream:
            await stream.send(b"GET /guess HTTP/1.1\r\nHost: x\r\n\r\n")
            return (await stream.receive()).partition(b"\r\n")[0].decode("latin-1")
    except GONE:
        return "nobody answers"
    except OSError:
        return "nobody listens"


def response(body: str | bytes, status: str = "200 OK", **fields: str) -> bytes:
    """Return a response; the names of its fields have underscores for dashes."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + data


def _plain(verb: str, words: list[str], request: Got) -> bytes:
    """Return what is answered at once."""
    login = b", ".join(request.values(b"authorization"))
    match verb, words:
        case "redirect", [port]:
            return response("", "302 Found", Location=f"http://{LOOPBACK}:{port}/private")
        case "bomb", _:
            return response(gzip.compress(bytes(UNPACKED)), Content_Encoding="gzip")
        case "echo", [form]:
            return _echo(login.removeprefix(b"Bearer "), form)
        case "declared", [size]:
            said: str | bytes = bytes(int(size))
        case "posted", _:
            said = f"{request.body} bytes"
        case "login", _:
            said = WELCOME if login == _LOGIN else b"who are you, " + login
        case "host", _:
            said = b", ".join(request.values(b"host"))
        case _:
            said = f"page {request.path}"
    return response(said)


_FORMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "raw": bytes,
    "base64": base64.b64encode,
    "percent": lambda secret: "".join(f"%{octet:02x}" for octet in secret).encode(),
}


def _echo(secret: bytes, form: str) -> bytes:
    """Return the secret that a request brought, in one of its disguises."""
    if form == "header":
        return response("look above", X_Echo=secret.decode("latin-1"))
    if form == "gzip":
        return response(gzip.compress(secret), Content_Encoding="gzip")
    return response(_FORMS[form](b"user:" + secret))


async def _flood(stream: SocketStream, size: int) -> None:
    """Send so many bytes whose number was not said before."""
    await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%b\r\n" % (_PIECE, bytes(_PIECE))
    for _ in range(size // _PIECE):
        await stream.send(piece)
    await stream.send(b"0\r\n\r\n")


async def _read(stream: BufferedByteReceiveStream) -> Got:
    head = await stream.receive_until(b"\r\n\r\n", _MOST)
    got = Got(head, 0)
    if got.values(b"transfer-encoding"):
        return Got(head, await _skip_chunks(stream))
    size = int((got.values(b"content-length") or [b"0"])[0])
    for _ in range(size):
        await stream.receive_exactly(1)
    return Got(head, size)


async def _skip_chunks(stream: BufferedByteReceiveStream) -> int:
    total = 0
    while size := int(await stream.receive_until(b"\r\n", _MOST), 16):
        await stream.receive_exactly(size + len(b"\r\n"))
        total += size
    return total
