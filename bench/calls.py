"""Times calls over stdio: by the SDK's own client, as agents do, and by a bare line client."""

import json
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from mcp import Client, StdioServerParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server to measure: its command line, environment, and the call that is made."""

    name: str
    command: Sequence[str]
    env: dict[str, str]
    tool: str
    arguments: dict[str, str]


@dataclass(slots=True, kw_only=True)
class ByClient:
    """The SDK's stdio client, connected."""

    server: Server
    client: Client

    async def lap(self) -> float:
        """Make one call and return what it took, in ms."""
        started = time.perf_counter()
        result = await self.client.call_tool(self.server.tool, self.server.arguments)
        took = (time.perf_counter() - started) * 1000
        assert not result.is_error, result
        return took


@dataclass(slots=True, kw_only=True)
class ByLines:
    """A client that writes and reads bare lines, and nothing between."""

    server: Server
    process: "subprocess.Popen[bytes]"
    count: int = field(default=0)

    async def lap(self) -> float:
        """Make one call and return what it took, in ms."""
        params = {"name": self.server.tool, "arguments": self.server.arguments}
        self.count += 1
        started = time.perf_counter()
        answer = self.ask({"id": self.count, "method": "tools/call", "params": params})
        took = (time.perf_counter() - started) * 1000
        assert not answer["result"].get("isError"), answer
        return took

    def tell(self, message: dict[str, object]) -> None:
        """Write one message."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, message: dict[str, object]) -> dict[str, dict[str, object]]:
        """Write one message and read its answer."""
        assert self.process.stdout is not None
        self.tell(message)
        answer: dict[str, dict[str, object]] = json.loads(self.process.stdout.readline())
        return answer


@asynccontextmanager
async def by_client(server: Server) -> AsyncIterator[ByClient]:
    """Start a server and connect the SDK's client."""
    command, *arguments = server.command
    parameters = StdioServerParameters(command=command, args=arguments, env=server.env)
    async with Client(parameters) as client:
        yield ByClient(server=server, client=client)


@asynccontextmanager
async def by_lines(server: Server) -> AsyncIterator[ByLines]:
    """Start a server and shake hands with it."""
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here meanwhile
        list(server.command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=server.env,
    ) as process:
        lines = ByLines(server=server, process=process)
        about = {"name": "bench", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
        lines.ask({"id": 0, "method": "initialize", "params": hello})
        lines.tell({"method": "notifications/initialized"})
        try:
            yield lines
        finally:
            process.communicate()


async def measure(
    clients: Sequence[ByClient | ByLines], *, rounds: int, calls: int, pause_s: float = 0.0
) -> dict[str, list[float]]:
    """Return what each call took, in ms, by server.

    Round by round, each server in turn: what else the machine does meets all of them alike.
    """
    laps: dict[str, list[float]] = {client.server.name: [] for client in clients}
    for number in range(rounds + 1):
        for client in clients:
            for _ in range(calls):
                lap = await client.lap()
                if number:  # the first round warms up
                    laps[client.server.name].append(lap)
                if pause_s:
                    await anyio.sleep(pause_s)
    return laps
