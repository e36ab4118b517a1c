"""`preopen serve` removes old compiled files in the background: a real server, a real client."""

import os
from pathlib import Path

import anyio
import pytest
from mcp import Client

from preopen.cells.pruning import UNUSED_SECONDS
from served import Site, make_site

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site that serves one tool of its own."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = make_site(tmp_path)
    site.add("mine")
    return site


async def test_old_file_of_another_engine_goes_while_calls_are_answered(
    site: Site, cache_folder: Path
) -> None:
    """Ours: nobody waits for it, and what this server runs is not among what goes."""
    shelf = cache_folder / "preopen" / "compiled" / f"0.0.0-{site.top.name}"
    with anyio.fail_after(50):
        async with Client(site.parameters()) as client:
            await client.call_tool("mine", {"words": ["read", "a.txt"]})
        shelf.mkdir()
        old, lately = shelf / "old.cwasm", shelf / "lately.cwasm"
        for path in (old, lately):
            path.write_text("of a wasmtime that is no more")
        then = lately.stat().st_mtime - UNUSED_SECONDS - 60
        os.utime(old, (then, then))
        async with Client(site.parameters()) as client:
            while old.exists():
                answer = await client.call_tool("mine", {"words": ["read", "a.txt"]})
                assert "this is a" in str(answer)

    assert lately.exists()
