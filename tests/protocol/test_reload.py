"""`preopen serve` follows its files: a real server process, a real client, both protocol eras."""

from pathlib import Path

import anyio
import pytest
from mcp.client.stdio import stdio_client

from served import WORKSPACE, Site, make_site
from serving.hearing import ERAS, hearing
from serving.storm import STEADY, call_until, come_change_and_go

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


async def test_broken_edits_leave_the_server_its_tools_and_its_policy(site: Site) -> None:
    """Issue 7: a broken edit never takes the server down or an old tool away."""
    policy = site.top / "config" / "preopen" / "preopen.toml"
    site.add("writer", level="write", more=WORKSPACE.replace("read", "write"))
    with anyio.fail_after(40), (site.top / "stderr").open("w+") as errors:
        async with hearing(stdio_client(site.parameters(), errlog=errors), "legacy") as ear:
            await ear.until_offered("first", "writer")
            (site.tools / "first.toml").write_text("manifest = ")
            policy.parent.mkdir(parents=True)
            policy.write_text("preopen = ")
            site.add("second")
            await ear.until_offered("first", "second", "writer")
            said = await ear.client.call_tool("first", {"words": ["print", "<still>"]})
            policy.write_text('preopen = 1\nmax_level = "read-only"\n')
            await ear.until_gone("writer")
            names = await ear.names()
        errors.seek(0)
        lines = errors.read()
    assert text_of(said).startswith("<still>")
    assert {"first", "second"} <= names
    assert "first is refused (as it was before, it is served on)" in lines
    assert "the policy stays as it was" in lines
    assert "reloaded; new: second" in lines


async def test_calls_of_a_real_server_while_manifests_come_change_and_go(site: Site) -> None:
    """Issue 7, reload under load: over pipes, in the newer era."""
    site.add("steady", more=STEADY, level="none")
    calls: list[str] = []
    with anyio.fail_after(55):
        async with (
            hearing(site.parameters(), "2026-07-28") as ear,
            anyio.create_task_group() as tasks,
        ):
            for number in range(4):
                tasks.start_soon(call_until, 200, ear, number, calls)
            await come_change_and_go(site, ear, [f"t{number}" for number in range(20)])
    assert len(calls) >= 200
