"""`preopen serve` over stdio, whole: real client, real cells, both protocol eras."""

import json
import os
import signal
import subprocess  # noqa: TC003 - a fixture's annotation is read at run time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp import Client

from preopen.cells.supply import SPARES
from processes import children_of, cpu_seconds, gone, state_of
from served import Site, make_site

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
both_launchers = pytest.mark.parametrize("flags", [(), ("--spawn",)], ids=["zygote", "spawn"])


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site that serves the probe as both kinds of binary."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = make_site(tmp_path)
    site.add("module", kind="module")
    site.add("component", kind="component")
    quick = '[limits]\nwall_time = "1500ms"\nconcurrency = 4\nqueue = 300\n'
    site.add("endless", level="none", more=quick)
    return site


def text_of(result: object) -> str:
    """Return the text of a result's first block."""
    return str(result.content[0].text)  # type: ignore[attr-defined]  # whichever era's result


@both_eras
@both_launchers
async def test_client_lists_tools_and_calls_them(
    site: Site, era: str, flags: tuple[str, ...]
) -> None:
    """Issue: a client sees the tools with schema and level, and calls them on a real folder."""
    with anyio.fail_after(40):
        async with Client(site.parameters(*flags), mode=era) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            said = [
                await client.call_tool(name, {"words": ["read", "a.txt", "write", "a.txt"]})
                for name in ("module", "component")
            ]
            wrong = await client.call_tool("module", {"word": "x"})

    assert {"module", "component", "endless"} <= set(tools)
    assert tools["module"].meta is not None
    assert tools["module"].meta["preopen/level"] == "read-only"
    assert tools["module"].input_schema["required"] == ["words"]
    for result in said:
        assert not result.is_error
        assert text_of(result).startswith("read a.txt: done this is a|\nwrite a.txt: ")
        assert "done" not in text_of(result).splitlines()[1]
        assert result.meta is not None
        receipt = result.meta["preopen/receipt"]
        assert receipt["grants"] == [f"read {site.work}"]
        assert receipt["cell"] == "call"
    assert wrong.is_error
    assert "words" in text_of(wrong)


async def test_two_hundred_calls_with_endless_ones_among_them(site: Site) -> None:
    """Issue: every one answered rightly; memory and descriptors back; no process left."""
    right: list[bool] = []

    async def honest(client: Client, name: str, number: int) -> None:
        result = await client.call_tool(name, {"words": ["print", f"<{number}>"]})
        right.append(text_of(result).startswith(f"<{number}>print"))

    async def endless(client: Client) -> None:
        result = await client.call_tool("endless", {"words": ["spin", ""]})
        right.append(result.is_error is True and "wall_time" in text_of(result))

    with anyio.fail_after(55):
        async with Client(site.parameters()) as client:
            await honest(client, "module", 0)
            await honest(client, "component", 0)
            (server,) = servers()
            before = len(os.listdir(f"/proc/{server}/fd"))
            async with anyio.create_task_group() as tasks:
                for number in range(180):
                    name = ("module", "component")[number % 2]
                    tasks.start_soon(honest, client, name, number)
                    if number % 9 == 0:
                        tasks.start_soon(endless, client)
            family = children_of(server)
            after = len(os.listdir(f"/proc/{server}/fd"))
        await gone({server, *family})

    assert [True] * 202 == right
    assert abs(after - before) <= 2 * SPARES, (before, after)  # some spares more or less, two each


def servers() -> list[int]:
    """Return our children that are servers."""
    found = []
    for pid in children_of(os.getpid()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"serve" in words:
            found.append(pid)
    return found


class Lines:
    """A bare JSON-RPC client over a server's pipes."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.ask, self.answers = process.stdin, process.stdout
        about = {"name": "lines", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
        self.say({"id": 0, "method": "initialize", "params": hello})
        self.hear()
        self.say({"method": "notifications/initialized"})

    def say(self, message: dict[str, object]) -> None:
        """Write one message."""
        self.ask.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.ask.flush()

    def call(self, number: int, tool: str, *words: str) -> None:
        """Ask for one call."""
        params = {"name": tool, "arguments": {"words": list(words)}}
        self.say({"id": number, "method": "tools/call", "params": params})

    def hear(self) -> dict[str, object]:
        """Read one message."""
        message: dict[str, object] = json.loads(self.answers.readline())
        return message


@pytest.fixture
def server(site: Site) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the server with pipes."""
    with site.serving() as process:
        yield process


async def spinning(server: int) -> tuple[set[int], set[int]]:
    """Wait until a cell of the server burns CPU; return such cells, and all that lives below."""
    with anyio.fail_after(10):
        while True:
            family = children_of(server)
            # A server's own children are zygote and compiler, which burn CPU while they start.
            cells = family - children_of(server, deep=False)
            spinners = {p for p in cells if state_of(p)[:1] == ["R"] and cpu_seconds(p) >= 0.05}
            if spinners:
                return spinners, family
            await anyio.sleep(0.01)


async def test_cancelled_call_s_cell_is_killed_and_the_server_goes_on(
    server: "subprocess.Popen[bytes]",
) -> None:
    """MCP, cancellation: the cell is gone, the next call is answered."""
    lines = Lines(server)
    lines.call(1, "endless", "spin", "")
    spinners, _ = await spinning(server.pid)
    lines.say({"method": "notifications/cancelled", "params": {"requestId": 1}})
    await gone(spinners)
    lines.call(2, "module", "print", "x")

    answer = lines.hear()
    while answer["id"] != 2:  # the older era answers a cancelled call too
        answer = lines.hear()
    assert "result" in answer


@pytest.mark.parametrize("also_zygote", [False, True])
async def test_killed_server_leaves_nothing_running(
    server: "subprocess.Popen[bytes]", *, also_zygote: bool
) -> None:
    """Issue: kill -9 of the server, and of server and zygote together, in the middle of calls."""
    lines = Lines(server)
    lines.call(1, "endless", "spin", "")
    _, family = await spinning(server.pid)
    if also_zygote:
        for pid in children_of(server.pid, deep=False):
            os.kill(pid, signal.SIGKILL)
    server.kill()
    server.wait(5)

    await gone(family)


async def test_end_of_input_ends_everything(server: "subprocess.Popen[bytes]") -> None:
    """Issue: EOF ends everything within a second; running calls are killed."""
    lines = Lines(server)
    lines.call(1, "endless", "spin", "")
    _, family = await spinning(server.pid)
    lines.ask.close()

    assert server.wait(5) == 0
    await gone(family)


async def test_interrupt_ends_everything_quietly(server: "subprocess.Popen[bytes]") -> None:
    """Ours: Ctrl-C, as a terminal sends it."""
    lines = Lines(server)
    lines.call(1, "endless", "spin", "")
    _, family = await spinning(server.pid)
    server.send_signal(signal.SIGINT)
    server.wait(5)

    await gone(family)


async def test_unparsable_line_is_answered_and_the_next_call_works(
    server: "subprocess.Popen[bytes]",
) -> None:
    """JSON-RPC 2.0 §5.1: -32700 with a null id."""
    lines = Lines(server)
    lines.ask.write(b"{ this is no JSON\n")
    lines.ask.flush()
    refused = lines.hear()
    lines.call(2, "module", "print", "x")

    assert isinstance(refused["error"], dict)
    assert refused["error"]["code"] == -32700
    assert lines.hear()["id"] == 2
