"""A bare JSON-RPC client over two descriptors, and a server with a few tools to talk to."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import mcp_types as wire
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from preopen.serving.transports.stdio import serve_stdio

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Calls:
    """What the server's tools saw: events that a test waits for."""

    started: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    count: int = 0


def make_tools(calls: Calls) -> Server[Any]:
    async def call(
        _context: ServerRequestContext[Any, Any], params: wire.CallToolRequestParams
    ) -> wire.CallToolResult:
        calls.count += 1
        arguments = params.arguments or {}
        match params.name:
            case "echo":
                text = arguments["text"]
            case "repeat":
                text = "x" * arguments["size"]
            case "surrogate":
                text = "cut in half: \ud83d"
            case "hang":
                try:
                    calls.started.set()
                    await anyio.sleep_forever()
                finally:
                    calls.ended.set()
        return wire.CallToolResult(content=[wire.TextContent(text=text)])

    return Server("lines", on_call_tool=call)


@dataclass
class LineClient:
    """The client's ends of the two pipes; -1 once closed."""

    to_server: int
    from_server: int
    _data: bytearray = field(default_factory=bytearray)

    async def write(self, data: bytes) -> None:
        """Write all of it, as the server takes it."""
        rest = memoryview(data)
        while rest:
            await anyio.wait_writable(self.to_server)
            rest = rest[os.write(self.to_server, rest[:4096]) :]

    async def send(self, *messages: dict[str, Any]) -> None:
        """Write messages, a line each, in one go."""
        await self.write(b"".join(json.dumps(m).encode() + b"\n" for m in messages))

    async def read(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the next message; None at the end of the stream, which must end with a newline."""
        while b"\n" not in self._data:
            await anyio.wait_readable(self.from_server)
            chunk = os.read(self.from_server, 1 << 16)
            if not chunk:
                assert not self._data
                return None
            self._data += chunk
        line, _, self._data = self._data.partition(b"\n")
        return json.loads(line)

    async def read_all(self) -> list[Any]:
        """Return every message up to the end of the stream."""
        found = []
        while (message := await self.read()) is not None:
            found.append(message)
        return found

    async def open_legacy(self) -> None:
        """Shake hands as clients did until 2025."""
        await self.send(request(0, "initialize", INITIALIZE))
        assert (await self.read())["result"]["protocolVersion"] == "2025-11-25"
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def close_input(self) -> None:
        """Close the server's standard input."""
        os.close(self.to_server)
        self.to_server = -1

    def close_output(self) -> None:
        """Stop reading, for good."""
        os.close(self.from_server)
        self.from_server = -1


async def settle(calls: Calls) -> int:
    """Return how many calls the server took, once it takes no more."""
    quiet, seen = 0, calls.count
    while quiet < 100:  # turns of the loop, each of which looks at every descriptor
        await anyio.lowlevel.checkpoint()
        quiet, seen = (quiet + 1, seen) if calls.count == seen else (0, calls.count)
    return seen


def request(number: int | str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def call(
    number: int | str, tool: str, *, era: str = "legacy", **arguments: object
) -> dict[str, Any]:
    meta = {} if era == "legacy" else {"_meta": ENVELOPE}
    return request(number, "tools/call", {"name": tool, "arguments": arguments, **meta})


def text_of(message: dict[str, Any]) -> str:
    text = message["result"]["content"][0]["text"]
    assert isinstance(text, str)
    return text


@asynccontextmanager
async def connected(
    calls: Calls,
    *,
    era: str = "legacy",
    pipe: Callable[[], tuple[int, int]] = os.pipe,
) -> AsyncIterator[LineClient]:
    """Serve a client over two pipes; at the end the client leaves and the server must follow."""
    server_in, to_server = pipe()
    from_server, server_out = pipe()
    client = LineClient(to_server=to_server, from_server=from_server)

    async def serve() -> None:
        try:
            await serve_stdio(make_tools(calls), server_in, server_out)
        finally:
            os.close(server_in)
            os.close(server_out)

    try:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve)
                if era == "legacy":
                    await client.open_legacy()
                yield client
                if client.to_server >= 0:
                    client.close_input()
    finally:
        for descriptor in (client.to_server, client.from_server):
            if descriptor >= 0:
                os.close(descriptor)
