"""A gateway of the tests' own: says what it was asked, answers as it is told, serves one page.

It shows what a cell does when the product's gateway is out of the way.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from preopen.cells.job import Attended
from preopen.wire.frames import Ask, Verdict

PAGE = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@dataclass(slots=True)
class Door:
    """Attends calls: each ask gets `verdict`, each connection `PAGE`."""

    verdict: Verdict = field(default_factory=lambda: Verdict(ticket="/ticket"))
    asks: list[Ask] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    port: int = 0
    opens: bool = True

    @asynccontextmanager
    async def attend(self, listener: int) -> AsyncIterator[Attended]:
        """Serve the socket that a cell listens on for as long as its call runs."""
        with socket.socket(fileno=os.dup(listener)) as door:
            self.ports.append(door.getsockname()[1])
            self.port = self.ports[-1] if self.opens else 0
            door.setblocking(False)
            async with await asyncio.start_server(self._serve, sock=door):
                yield self

    async def answer(self, ask: Ask) -> Verdict:
        """Note what is asked."""
        self.asks.append(ask)
        return self.verdict

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(PAGE)
        await writer.drain()
        writer.close()
