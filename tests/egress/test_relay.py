"""A request on its way: what arrives, what comes back, and what happens when either end is nasty."""

import pytest

from egress.street import attended, far, fetch, plain, saying

pytestmark = pytest.mark.anyio


async def test_a_granted_request_reaches_its_server_and_its_answer_the_guest() -> None:
    """Design §9.4: the gateway dials, sends the approved path with the true host, streams back."""
    heads: list[bytes] = []
    async with (
        far(saying(plain(b"hello", "X-Kept: yes"), heads)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/a/../b?q=1", headers=["X-Mine: 1"])

    assert (200, b"hello", True) == (got.status, got.body, got.whole)
    assert got.headers[b"x-kept"] == b"yes"
    assert heads[0].startswith(b"GET /b?q=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in heads[0]
    assert b"X-Mine: 1\r\n" in heads[0]
    [record] = attendance.requests
    assert ("GET", "127.0.0.1", port, "200") == (
        record.method,
        record.host,
        record.port,
        record.result,
    )
    assert ("127.0.0.1", 5, "") == (record.address, record.response_bytes, record.path)
