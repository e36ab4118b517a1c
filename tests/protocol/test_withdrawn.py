"""An approval that is taken back: a server that runs loses the tool, whatever its manifest says."""

from pathlib import Path

import anyio
import pytest
from mcp import MCPError

from served import Site, make_site
from serving.hearing import ERAS, hearing

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site with two tools, which no run approves by itself."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = Site(make_site(tmp_path).top, approves=False)
    site.add("mine")
    site.add("other")
    return site


async def approve(site: Site, *words: str) -> None:
    """Run the verb as a person does, beside the server."""
    await anyio.run_process(site.command("approve", *words), env=site.env)


@pytest.mark.parametrize("era", ERAS)
async def test_server_that_runs_takes_the_tool_away_and_a_new_approval_brings_it_back(
    site: Site, era: str
) -> None:
    """Ours: withdrawn stops it, beside approved lets it; the refusal names the way out."""
    await approve(site, "mine", "other")
    with anyio.fail_after(50):
        async with hearing(site.parameters(), era) as ear:
            said = await ear.client.call_tool("mine", {"words": ["read", "a.txt"]})
            told = ear.tools
            await approve(site, "mine", "--withdraw")
            await ear.until_gone("mine")
            with pytest.raises(MCPError, match="quarantined") as refused:
                await ear.client.call_tool("mine", {"words": ["read", "a.txt"]})
            names = await ear.names()
            heard = ear.tools
            await approve(site, "mine")
            await ear.until_offered("mine")
            again = await ear.client.call_tool("mine", {"words": ["read", "a.txt"]})

    assert "this is a" in str(said)
    assert heard > told
    assert "preopen approve mine" in str(refused.value)
    assert "other" in names
    assert "this is a" in str(again)


async def test_tool_that_is_kept_over_a_broken_edit_is_not_kept_over_a_withdrawal(
    site: Site,
) -> None:
    """Ours: an author who breaks the manifest must not thereby hold on to an approval."""
    await approve(site, "mine")
    with anyio.fail_after(50):
        async with hearing(site.parameters(), "legacy") as ear:
            (site.tools / "mine.toml").write_text("manifest = ")
            await approve(site, "other")
            await ear.until_offered("mine", "other")  # the reload that saw both keeps the one
            said = await ear.client.call_tool("mine", {"words": ["read", "a.txt"]})
            await approve(site, "mine", "--withdraw")
            await ear.until_gone("mine")
            with pytest.raises(MCPError, match="no tool 'mine'"):
                await ear.client.call_tool("mine", {"words": ["read", "a.txt"]})

    assert "this is a" in str(said)
