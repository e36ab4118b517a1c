"""Who hears of a change of the lists, and when: both eras, through the SDK's own client."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest
from mcp import Client
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.message import SessionMessage
from mcp.shared.subscriptions import ServerEvent, ToolsListChanged
from mcp_types import JSONRPCNotification, JSONRPCRequest

from preopen.errors import Fault
from preopen.level import PermissionLevel
from preopen.outcome import JsonValue
from preopen.serving.announcing import Announcer
from preopen.serving.current import Current
from preopen.serving.invocation import Answer, Progress
from preopen.serving.listing import events_between
from preopen.serving.registry import RefusedTool, Tool
from preopen.serving.server import INSTRUCTIONS, make_server
from preopen.trust.consent import Caller
from serving.hearing import ERAS, hearing
from serving.values import make_answer, make_current, make_tool

pytestmark = pytest.mark.anyio
_HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "deaf", "version": "1"},
}
both_eras = pytest.mark.parametrize("era", ERAS)


async def echo(_t: Tool, _a: Mapping[str, JsonValue], _p: Progress, _c: Caller) -> Answer:
    return make_answer(text="")


def serving(*names: str) -> Current:
    return make_current(*(make_tool(name) for name in names), invoke=echo)


def kinds(events: list[ServerEvent]) -> list[str]:
    return [getattr(event, "uri", type(event).__name__) for event in events]


@both_eras
async def test_who_is_told_finds_the_new_list(era: str) -> None:
    """Issue 7: list_changed to clients of both eras; after it tools/list gives the new one."""
    served, announcer = [serving("old")], Announcer()
    server = make_server(lambda: served[-1], instructions=INSTRUCTIONS, announcer=announcer)
    with anyio.fail_after(5):
        async with hearing(server, era) as ear:
            capabilities = ear.client.server_capabilities
            assert capabilities.tools is not None
            assert capabilities.resources is not None
            assert (capabilities.tools.list_changed, capabilities.resources.list_changed) == (
                True,
                True,
            )
            assert await ear.names() == {"old"}
            served.append(serving("old", "new"))
            await announcer.tell(events_between(*served))
            await ear.until_offered("new")
    assert (ear.tools, ear.resources) == (1, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _tool: None, []),
        (
            lambda tool: replace(tool, manifest=replace(tool.manifest, description="other")),
            ["ToolsListChanged", "preopen://tools/echo"],
        ),
        (
            lambda tool: replace(tool, grants=replace(tool.grants, level=PermissionLevel.NONE)),
            ["ToolsListChanged", "preopen://policy"],
        ),
        (
            lambda tool: replace(tool, manifest=replace(tool.manifest, title="Other")),
            ["ToolsListChanged", "ResourcesListChanged", "preopen://tools/echo"],
        ),
    ],
)
def test_only_what_reads_differently_is_told(
    change: Callable[[Tool], Tool | None], told: list[str]
) -> None:
    """Issue 7: list_changed only when the advertised list really differs."""
    tool = make_tool()
    other = make_current(change(tool) or make_tool(), invoke=echo)
    assert kinds(events_between(make_current(tool, invoke=echo), other)) == told


def test_refusal_changes_what_the_policy_says_and_no_list() -> None:
    """Ours: a broken edit that keeps its tool is to be read in preopen://policy."""
    old = serving("echo")
    fault = Fault(place="/manifests/echo.toml", found="not TOML")
    refused = RefusedTool(name="echo", file="/manifests/echo.toml", faults=(fault,))
    new = replace(old, registry=replace(old.registry, refused=(refused,)))
    assert kinds(events_between(old, new)) == ["preopen://policy"]


async def test_resource_that_reads_differently_is_told_to_who_listens_for_it() -> None:
    """Ours, 2026-07-28: `resources.subscribe` is promised wherever streams are served."""
    announcer = Announcer()
    server = make_server(lambda: serving("a"), instructions="", announcer=announcer)
    with anyio.fail_after(5):
        async with (
            Client(server, mode="auto") as client,
            client.listen(resource_subscriptions=["preopen://policy"]) as stream,
        ):
            await announcer.tell([ToolsListChanged(), ResourceUpdated(uri="preopen://tools/a")])
            await announcer.tell([ResourceUpdated(uri="preopen://policy")])
            assert await anext(aiter(stream)) == ResourceUpdated(uri="preopen://policy")


async def test_client_that_does_not_read_keeps_nobody_waiting() -> None:
    """Ours: were it waited for, a policy that allows less would not hold meanwhile."""
    announcer = Announcer()
    server = make_server(lambda: serving("a"), instructions="", announcer=announcer)
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    deaf, unread = anyio.create_memory_object_stream[SessionMessage](0)
    async with to_server, from_client, deaf, unread:
        with anyio.fail_after(5):
            async with hearing(server, "legacy") as ear, anyio.create_task_group() as tasks:
                options = server.create_initialization_options()
                tasks.start_soon(server.run, from_client, deaf, options)
                hello = JSONRPCRequest(jsonrpc="2.0", id=0, method="initialize", params=_HELLO)
                await to_server.send(SessionMessage(hello))
                await unread.receive()
                begin = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
                await to_server.send(SessionMessage(begin))
                for _ in range(1000):
                    await announcer.tell([ToolsListChanged()])
                while not ear.tools:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
