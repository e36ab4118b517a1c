"""What the tests of this room share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Name the one event loop that the SDK's streams and ours are run on."""
    return "asyncio"
