"""What the tests of this room share."""

from pathlib import Path

import pytest

from trust.calls import Clock
from trust.ledger import Ledger
from trust.school import School


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands."""
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name the file of a state folder that nobody made yet."""
    return tmp_path / "state" / "quotas.sqlite"


@pytest.fixture
def school(tmp_path: Path) -> School:
    """Make the folders that a School speaks of."""
    top = tmp_path.resolve()
    for folder in ("ws/src/deep", "ws/out", "docs/in", "home/notes", "beside"):
        (top / folder).mkdir(parents=True)
    for file in ("ws/src/a.txt", "ws/src/deep/b.txt", "docs/in/d.txt", "beside/e.txt"):
        (top / file).write_text("x")
    return School(top)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Make an empty state folder."""
    return Ledger(tmp_path / "state")
