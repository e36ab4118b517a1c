"""Times calls over stdio: by the SDK's own client, as agents do, and by a bare line client."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

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


async def by_client(server: Server, calls: int, pause_s: float = 0.0) -> list[float]:
    """Return what each call took, in ms, through the SDK's stdio client."""
    parameters = StdioServerParameters(
        command=server.command[0], args=list(server.command[1:]), env=server.env
    )
    laps = []
    async with Client(parameters) as client:
        for number in range(calls + calls // 10):  # the first tenth warms up
            started = time.perf_counter()
            result = await client.call_tool(server.tool, server.arguments)
            lap = (time.perf_counter() - started) * 1000
            assert not result.is_error, result
            if number >= calls // 10:
                laps.append(lap)
            if pause_s:
                await anyio.sleep(pause_s)
    return laps


def by_lines(server: Server, calls: int, pause_s: float = 0.0) -> list[float]:
    """Return what each call took, in ms, written and read as bare lines."""
    with subprocess.Popen(
        list(server.command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=server.env,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answers = process.stdin, process.stdout

        def say(message: dict[str, object]) -> None:
            ask.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            ask.flush()

        about = {"name": "bench", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
        say({"id": 0, "method": "initialize", "params": hello})
        answers.readline()
        say({"method": "notifications/initialized"})
        laps = []
        params = {"name": server.tool, "arguments": server.arguments}
        for number in range(1, calls + calls // 10 + 1):
            started = time.perf_counter()
            say({"id": number, "method": "tools/call", "params": params})
            answer = json.loads(answers.readline())
            lap = (time.perf_counter() - started) * 1000
            assert not answer["result"].get("isError"), answer
            if number > calls // 10:
                laps.append(lap)
            if pause_s:
                time.sleep(pause_s)
        ask.close()
    return laps
