"""A server with real values and no cells, over its own standard streams."""

from collections.abc import Mapping

import anyio

from preopen.outcome import JsonValue
from preopen.serving.invocation import Answer, Progress
from preopen.serving.registry import Tool
from preopen.serving.server import INSTRUCTIONS, make_server
from preopen.serving.transports.stdio import serve_stdio
from preopen.trust.consent import Caller
from serving.values import make_answer, make_current, make_tool


async def invoke(
    tool: Tool, arguments: Mapping[str, JsonValue], progress: Progress, _caller: Caller
) -> Answer:
    """Echo, fail or hang, by the tool's name."""
    print("a stray word")  # noqa: T201 - what must not reach the client
    await progress("working")
    if tool.name == "fail":
        raise RuntimeError("a secret path")
    if tool.name == "hang":
        await anyio.sleep_forever()
    return make_answer(text=arguments["text"], metadata={"length": len(arguments["text"])})


async def main() -> None:
    """Serve until standard input ends."""
    current = make_current(*(make_tool(name) for name in ("echo", "fail", "hang")), invoke=invoke)
    await serve_stdio(make_server(lambda: current, instructions=INSTRUCTIONS))


anyio.run(main)
