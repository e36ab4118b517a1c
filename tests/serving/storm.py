"""Tools that come, change and go, and calls meanwhile: over any client that hears of changes."""

import pytest
from mcp import MCPError

from served import Site
from serving.hearing import Ear

STEADY = "[limits]\nconcurrency = 8\nqueue = 64\n"  # of the tool that is called meanwhile


def write_version(site: Site, name: str, version: str) -> None:
    """Write a manifest whose tool says which version it is, and whose description says so too."""
    site.add(name, level="none", more="")
    file = site.tools / f"{name}.toml"
    text = file.read_text().replace('args = ["{words}"]', f'args = ["print", "{version}"]')
    text = text.replace("Tries what its arguments say.", version)
    file.write_text(text)


async def call_until(count: int, ear: Ear, number: int, said: list[str]) -> None:
    """Call one tool until so many calls are made by all who do; each gets its own answer."""
    while len(said) < count:
        mine = f"<{number} {len(said)}>"
        said.append(mine)
        result = await ear.client.call_tool("steady", {"words": ["print", mine]})
        assert not result.is_error, result
        assert result.content[0].text.startswith(mine)  # type: ignore[union-attr]  # the probe's


async def said_by(ear: Ear, name: str) -> str:
    """Return what a call of a tool says."""
    result = await ear.client.call_tool(name, {"words": []})
    return str(result.content[0].text)  # type: ignore[union-attr]  # the probe's


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
