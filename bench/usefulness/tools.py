"""Our side: a real client, connected over stdio to `preopen serve` on a replica."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from bench.usefulness.task import Call

PATIENCE_S = 120  # the first call of a tool compiles it


@asynccontextmanager
async def connect(workspace: Path, own: Path) -> AsyncIterator[Client]:
    """Start a server whose workspace is a replica, its own files elsewhere, and shake hands."""
    homes = {f"XDG_{name}_HOME": str(own / name) for name in ("CONFIG", "STATE", "CACHE")}
    arguments = ["-m", "preopen.cli.main", "serve", "--workspace", str(workspace)]
    parameters = StdioServerParameters(
        command=sys.executable, args=arguments, env={"PATH": os.environ["PATH"], **homes}
    )
    async with Client(parameters) as client:
        yield client


async def ask(client: Client, call: Call) -> str:
    """Return what the model reads of one call: its text, error or not."""
    with anyio.fail_after(PATIENCE_S):
        result = await client.call_tool(call.tool, dict(call.arguments))
    assert isinstance(result, CallToolResult), result
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
