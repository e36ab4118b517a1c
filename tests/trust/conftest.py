"""What the tests of this room share."""

from pathlib import Path

import pytest

from trust.calls import Clock


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands."""
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name the file of a state folder that nobody made yet."""
    return tmp_path / "state" / "quotas.sqlite"
