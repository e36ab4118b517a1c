"""Reloads while calls run: none is lost, and none gets a definition that is gone."""

from pathlib import Path

import anyio
import pytest

from lab import open_lab
from served import make_site
from serving.hearing import hearing
from serving.sites import serving
from serving.storm import STEADY, call_until, come_change_and_go

pytestmark = pytest.mark.anyio
CALLS, MANIFESTS, AT_ONCE = 1000, 100, 20


async def test_thousand_calls_while_a_hundred_manifests_come_change_and_go(
    tmp_path: Path, cache_folder: Path
) -> None:
    """Issue 7: no call lost, no stale definition served."""
    site = make_site(tmp_path)
    site.add("steady", more=STEADY, level="none")
    calls: list[str] = []
    async with open_lab(cache_folder, spares=6) as lab, serving(site, lab.pool) as server:
        with anyio.fail_after(55):
            async with hearing(server, "legacy") as ear, anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(call_until, CALLS, ear, number, calls)
                for first in range(0, MANIFESTS, AT_ONCE):
                    await come_change_and_go(site, ear, [f"t{first + n}" for n in range(AT_ONCE)])
    assert len(calls) >= CALLS
