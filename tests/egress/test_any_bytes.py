"""Whatever either side sends, the gateway answers or aborts, and the call goes on."""

import anyio
import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from egress.street import attended, exchange, far, fetch, plain, request, saying, ticket
from preopen.egress.caps import Caps

QUICK = Caps(head_s=1, first_byte_s=1, between_s=1, connect_s=1, linger_s=0.05)
ANSWERS = (
    plain(b"hello", "X-A: b"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.0 302 Found\r\nLocation: /\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
)
EDITS = st.lists(
    st.tuples(st.integers(0, 120), st.integers(0, 3), st.binary(max_size=4)), max_size=4
)


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Return the bytes with some of them replaced by others."""
    for start, length, put in edits:
        data = data[:start] + put + data[start + length :]
    return data


@settings(max_examples=60)
@given(st.sampled_from(ANSWERS), EDITS)
def test_any_bytes_of_a_server_are_answered(
    answer: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    """AGENTS.md: answer on any bytes. What reaches the guest is HTTP/1.1, or cut."""

    async def run() -> None:
        async with far(saying(edited(answer, edits))) as port:
            url = f"http://127.0.0.1:{port}"
            async with attended(url, caps=QUICK) as attendance:
                got = await fetch(attendance, url)
                again = await attendance.ask("GET", "http", f"127.0.0.1:{port}", "/")
        assert got.status >= 200
        assert "Ticket" in str(again)
        assert attendance.requests[0].result
        assert got.whole == (not attendance.requests[0].result.startswith("cut: "))

    anyio.run(run)


@settings(max_examples=60)
@given(EDITS, st.sampled_from(["GET", "POST"]))
def test_any_bytes_of_a_guest_leave_as_one_request_or_not_at_all(
    edits: list[tuple[int, int, bytes]], method: str
) -> None:
    """RFC 9112, 11.2: what the server gets is one request, to the approved path."""
    heads: list[bytes] = []

    async def run() -> None:
        async with far(saying(plain(b"ok"), heads)) as port:
            url = f"http://127.0.0.1:{port}/approved"
            async with attended(url, caps=QUICK) as attendance:
                path = await ticket(attendance, url, method)
                sent = request(path, method, ["X-A: b", "X-C: d"], b"body" * (method == "POST"))
                with anyio.move_on_after(3):  # the edit may have made the body longer than it is
                    await exchange(attendance, edited(sent, edits), method)
                again = await attendance.ask("GET", "http", f"127.0.0.1:{port}", "/approved")
        assert "Ticket" in str(again)

    anyio.run(run)

    for head in heads:
        server = h11.Connection(h11.SERVER)
        server.receive_data(head)
        event = server.next_event()
        assert isinstance(event, h11.Request)
        assert (event.method.decode(), event.target) == (method, b"/approved")
        assert head.count(b" HTTP/1.1\r\n") == 1
    heads.clear()
