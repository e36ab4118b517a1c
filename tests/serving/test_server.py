import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio
import mcp_types as wire
import pytest
from mcp import Client, MCPError
from mcp.server.lowlevel import Server

from preopen.capability import Grants
from preopen.level import PermissionLevel
from preopen.outcome import Denial, JsonValue
from preopen.serving.invocation import Answer, Invoke, Progress
from preopen.serving.listing import hints_of
from preopen.serving.receipts import receipt_to_json
from preopen.serving.registry import Tool
from preopen.serving.server import INSTRUCTIONS, make_server
from preopen.tool.result import MediaBlock, ResourceBlock, TextBlock
from preopen.trust.consent import Caller
from serving.values import INPUT_SCHEMA, SHA256, make_answer, make_current, make_receipt, make_tool

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])


async def echo(_tool: Tool, arguments: Mapping[str, JsonValue], _p: Progress, _c: Caller) -> Answer:
    return make_answer(text=arguments["text"])


def serve(*tools: Tool, invoke: Invoke = echo) -> Server[dict[str, Any]]:
    current = make_current(*(tools or (make_tool(),)), invoke=invoke)
    return make_server(lambda: current, instructions=INSTRUCTIONS)


def answering(answer: Answer) -> Invoke:
    async def invoke(_t: Tool, _a: Mapping[str, JsonValue], _p: Progress, _c: Caller) -> Answer:
        return answer

    return invoke


def failing(error: Exception) -> Invoke:
    async def invoke(_t: Tool, _a: Mapping[str, JsonValue], _p: Progress, _c: Caller) -> Answer:
        raise error

    return invoke


@both_eras
async def test_tools_are_listed_whole_and_in_the_registrys_order(era: str) -> None:
    """Design §7: not paginated, order stable, the same in both eras."""
    names = [f"tool_{number}" for number in (9, 2, 5, *range(10, 90))]
    server = serve(*(make_tool(name) for name in names))
    with anyio.fail_after(5):
        async with Client(server, mode=era) as client:
            listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == names
    assert listed.next_cursor is None


@both_eras
async def test_a_tools_definition_says_what_the_tool_may_do(era: str) -> None:
    """Design §7: hints from the derived level, and level, grants and digest in _meta."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    with anyio.fail_after(5):
        async with Client(serve(make_tool(output_schema=schema)), mode=era) as client:
            [tool] = (await client.list_tools()).tools
    assert (tool.title, tool.description) == ("Echo", "Says what it was told (echo).")
    assert (tool.input_schema, tool.output_schema) == (INPUT_SCHEMA, schema)
    assert tool.annotations == hints_of(PermissionLevel.READ_ONLY, opens_network=False)
    assert tool.meta == {
        "preopen/level": "read-only",
        "preopen/grants": ["read /src"],
        "preopen/sha256": SHA256,
    }


async def test_definitions_are_the_same_whoever_asks() -> None:
    """Design §7: tools/list must not vary per connection; only the order of keys does, by era."""
    server = serve(make_tool("b"), make_tool("a"))
    listings = []
    with anyio.fail_after(5):
        for era in ("legacy", "2026-07-28", "legacy"):
            async with Client(server, mode=era) as client:
                tools = (await client.list_tools()).tools
                listings.append([tool.model_dump(by_alias=True) for tool in tools])
    assert listings[0] == listings[1] == listings[2]


@pytest.mark.parametrize(
    ("level", "harmless"),
    [
        (PermissionLevel.NONE, True),
        (PermissionLevel.READ_ONLY, True),
        (PermissionLevel.WRITE, False),
        (PermissionLevel.EXECUTE, False),
        (PermissionLevel.DANGEROUS, False),
    ],
)
def test_hints_follow_from_the_derived_level(level: PermissionLevel, *, harmless: bool) -> None:
    """Design §7: readOnly and idempotent up to read-only, destructive for write and above."""
    for opens_network in (False, True):
        assert hints_of(level, opens_network=opens_network) == wire.ToolAnnotations(
            read_only_hint=harmless,
            destructive_hint=not harmless,
            idempotent_hint=harmless,
            open_world_hint=opens_network,
        )


def test_no_grant_reaches_an_open_world_unseen_by_the_hints() -> None:
    """Ours: whoever adds a kind of grant decides here whether it turns openWorldHint on."""
    closed = {"directories", "environment", "executes", "limits", "level", "reasons"}
    assert {field.name for field in dataclasses.fields(Grants)} == closed | {"egress"}


@both_eras
async def test_no_list_changes_are_promised_where_nobody_announces_them(era: str) -> None:
    """Ours: a capability is advertised when something keeps it."""
    with anyio.fail_after(5):
        async with Client(serve(), mode="auto" if era != "legacy" else era) as client:
            assert client.server_capabilities.tools == wire.ToolsCapability(list_changed=False)
            assert client.instructions == INSTRUCTIONS


@both_eras
async def test_an_answer_carries_its_receipt_and_metadata(era: str) -> None:
    """Design §7: content, structuredContent, isError, and the receipt in _meta."""
    answer = make_answer(
        TextBlock(text='{"n":1}'), structured={"n": 1}, is_error=True, metadata={"pages": 3}
    )
    with anyio.fail_after(5):
        async with Client(serve(invoke=answering(answer)), mode=era) as client:
            result = await client.call_tool("echo", {})
    assert result.content == [wire.TextContent(text='{"n":1}')]
    assert result.structured_content == {"n": 1}
    assert result.is_error
    assert result.meta is not None
    assert result.meta["preopen/receipt"] == receipt_to_json(answer.receipt)
    assert result.meta["preopen/metadata"] == {"pages": 3}


@pytest.mark.parametrize("used", [None, 0, 7])
def test_a_receipt_says_what_fuel_was_used_only_where_it_is_counted(used: int | None) -> None:
    """Issue: the amount used stands in the receipt."""
    receipt = make_receipt()
    receipt = replace(receipt, usage=replace(receipt.usage, fuel_used=used))
    written = receipt_to_json(receipt)

    assert ("fuel_used" in written) == (used is not None)
    assert written.get("fuel_used") == used


def test_a_receipt_is_written_with_every_field() -> None:
    """Design §7: what was granted, by which cell and walls, and what was used."""
    denial = Denial(target="/etc", reason="outside", allow="--folder etc=/etc")
    assert receipt_to_json(make_receipt("Denied", denial)) == {
        "outcome": "Denied",
        "grants": ["reads /src/a.txt"],
        "cell": "call",
        "walls": ["landlock", "seccomp"],
        "walls_missing": ["network namespace"],
        "wall_time_ms": 2.346,
        "cpu_time_ms": 1.5,
        "peak_memory_bytes": 65536,
        "memory_of": "guest",
        "bytes_in": 3,
        "bytes_out": 5,
        "denials": [{"target": "/etc", "reason": "outside", "allow": "--folder etc=/etc"}],
        "requests": [],
        "notes": [],
        "sha256": SHA256,
    }


@both_eras
async def test_every_kind_of_block_arrives_as_its_kind(era: str) -> None:
    """Design §5, envelope: text, image, audio and resource blocks."""
    answer = make_answer(
        TextBlock(text="t"),
        MediaBlock(kind="image", data="aQ==", mime_type="image/png"),
        MediaBlock(kind="audio", data="YQ==", mime_type="audio/wav"),
        ResourceBlock(uri="preopen://x", mime_type="text/csv", text=""),
        ResourceBlock(uri="preopen://y", mime_type="application/zip", blob="eg=="),
    )
    with anyio.fail_after(5):
        async with Client(serve(invoke=answering(answer)), mode=era) as client:
            result = await client.call_tool("echo", {})
    text = wire.TextResourceContents(uri="preopen://x", mime_type="text/csv", text="")
    blob = wire.BlobResourceContents(uri="preopen://y", mime_type="application/zip", blob="eg==")
    assert result.content == [
        wire.TextContent(text="t"),
        wire.ImageContent(data="aQ==", mime_type="image/png"),
        wire.AudioContent(data="YQ==", mime_type="audio/wav"),
        wire.EmbeddedResource(resource=text),
        wire.EmbeddedResource(resource=blob),
    ]


@both_eras
async def test_an_unknown_tool_is_the_callers_mistake(era: str) -> None:
    """Design §7: MCPError(INVALID_PARAMS), which is no result of a tool."""
    with anyio.fail_after(5):
        async with Client(serve(), mode=era) as client:
            with pytest.raises(MCPError, match="there is no tool 'nope'") as caught:
                await client.call_tool("nope", {})
    assert caught.value.code == wire.INVALID_PARAMS


@both_eras
@pytest.mark.parametrize(
    "error", [RuntimeError("key at /root/.key"), MCPError(-32000, "key at /root/.key")]
)
async def test_the_text_of_an_exception_stays_with_the_operator(
    era: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Design §7: the model gets an incident's id, the operator's log the same id and why."""
    with anyio.fail_after(5), caplog.at_level(logging.ERROR):
        async with Client(serve(invoke=failing(error)), mode=era) as client:
            result = await client.call_tool("echo", {})
    assert result.is_error
    [block] = result.content
    assert isinstance(block, wire.TextContent)
    assert "/root" not in result.model_dump_json()
    incident = block.text.partition("(incident ")[2].partition(")")[0]
    [record] = [r for r in caplog.records if incident in r.getMessage()]
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@both_eras
async def test_an_answer_that_cannot_be_sent_becomes_an_incident(era: str) -> None:
    """Ours: the SDK serialises after the handler returned; its failures are caught like ours."""
    deep: JsonValue = []
    for _ in range(400):
        deep = [deep]
    answer = make_answer(text="fine", structured={"a": deep})
    with anyio.fail_after(5):
        async with Client(serve(invoke=answering(answer)), mode=era) as client:
            result = await client.call_tool("echo", {})
    assert result.is_error
    assert "incident" in result.model_dump_json()


@both_eras
async def test_a_failing_registry_tells_the_client_no_more_than_an_id(era: str) -> None:
    """Ours: tools/list has no result to put an error in, so it is a JSON-RPC error without text."""

    def broken() -> Any:  # noqa: ANN401 - it never returns
        raise OSError("/root/tools: gone")

    server = make_server(broken, instructions="")
    with anyio.fail_after(5):
        async with Client(server, mode=era) as client:
            with pytest.raises(MCPError, match=r"incident [0-9a-f]{8}") as caught:
                await client.list_tools()
    assert caught.value.code == wire.INTERNAL_ERROR


@both_eras
async def test_progress_reaches_a_client_that_asked_for_it(era: str) -> None:
    """Design §8: a call that waits for a compile reports progress; its number only grows."""
    reported: list[tuple[float, str | None]] = []

    async def slow(_t: Tool, _a: Mapping[str, JsonValue], progress: Progress, _c: Caller) -> Answer:
        await progress("compiling")
        await progress("running")
        return make_answer(text="done")

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        reported.append((progress, message))

    with anyio.fail_after(5):
        async with Client(serve(invoke=slow), mode=era) as client:
            await client.call_tool("echo", {}, progress_callback=note)
            await client.call_tool("echo", {})
    assert sorted(reported) == [(1, "compiling"), (2, "running")]


@both_eras
async def test_a_cancelled_request_cancels_its_invocation(era: str) -> None:
    """Design §5: what the client takes back is killed, not left to run out."""
    started, ended = anyio.Event(), anyio.Event()

    async def hang(_t: Tool, _a: Mapping[str, JsonValue], _p: Progress, _c: Caller) -> Answer:
        try:
            started.set()
            await anyio.sleep_forever()
        finally:
            ended.set()
        raise AssertionError

    with anyio.fail_after(5):
        async with Client(serve(invoke=hang), mode=era) as client, anyio.create_task_group() as tg:
            tg.start_soon(client.call_tool, "echo", {})
            await started.wait()
            tg.cancel_scope.cancel()
        await ended.wait()


async def test_what_is_served_is_asked_anew_for_every_request() -> None:
    """Design §4: reload makes a new registry; a server that is running serves it."""
    served = [make_current(make_tool(name), invoke=echo) for name in ("old", "new")]
    server = make_server(lambda: served[0], instructions="")
    with anyio.fail_after(5):
        async with Client(server, mode="2026-07-28") as client:
            assert [t.name for t in (await client.list_tools()).tools] == ["old"]
            del served[0]
            assert [t.name for t in (await client.list_tools()).tools] == ["new"]
            result = await client.call_tool("new", {"text": "hi"})
    assert result.content == [wire.TextContent(text="hi")]
