"""Fixtures of the tests of what a person approved and can check."""

from pathlib import Path

import pytest

from trust.school import School


@pytest.fixture
def school(tmp_path: Path) -> School:
    """Make the folders that a School speaks of."""
    top = tmp_path.resolve()
    for folder in ("ws/src/deep", "ws/out", "docs/in", "home/notes", "beside"):
        (top / folder).mkdir(parents=True)
    for file in ("ws/src/a.txt", "ws/src/deep/b.txt", "docs/in/d.txt", "beside/e.txt"):
        (top / file).write_text("x")
    return School(top)
