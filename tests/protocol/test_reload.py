"""`preopen serve` follows its files: a real server process, a real client, both protocol eras."""

from pathlib import Path

import anyio
import pytest

from served import Site, make_site
from serving.hearing import ERAS, hearing

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ERAS)


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site that serves one tool of its own."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = make_site(tmp_path)
    site.add("first")
    return site


def describe(site: Site, name: str, text: str) -> None:
    """Have a tool's manifest say something else."""
    file = site.tools / f"{name}.toml"
    file.write_text(file.read_text().replace("Tries what its arguments say.", text))


def text_of(result: object) -> str:
    """Return the text of a result's first block."""
    return str(result.content[0].text)  # type: ignore[attr-defined]  # whichever era's result


@both_eras
async def test_a_tool_comes_changes_and_goes_while_the_server_runs(site: Site, era: str) -> None:
    """Issue 7: a manifest that appears, changes or goes; list_changed to clients of both eras."""
    with anyio.fail_after(40):
        async with hearing(site.parameters(), era) as ear:
            assert ear.client.server_capabilities.tools is not None
            assert ear.client.server_capabilities.tools.list_changed
            site.add("second")
            await ear.until_offered("first", "second")
            said = await ear.client.call_tool("second", {"words": ["print", "<hello>"]})
            describe(site, "second", "Says something else.")
            await ear.until_described("second", "Says something else.")
            (site.tools / "second.toml").unlink()
            await ear.until_gone("second")
            assert "first" in await ear.names()
    assert text_of(said).startswith("<hello>")
    assert ear.resources >= 2
