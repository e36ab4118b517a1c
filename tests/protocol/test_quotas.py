"""Three servers of one user at once, each with a client of its own: they count together."""

import json
from pathlib import Path

import anyio
import pytest
from mcp import Client, stdio_client

from served import Site, make_site

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Make a workspace with the probe as a tool, which may be called seven times an hour."""
    site = make_site(tmp_path)
    site.add("echo")
    config = tmp_path / "config" / "preopen"
    config.mkdir(parents=True)
    (config / "preopen.toml").write_text("preopen = 1\n[quota.echo]\ncalls_per_hour = 7\n")
    return site


@pytest.mark.timeout(90)
async def test_three_servers_at_once_let_in_what_the_quota_says(site: Site) -> None:
    """Issue: shared by servers that run at once; each client is told why it is denied."""
    outcomes: list[str] = []
    texts: list[str] = []
    connected = 0
    all_connected = anyio.Event()

    async def one_client() -> None:
        nonlocal connected
        async with Client(stdio_client(site.parameters())) as client:
            connected += 1
            if connected == 3:
                all_connected.set()
            await all_connected.wait()
            for _ in range(5):
                result = await client.call_tool("echo", {"words": ["env", "X"]})
                assert result.meta is not None
                outcomes.append(result.meta["preopen/receipt"]["outcome"])
                texts.append(json.dumps(result.model_dump(mode="json")["content"]))

    with anyio.fail_after(80):
        async with anyio.create_task_group() as clients:
            for _ in range(3):
                clients.start_soon(one_client)

    assert sorted(outcomes) == ["Denied"] * 8 + ["Returned"] * 7
    told = [text for text in texts if "its quota is calls_per_hour = 7" in text]
    assert len(told) == 8
    assert all("write calls_per_hour = 14 under [quota.echo] in preopen.toml" in t for t in told)
