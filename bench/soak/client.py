"""One client of bare lines, of which many tasks call at once."""

import itertools
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from bench.soak.grounds import Grounds

ANSWER_S = 60  # past it a call is lost: the longest waits behind others of a second each
LEAVE_S = 5  # the issue says a second; a busy machine takes longer to see it


@dataclass(slots=True)
class Client:
    """A server's pipes, and who waits for which answer."""

    process: "subprocess.Popen[bytes]"
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, anyio.Event] = field(default_factory=dict)
    _answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    _writing: anyio.Lock = field(default_factory=anyio.Lock)
    refusals: int = 0  # answers to null: to lines that are no request

    async def write(self, data: bytes) -> None:
        """Write whole lines, between those of other tasks."""
        assert self.process.stdin is not None
        descriptor, rest = self.process.stdin.fileno(), memoryview(data)
        async with self._writing:
            while rest:
                await anyio.wait_writable(descriptor)
                rest = rest[os.write(descriptor, rest[:4096]) :]  # as much as never blocks

    async def tell(self, method: str, **params: object) -> None:
        """Send a notification."""
        await self.write(_line({"method": method, "params": params}))

    async def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Send a request and return its answer, whichever it is."""
        number = next(self._numbers)
        arrived = self._waiting[number] = anyio.Event()
        await self.write(_line({"id": number, "method": method, "params": params}))
        try:
            with anyio.fail_after(ANSWER_S):
                await arrived.wait()
        finally:
            self._waiting.pop(number, None)
        return self._answers.pop(number)

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return the answer, whichever it is."""
        return await self.ask("tools/call", name=tool, arguments=arguments)

    async def call_and_cancel(self, tool: str, after_s: float, **arguments: object) -> None:
        """Call a tool, and take the call back: it is never answered."""
        number = next(self._numbers)
        params = {"name": tool, "arguments": arguments}
        await self.write(_line({"id": number, "method": "tools/call", "params": params}))
        await anyio.sleep(after_s)
        await self.tell("notifications/cancelled", requestId=number)

    async def read_forever(self) -> None:
        """Hand each answer to whom it is for."""
        assert self.process.stdout is not None
        data, descriptor = b"", self.process.stdout.fileno()
        while True:
            await anyio.wait_readable(descriptor)
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                return
            *lines, data = (data + chunk).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        if number is None:
            self.refusals += 1
        elif number in self._waiting:
            self._answers[number] = message
            self._waiting[number].set()

    async def leave(self) -> bool:
        """Close the server's input; return whether it ended well, and in time."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        with anyio.move_on_after(LEAVE_S):
            while self.process.poll() is None:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
        return self.process.poll() == 0


def _line(message: dict[str, object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


@asynccontextmanager
async def connected(grounds: Grounds) -> AsyncIterator[Client]:
    """Start a server and shake hands with it; it is killed at the end where it still runs."""
    with (
        grounds.log.open("wb") as log,
        subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here meanwhile
            grounds.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=grounds.env,
        ) as process,
    ):
        client = Client(process)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.read_forever)
                about = {"name": "soak", "version": "1"}
                version = {"protocolVersion": "2025-11-25", "capabilities": {}}
                await client.ask("initialize", **version, clientInfo=about)
                await client.tell("notifications/initialized")
                yield client
                tasks.cancel_scope.cancel()
        finally:
            process.kill()
