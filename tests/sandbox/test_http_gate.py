"""wasi:http in a cell: each request is asked for, and what is not approved goes nowhere."""

import json
from typing import Any

import pytest

from door import Door
from lab import Lab, courier
from preopen.outcome import Returned
from preopen.wire.frames import Ask, Verdict

pytestmark = pytest.mark.anyio


async def send(lab: Lab, door: Door, *words: str, name: str = "courier") -> list[dict[str, Any]]:
    """Return what the courier says, a value for each line."""
    run = await lab.run(courier(name), *words, attend=door.attend)
    assert isinstance(run.outcome, Returned), run
    return [json.loads(line) for line in run.outcome.stdout.decode().splitlines()]


async def test_approved_request_reaches_the_gateway_under_its_ticket(lab: Lab) -> None:
    """Design §9: with a ticket the gate sends to the gateway, and the ticket is the path."""
    door = Door()

    (answer,) = await send(lab, door, "get", "https://example.com/a?b=c")

    assert answer["status"] == 200
    assert [
        Ask(method="GET", scheme="HTTPS", authority="example.com", path="/a?b=c")
    ] == door.asks
    (head,) = door.heads
    assert head.startswith(b"GET /ticket HTTP/1.1\r\n")


async def test_denied_request_connects_nowhere_and_the_guest_hears_why(lab: Lab) -> None:
    """Design §9: a denial is an error-code of `handle` itself."""
    door = Door(verdict=Verdict(error="HTTP-request-denied"))

    (answer,) = await send(lab, door, "get", "https://example.com/")

    assert answer == {"error": "HTTP-request-denied"}
    assert door.heads == []
