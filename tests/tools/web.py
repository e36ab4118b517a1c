"""A web on loopback for the tools that read one: pages by path, and each request that came."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HTML = "text/html; charset=utf-8"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n"


@dataclass(slots=True)
class Web:
    """Where it is, what it holds, what it was asked. A page is its whole answer."""

    base: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def put(
        self,
        path: str,
        body: str | bytes,
        kind: str = HTML,
        *,
        status: str = "200 OK",
        headers: tuple[str, ...] = (),
        packed: bool = False,
    ) -> str:
        """Put a page there and return its URL."""
        data = body if isinstance(body, bytes) else body.encode()
        data = gzip.compress(data) if packed else data
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
        lines += ["Content-Encoding: gzip"] if packed else []
        self.pages[path] = "\r\n".join([*lines, *headers, "", ""]).encode() + data
        return self.base + path

    def put_json(self, path: str, value: object) -> str:
        """Put a JSON document there and return its URL."""
        return self.put(path, json.dumps(value, ensure_ascii=False), "application/json")

    def lead(self, path: str, to: str, status: str = "302 Found") -> str:
        """Put a redirect there and return its URL."""
        return self.put(
            path, "elsewhere", "text/plain", status=status, headers=(f"Location: {to}",)
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        self.bodies.append(await _body(reader, head.lower()))
        path = head.split(" ")[1].partition("?")[0]
        answer = self.pages.get(path) or MISSING
        if head.startswith("HEAD "):
            answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        writer.write(answer)
        await writer.drain()
        writer.close()


async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
    if "transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        return body
    length = [line for line in head.split("\r\n") if line.startswith("content-length:")]
    return await reader.readexactly(int(length[0].split(":")[1])) if length else b""


@asynccontextmanager
async def open_web() -> AsyncIterator[Web]:
    """Serve until the block ends."""
    web = Web()
    async with await asyncio.start_server(web.serve, "127.0.0.1", 0) as server:
        web.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield web
