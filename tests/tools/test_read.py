"""`read`: numbered lines of a text, images, and a sentence for everything else."""

import pytest

from tools.desk import Desk

pytestmark = pytest.mark.anyio


async def test_lines_are_numbered(desk: Desk) -> None:
    """Issue: numbered lines."""
    desk.put("a.txt", "one\ntwo\n")

    assert await desk.says("read", path=desk.path("a.txt")) == "1\tone\n2\ttwo\n"
