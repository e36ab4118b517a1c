"""One call over the protocol: what a client would write, and every byte that it would get back."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import anyio

from preopen.cells.pool import Pool
from preopen.outcome import JsonValue
from preopen.policy.policy import Policy
from preopen.serving.current import Current
from preopen.serving.invocation import make_invoker
from preopen.serving.registry import Registry, Tool
from preopen.serving.server import make_server
from preopen.serving.transports.stdio import serve_stdio

CALL_ID: Final = 7
_CHUNK: Final = 64 << 10


async def call_over_wire(
    pool: Pool, policy: Policy, tool: Tool, arguments: Mapping[str, JsonValue]
) -> bytes:
    """Return what a server writes for `initialize` and one `tools/call`, up to the end of that."""
    registry = Registry(tools=MappingProxyType({tool.name: tool}), refused=(), left_out=())
    current = Current(policy=policy, registry=registry, invoke=make_invoker(pool, policy))
    server = make_server(lambda: current, instructions="")
    (theirs, write), (read, ours) = os.pipe(), os.pipe()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_stdio, server, theirs, ours)
            os.write(write, _requests(tool.name, arguments))
            written = await _read(read)
            tasks.cancel_scope.cancel()
        return written
    finally:
        for descriptor in (theirs, write, read, ours):
            with suppress(OSError):
                os.close(descriptor)


async def _read(descriptor: int) -> bytes:
    """Read until the answer to the call is whole: two answers, and what a guest puts between."""
    os.set_blocking(descriptor, False)
    written = bytearray()
    while f'"id":{CALL_ID}'.encode() not in written or not written.endswith(b"}\n"):
        await anyio.wait_readable(descriptor)
        written += os.read(descriptor, _CHUNK)
    return bytes(written)


def _requests(name: str, arguments: Mapping[str, JsonValue]) -> bytes:
    client = {"name": "selftest", "version": "1"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    messages: list[dict[str, JsonValue]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {
            "id": CALL_ID,
            "method": "tools/call",
            "params": {"name": name, "arguments": dict(arguments)},
        },
    ]
    return b"".join(
        json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n" for message in messages
    )
