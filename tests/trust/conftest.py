"""What the tests of this room share."""

from pathlib import Path

import pytest

from trust.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Make an empty state folder."""
    return Ledger(tmp_path / "state")
