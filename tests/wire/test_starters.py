"""The guests of ours that warm zygote and cells."""

import hashlib

import pytest

from preopen.wire.starters import STARTERS, Starter


@pytest.mark.parametrize("starter", STARTERS)
def test_starter_is_named_by_the_hash_of_its_text(starter: Starter) -> None:
    """Ours: what was compiled of one text is kept, and found again, under that name."""
    assert hashlib.sha256(starter.text).hexdigest() == starter.binary.sha256
