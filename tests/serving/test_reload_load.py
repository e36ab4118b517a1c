"""Reloads while calls run: none is lost, and none gets a definition that is gone."""

from pathlib import Path

import anyio
import pytest
from mcp import MCPError

from lab import open_lab
from served import Site, make_site
from serving.hearing import ERAS, Ear, hearing
from serving.sites import serving

pytestmark = pytest.mark.anyio
CALLS, MANIFESTS, AT_ONCE = 1000, 100, 20
VERSIONED = 'args = ["print", "{version}", "{{words}}"]'


def write_version(site: Site, name: str, version: str) -> None:
    """Write a manifest whose tool says which version it is, and whose description says so too."""
    site.add(name, level="none", more="")
    file = site.tools / f"{name}.toml"
    text = file.read_text().replace('args = ["{words}"]', f'args = ["print", "{version}"]')
    text = text.replace("Tries what its arguments say.", version)
    file.write_text(text)


async def call_forever(ear: Ear, number: int, said: list[str]) -> None:
    """Call one tool until all calls are made."""
    while len(said) < CALLS:
        mine = f"<{number} {len(said)}>"
        said.append("")
        result = await ear.client.call_tool("steady", {"words": ["print", mine]})
        assert not result.is_error, result
        assert result.content[0].text.startswith(mine)  # type: ignore[union-attr]  # the probe's


async def said_by(ear: Ear, name: str) -> str:
    """Return what a call of a tool says."""
    result = await ear.client.call_tool(name, {"words": []})
    return str(result.content[0].text)  # type: ignore[union-attr]  # the probe's


@pytest.mark.parametrize("era", ERAS)
async def test_thousand_calls_while_a_hundred_manifests_come_change_and_go(
    tmp_path: Path, cache_folder: Path, era: str
) -> None:
    """Issue 7: no call lost, no stale definition served."""
    site = make_site(tmp_path)
    site.add("steady", more="[limits]\nconcurrency = 8\nqueue = 64\n", level="none")
    calls: list[str] = []
    async with open_lab(cache_folder, spares=6) as lab, serving(site, lab.pool) as server:
        with anyio.fail_after(50):
            async with hearing(server, era) as ear, anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(call_forever, ear, number, calls)
                for first in range(0, MANIFESTS, AT_ONCE):
                    await come_change_and_go(site, ear, [f"t{first + n}" for n in range(AT_ONCE)])
    assert len(calls) >= CALLS


async def come_change_and_go(site: Site, ear: Ear, names: list[str]) -> None:
    """Have tools come, change and go; each time who is told finds it so."""
    for version in ("v1", "v2"):
        for name in names:
            write_version(site, name, version)
        for name in names:
            await ear.until_described(name, version)
            assert (await said_by(ear, name)).startswith(version)
    for name in names:
        (site.tools / f"{name}.toml").unlink()
    for name in names:
        await ear.until_gone(name)
        with pytest.raises(MCPError):
            await said_by(ear, name)
