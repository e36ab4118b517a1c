"""The baseline: the same SDK's server on its stock transport, one tool that echoes, no sandbox."""

import anyio
import mcp_types as wire
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server


async def _list(_context: object, _params: object) -> wire.ListToolsResult:
    return wire.ListToolsResult(tools=[wire.Tool(name="echo", input_schema={"type": "object"})])


async def _call(_context: object, params: wire.CallToolRequestParams) -> wire.CallToolResult:
    text = str((params.arguments or {}).get("path"))
    return wire.CallToolResult(content=[wire.TextContent(text=text)])


async def main() -> None:
    """Serve until standard input ends."""
    server = Server("echo", on_list_tools=_list, on_call_tool=_call)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
