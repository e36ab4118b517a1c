"""The network through a real client: what is open is reached, what is not is explained."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, stdio_client

from served import Site, make_site

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
both_launchers = pytest.mark.parametrize("flags", [(), ("--spawn",)], ids=["zygote", "spawn"])

EGRESS = '[[egress]]\nallow = "${egress}"\nmethods = ["GET", "POST"]\n'


@dataclass
class Web:
    """A server on loopback: where it is, and each request that came."""

    base: str = ""
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer with a page of five bytes."""
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
        writer.close()


@asynccontextmanager
async def web() -> AsyncIterator[Web]:
    """Serve until the block ends."""
    made = Web()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site that serves the courier."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = make_site(tmp_path)
    site.add("courier", kind="courier", level="write", more=EGRESS)
    return site


def lines_of(result: Any) -> list[str]:  # noqa: ANN401 - a result of either era
    """Return the text of a result's blocks, line by line."""
    return [line for block in result.content for line in block.text.splitlines()]


@both_eras
@both_launchers
async def test_opened_host_is_reached_and_the_receipt_says_how(
    site: Site, era: str, flags: tuple[str, ...]
) -> None:
    """Issue: receipts list each request; no path unless the operator turns that on."""
    async with web() as there:
        parameters = site.parameters("--egress-private", there.base, *flags)
        with anyio.fail_after(60):
            async with Client(parameters, mode=era) as client:
                tools = {tool.name: tool for tool in (await client.list_tools()).tools}
                words = ["get", f"{there.base}/a/path?with=query"]
                result = await client.call_tool("courier", {"words": words})

    assert json.loads(lines_of(result)[0])["status"] == 200
    assert [head.split("\r\n")[0] for head in there.heads] == ["GET /a/path?with=query HTTP/1.1"]
    assert result.meta is not None
    receipt = result.meta["preopen/receipt"]
    (request,) = receipt["requests"]
    assert (request["method"], request["host"], request["result"]) == ("GET", "127.0.0.1", "200")
    assert (request["address"], request["response_bytes"]) == ("127.0.0.1", 5)
    assert "path" not in request
    assert receipt["grants"] == [f"GET, POST to {there.base}, at a private address"]
    assert tools["courier"].annotations is not None
    assert tools["courier"].annotations.open_world_hint is True


@both_eras
async def test_host_that_is_not_open_is_denied_with_the_line_that_opens_it(
    site: Site, era: str, tmp_path: Path
) -> None:
    """Issue: the model hears what was refused and by what; receipt and stderr have the line."""
    errors = tmp_path / "stderr"
    async with web() as there:
        words = ["get", "https://api.example.com/x", f"{there.base}/"]
        with anyio.fail_after(60), errors.open("w") as log:
            async with Client(stdio_client(site.parameters(), log), mode=era) as client:
                tools = {tool.name: tool for tool in (await client.list_tools()).tools}
                result = await client.call_tool("courier", {"words": words})

    first, second, *told = lines_of(result)
    assert json.loads(first)["error"] == json.loads(second)["error"] == "HTTP-request-denied"
    assert "api.example.com" in told[0]
    assert 'hosts = ["https://api.example.com"] under [egress] in preopen.toml' in told[0]
    assert f'private = ["{there.base}"]' in told[1]
    assert there.heads == []
    told = [*told, errors.read_text()]
    assert (
        "preopen: courier: denied: no rule allows https://api.example.com; to allow it," in told[-1]
    )
    assert f'private = ["{there.base}"] under [egress] in preopen.toml' in told[-1]
    assert result.meta is not None
    assert len(result.meta["preopen/receipt"]["denials"]) == 2
    assert tools["courier"].annotations is not None
    assert tools["courier"].annotations.open_world_hint is False


async def test_ambient_proxies_of_the_server_are_ignored(site: Site) -> None:
    """Issue: no ambient proxies: whoever sets a variable must not see what is sent."""
    async with web() as proxy, web() as there:
        parameters = site.parameters("--egress-private", there.base)
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY")
        parameters.env = {**(parameters.env or {}), **dict.fromkeys(names, proxy.base)}
        with anyio.fail_after(60):
            async with Client(parameters) as client:
                await client.call_tool("courier", {"words": ["get", f"{there.base}/"]})

    assert (len(there.heads), proxy.heads) == (1, [])
