import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import mcp_types as wire
import pytest
from mcp import Client, MCPError, StdioServerParameters

from serving.transports.lines import ENVELOPE, INITIALIZE, call, request, text_of

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
all_ways = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])

SCRIPT = Path(__file__).parent / "echo_server.py"
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[1])}


def connect(mode: str) -> Client:
    command = StdioServerParameters(
        command=sys.executable, args=["-B", str(SCRIPT)], env=ENVIRONMENT
    )
    return Client(command, mode=mode)


@contextmanager
def started() -> Iterator[subprocess.Popen[bytes]]:
    """Give the server's process, and end it whatever the test did."""
    with subprocess.Popen(
        [sys.executable, "-B", str(SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def write(stream: IO[bytes] | None, *messages: dict[str, Any]) -> None:
    assert stream is not None
    stream.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    stream.flush()


def read(stream: IO[bytes] | None) -> Any:  # noqa: ANN401 - any JSON
    assert stream is not None
    return json.loads(stream.readline())


@all_ways
async def test_the_sdks_client_lists_and_calls_tools(mode: str) -> None:
    """Design §7: both protocol eras on stdio, and a client that probes for the newer one."""
    reported: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert (progress, total) == (1, None)
        reported.append(message)

    with anyio.fail_after(20):
        async with connect(mode) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool("echo", {"text": "héllo"}, progress_callback=note)
            with pytest.raises(MCPError, match="there is no tool"):
                await client.call_tool("nope", {})
            failed = await client.call_tool("fail", {})
    assert [tool.name for tool in tools] == ["echo", "fail", "hang"]
    assert result.content == [wire.TextContent(text="héllo")]
    assert result.meta is not None
    assert result.meta["preopen/metadata"] == {"length": 5}
    assert result.meta["preopen/receipt"]["outcome"] == "Returned"
    assert reported == ["working"]
    assert failed.is_error
    assert "secret" not in failed.model_dump_json()


@all_ways
async def test_the_sdks_client_takes_a_call_back(mode: str) -> None:
    """MCP, cancellation: the connection stays good for the next call."""
    with anyio.fail_after(20):
        async with connect(mode) as client:
            hanging = anyio.Event()

            async def note(progress: float, total: float | None, message: str | None) -> None:
                assert (progress, total, message) == (1, None, "working")
                hanging.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: client.call_tool("hang", {}, progress_callback=note))
                await hanging.wait()
                tasks.cancel_scope.cancel()
            result = await client.call_tool("echo", {"text": "next"})
    assert result.content == [wire.TextContent(text="next")]


def test_the_newer_era_is_asked_what_it_offers_without_a_handshake() -> None:
    """MCP 2026-07-28: server/discover, and no list changes that nobody sends."""
    with started() as process:
        write(process.stdin, request(1, "server/discover", {"_meta": ENVELOPE}))
        result = read(process.stdout)["result"]
    assert result["supportedVersions"] == ["2026-07-28"]
    assert result["capabilities"]["tools"] == {"listChanged": False}


@both_eras
def test_the_process_ends_with_its_input_while_a_call_runs(era: str) -> None:
    """Design §7: at EOF answers already made are written, and running calls are killed."""
    with started() as process:
        if era == "legacy":
            write(process.stdin, request(0, "initialize", INITIALIZE))
            assert read(process.stdout)["id"] == 0
            write(process.stdin, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        hang = call("slow", "hang", era=era)
        hang["params"]["_meta"] = {**hang["params"].get("_meta", {}), "progressToken": 1}
        write(process.stdin, hang, call(2, "echo", era=era, text="done"))
        seen = [read(process.stdout), read(process.stdout)]
        assert {m.get("method", m.get("id")) for m in seen} == {"notifications/progress", 2}
        assert text_of(next(m for m in seen if m.get("id") == 2)) == "done"
        rest, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert [json.loads(line) for line in rest.splitlines() if b'"result"' in line] == []
    assert b"Traceback" not in errors


def test_a_process_whose_client_vanished_ends_without_a_word() -> None:
    """Ours: no traceback for a broken pipe, and no exit code that a supervisor would report."""
    with started() as process:
        assert process.stdout is not None
        process.stdout.close()
        write(process.stdin, request(0, "initialize", INITIALIZE))
        assert process.stderr is not None
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == b""


def test_a_stray_print_arrives_on_stderr() -> None:
    """Ours: a word of a library on stdout would end the conversation."""
    with started() as process:
        write(process.stdin, call(1, "echo", era="2026-07-28", text="x"))
        assert text_of(read(process.stdout)) == "x"
        _, errors = process.communicate(timeout=10)
    assert b"a stray word" in errors
