"""A request on its way: what arrives, what comes back, and what a nasty end of it achieves."""

import socket

import anyio
import pytest
from anyio.abc import ByteStream

from egress.street import (
    attended,
    exchange,
    far,
    fetch,
    head_of,
    loopback,
    plain,
    read_answer,
    request,
    saying,
    ticket,
)
from preopen.egress.caps import Caps
from preopen.egress.rule import CallEgress

pytestmark = pytest.mark.anyio

QUICK = Caps(head_s=0.2, first_byte_s=0.2, between_s=0.2, connect_s=0.2, linger_s=0.2)
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with proxy variables that lead nowhere: they are nobody's business."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


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
    assert ("GET", "127.0.0.1", "200") == (record.method, record.host, record.result)
    assert ("127.0.0.1", 5, "") == (record.address, record.response_bytes, record.path)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_large_answer_passes_whole_in_each_framing(framing: str) -> None:
    """RFC 9112, 6.3: a body ends by its length, its last chunk, or with the connection."""
    body = bytes(range(256)) * (10 * MIB // 256)

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        match framing:
            case "length":
                await stream.send(plain(body))
            case "chunked":
                await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for start in range(0, len(body), MIB):
                    await stream.send(b"%x\r\n%b\r\n" % (MIB, body[start : start + MIB]))
                await stream.send(b"0\r\n\r\n")
            case _:
                await stream.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)

    async with far(handle) as port, attended(f"http://127.0.0.1:{port}") as attendance:
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert got.whole
    assert got.body == body
    assert (b"content-length" in got.headers) == (framing == "length")
    assert attendance.requests[0].response_bytes == len(body)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_request_passes_whole_in_each_framing(framing: str) -> None:
    """RFC 9112, 6.3: the server reads what the guest wrote, framed as the guest framed it."""
    body = b"abcdefgh" * (MIB // 8)
    came: list[bytes] = []

    async def handle(stream: ByteStream) -> None:
        data = await head_of(stream)
        end = b"0\r\n\r\n" if framing == "chunked" else body[-8:]
        while not data.endswith(end) or len(data) < MIB:
            data += await stream.receive()
        came.append(data)
        await stream.send(plain(b"thanks"))

    async with far(handle) as port, attended(f"http://127.0.0.1:{port}") as attendance:
        path = await ticket(attendance, f"http://127.0.0.1:{port}/", "POST")
        sent = request(path, "POST", body=body)
        if framing == "chunked":
            sent = request(path, "POST", ["Transfer-Encoding: chunked"])
            sent += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        got = await exchange(attendance, sent, "POST")

    assert (200, b"thanks", True) == (got.status, got.body, got.whole)
    head, _, rest = came[0].partition(b"\r\n\r\n")
    assert rest.count(b"abcdefgh") >= MIB // 8 - 100  # chunks may part a few
    assert (b"chunked" in head) == (framing == "chunked")
    assert attendance.requests[0].request_bytes == MIB


async def test_an_answer_over_response_bytes_is_cut_and_seen_as_an_error() -> None:
    """Design §10: abort, never close cleanly, or the guest takes a part for the whole."""

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x" * 65536)

    async with far(handle) as port:
        url = f"http://127.0.0.1:{port}"
        call = CallEgress(rules=loopback(url), response_bytes=MIB)
        async with attended(call) as attendance:
            got = await fetch(attendance, f"{url}/")

    assert not got.whole
    assert len(got.body) <= MIB
    assert attendance.requests[0].result == "cut: http_response_body_size"
    assert attendance.requests[0].response_bytes <= MIB


async def test_an_answer_that_announces_more_than_response_bytes_is_a_502_that_says_so() -> None:
    """RFC 9209, 2.3.17: a model can act on a text, and not on a connection that breaks."""
    async with far(saying(plain(b"x" * 100))) as port:
        url = f"http://127.0.0.1:{port}"
        call = CallEgress(rules=loopback(url), response_bytes=99)
        async with attended(call) as attendance:
            got = await fetch(attendance, f"{url}/")
            head = await fetch(attendance, f"{url}/", "HEAD")

    assert (502, True) == (got.status, got.whole)
    assert got.headers[b"proxy-status"].startswith(b"preopen; error=http_response_body_size; ")
    assert b"response_bytes = 99" in got.body
    assert (200, b"100") == (head.status, head.headers[b"content-length"])


async def test_a_request_over_request_bytes_is_aborted_on_both_sides() -> None:
    """Design §10: neither the server nor the guest may take a part for the whole."""
    ends: list[bool] = []

    async def handle(stream: ByteStream) -> None:
        data = await head_of(stream)
        try:
            while True:
                data += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            ends.append(data.endswith(b"0\r\n\r\n"))
            raise

    async with far(handle) as port:
        url = f"http://127.0.0.1:{port}"
        call = CallEgress(rules=loopback(url), request_bytes=1000)
        async with attended(call) as attendance:
            path = await ticket(attendance, f"{url}/", "POST")
            sent = request(path, "POST", ["Transfer-Encoding: chunked"])
            got = await exchange(attendance, sent + b"3e9\r\n%b\r\n0\r\n\r\n" % (b"x" * 1001))

    assert (0, False, [False]) == (got.status, got.whole, ends)
    assert attendance.requests[0].result == "the guest: more than request_bytes = 1000"


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (b"", "connection_terminated", 502),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "http_protocol_error", 502),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000, "http_protocol_error", 502),
        (b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", "http_protocol_error", 502),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "http_protocol_error", 502),
        (
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 129 + b"\r\n",
            "http_response_header_section_size",
            502,
        ),
        (
            b"HTTP/1.1 200 OK\r\nA: " + b"a" * 65_600 + b"\r\n\r\n",
            "http_response_header_section_size",
            502,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "http_protocol_error",
            502,
        ),
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_502_with_its_reason(
    answer: bytes, error: str, status: int
) -> None:
    """RFC 9209: the guest learns what failed, in a name that is registered."""
    async with (
        far(saying(answer)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert (status, True) == (got.status, got.whole)
    assert f"preopen; error={error}; " in got.headers[b"proxy-status"].decode()
    assert got.body.startswith(b"preopen: ")
    assert attendance.requests[0].result == error


async def test_a_refused_connection_is_a_502() -> None:
    """RFC 9209, 2.3.6: connection_refused."""
    async with far(saying(b"")) as port:
        pass  # and now nobody listens there
    async with attended(f"http://127.0.0.1:{port}") as attendance:
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert (502, True) == (got.status, got.whole)
    assert b"error=connection_refused" in got.headers[b"proxy-status"]
    assert attendance.requests[0].address == ""


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nA"])
async def test_a_server_that_says_nothing_in_time_is_a_504(first: bytes) -> None:
    """RFC 9209, 2.3.19: http_response_timeout, whatever trickled before it."""

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        await stream.send(first or b"H")
        await stream.receive()

    async with (
        far(handle) as port,
        attended(f"http://127.0.0.1:{port}", caps=QUICK) as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert (504, True) == (got.status, got.whole)
    assert attendance.requests[0].result == "http_response_timeout"


async def test_a_trickling_head_does_not_extend_its_deadline() -> None:
    """Ours: a far side that always sends something, and never a head."""

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        while True:
            await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async with (
        far(handle) as port,
        attended(f"http://127.0.0.1:{port}", caps=QUICK) as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert (504, "http_response_timeout") == (got.status, attendance.requests[0].result)


@pytest.mark.parametrize("end", ["drop", "stall"])
@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
async def test_a_body_that_stops_in_the_middle_is_an_error_for_the_guest(
    end: str, framing: bytes
) -> None:
    """Design §10: abort, never close cleanly, when a body is cut."""

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n")
        if end == "stall":
            await stream.receive()

    async with (
        far(handle) as port,
        attended(f"http://127.0.0.1:{port}", caps=QUICK) as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert (200, False) == (got.status, got.whole)
    assert b"hello" in got.body
    kind = {"drop": "http_response_incomplete", "stall": "connection_read_timeout"}[end]
    assert attendance.requests[0].result == f"cut: {kind}"


async def test_a_cut_is_a_reset_and_not_an_end() -> None:
    """Design §10: even a client that counts nothing sees that something went wrong."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of"
    async with (
        far(saying(answer)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/")
        async with await anyio.connect_tcp("127.0.0.1", attendance.port) as stream:
            await stream.send(request(path))
            with pytest.raises(anyio.BrokenResourceError):
                await _receive_all(stream)


async def _receive_all(stream: ByteStream) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize("rest", [b"", b"Content-Length: 3\r\n\r\n"])
async def test_a_guest_that_stalls_is_dropped(rest: bytes) -> None:
    """Design §10: a GET with `content-length: 3` and no body stalls; so does half a head."""
    async with (
        far(saying(plain(b"never"))) as port,
        attended(f"http://127.0.0.1:{port}", caps=QUICK) as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/")
        sent = f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode() + rest
        got = await exchange(attendance, sent)

    assert (0, False) == (got.status, got.whole)
    expected = "the guest: stalled" if rest else "not sent"
    assert attendance.requests[0].result == expected


async def test_an_early_413_reaches_a_guest_that_is_still_sending() -> None:
    """RFC 9110, 15.5.14: the server may answer before it has read, and close."""
    body = b"x" * (8 * MIB)

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        await stream.send(plain(b"too much", status="413 Content Too Large"))
        await anyio.sleep_forever()  # reads nothing more

    async with far(handle) as port:
        url = f"http://127.0.0.1:{port}"
        call = CallEgress(rules=loopback(url), request_bytes=16 * MIB)
        async with attended(call) as attendance:
            path = await ticket(attendance, f"{url}/", "POST")
            async with (
                await anyio.connect_tcp("127.0.0.1", attendance.port) as stream,
                anyio.create_task_group() as group,
            ):
                group.start_soon(_send_quietly, stream, request(path, "POST", body=body))
                got = await read_answer(stream, "POST")
                group.cancel_scope.cancel()

    assert (413, b"too much", True) == (got.status, got.body, got.whole)
    assert attendance.requests[0].result == "413"
    assert attendance.requests[0].request_bytes < len(body)


async def _send_quietly(stream: ByteStream, data: bytes) -> None:
    try:
        await stream.send(data)
    except anyio.BrokenResourceError:
        return


async def test_an_early_413_reaches_a_guest_that_waits_before_it_sends_more() -> None:
    """RFC 9110, 15.5.14: also where the guest, not the server, holds the body back."""
    async with (
        far(saying(plain(b"no", status="413 Content Too Large"))) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/", "POST")
        sent = request(path, "POST", ["Content-Length: 100"])
        got = await exchange(attendance, sent + b"the first of it", "POST")

    assert (413, b"no", True) == (got.status, got.body, got.whole)


async def test_a_server_that_takes_nothing_is_a_504() -> None:
    """RFC 9209, 2.3.9: connection_write_timeout. Deadlines hold for sending, too."""
    with socket.socket() as deaf:  # its kernel accepts, and nobody reads
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        call = CallEgress(rules=loopback(url), request_bytes=64 * MIB)
        async with attended(call, caps=QUICK) as attendance:
            await fetch(attendance, url, "POST", body=b"x" * (32 * MIB))

    assert attendance.requests[0].result == "connection_write_timeout"
    assert attendance.requests[0].request_bytes < 32 * MIB


async def test_an_address_of_ipv6_is_dialled() -> None:
    """RFC 9110, 4.2.1: a URL may name one in brackets."""
    heads: list[bytes] = []
    try:
        serving = far(saying(plain(b"six"), heads), host="::1")
        port = await serving.__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        async with attended(f"http://[::1]:{port}") as attendance:
            got = await fetch(attendance, f"http://[::1]:{port}/")
    finally:
        await serving.__aexit__(None, None, None)

    assert (200, b"six", "::1") == (got.status, got.body, attendance.requests[0].address)
    assert f"Host: [::1]:{port}\r\n".encode() in heads[0]


async def test_an_early_200_does_not_end_the_sending() -> None:
    """RFC 9110, 9.3: a server may begin to answer while it still reads."""

    async def handle(stream: ByteStream) -> None:
        data = await head_of(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        while not data.endswith(b"last"):
            data += await stream.receive()
        await stream.send(b"done")

    async with (
        far(handle) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        got = await fetch(
            attendance, f"http://127.0.0.1:{port}/", "POST", body=b"x" * 500_000 + b"last"
        )

    assert (200, b"done", True) == (got.status, got.body, got.whole)
    assert attendance.requests[0].request_bytes == 500_004


async def test_an_early_answer_at_the_very_end_of_a_chunked_body_is_passed_on() -> None:
    """Ours: the last chunk's end is refused by the line, and the guest has nothing more to send."""

    async def handle(stream: ByteStream) -> None:
        data = await head_of(stream)
        await stream.send(plain(b"no", status="400 Bad Request"))
        while b"0\r\n\r\n" not in data:
            data += await stream.receive()

    async with (
        far(handle) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        for _ in range(20):
            path = await ticket(attendance, f"http://127.0.0.1:{port}/", "POST")
            sent = request(path, "POST", ["Transfer-Encoding: chunked"]) + b"1\r\na\r\n0\r\n\r\n"
            got = await exchange(attendance, sent, "POST")
            assert (400, b"no", True) == (got.status, got.body, got.whole)


async def test_a_guest_that_expects_100_gets_it_from_the_gateway() -> None:
    """RFC 9110, 10.1.1: Expect is not passed on, so the gateway answers it."""
    heads: list[bytes] = []
    async with (
        far(saying(plain(b"ok"), heads)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/", "POST")
        async with await anyio.connect_tcp("127.0.0.1", attendance.port) as stream:
            head = ["Content-Length: 2", "Expect: 100-continue"]
            await stream.send(request(path, "POST", head))
            first = await stream.receive()
            await stream.send(b"hi")
            got = await read_answer(stream, "POST")

    assert first.startswith(b"HTTP/1.1 100 ")
    assert (200, b"ok") == (got.status, got.body)
    assert b"expect" not in heads[0].lower()


async def test_a_compressed_answer_passes_undecoded_and_counted_as_it_is() -> None:
    """Ours: a gzip bomb is the guest's to open, in the guest's memory."""
    bomb = b"\x1f\x8b" + b"\0" * 5000
    async with (
        far(saying(plain(bomb, "Content-Encoding: gzip"))) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert (bomb, b"gzip") == (got.body, got.headers[b"content-encoding"])
    assert attendance.requests[0].response_bytes == len(bomb)


async def test_a_redirect_is_an_answer_and_the_next_ask_begins_at_the_top() -> None:
    """Design §10: redirects are the guest's to follow, each a new request."""
    answer = plain(b"", "Location: http://169.254.169.254/", status="302 Found")
    async with (
        far(saying(answer)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")
        following = await attendance.ask("GET", "http", "169.254.169.254", "/")

    assert (302, b"http://169.254.169.254/") == (got.status, got.headers[b"location"])
    assert "HTTP-request-denied" in str(following)


async def test_a_guest_that_does_not_read_holds_the_server_up() -> None:
    """Ours: back-pressure. What lies between is the kernel's buffers and one piece of ours."""
    sent = 0
    stuck = anyio.Event()

    async def handle(stream: ByteStream) -> None:
        nonlocal sent
        await head_of(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        while True:
            with anyio.move_on_after(0.5) as scope:
                await stream.send(b"x" * 65536)
            if scope.cancelled_caught:
                stuck.set()
                await anyio.sleep_forever()
            sent += 65536

    async with far(handle) as port:
        url = f"http://127.0.0.1:{port}"
        call = CallEgress(rules=loopback(url), response_bytes=1 << 30)
        async with attended(call) as attendance:
            path = await ticket(attendance, f"{url}/")
            with socket.create_connection(("127.0.0.1", attendance.port)) as guest:
                guest.sendall(request(path))
                await stuck.wait()

    assert sent < 64 * MIB
    assert attendance.requests[0].response_bytes < 64 * MIB


async def test_a_guest_that_leaves_ends_the_download_beyond() -> None:
    """Ours: nobody pays for what nobody reads."""
    left = anyio.Event()

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        try:
            await stream.receive()
        finally:
            left.set()

    async with (
        far(handle) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/")
        async with await anyio.connect_tcp("127.0.0.1", attendance.port) as stream:
            await stream.send(request(path))
            await stream.receive()
        await left.wait()

    assert attendance.requests[0].result == "the guest left"


@pytest.mark.parametrize(
    "line",
    [
        "X-A: b\rGET /evil HTTP/1.1",
        "X-A: b\0",
        "X A: b",
        "X-A : b",
        "Upgrade: websocket",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 4",
        "Transfer-Encoding: gzip, chunked",
        "Host: two",
        "A: " + "a" * 70_000,
        "\r\n".join(["A: b"] * 129),
    ],
)
async def test_a_request_that_could_be_read_in_two_ways_goes_nowhere(line: str) -> None:
    """RFC 9112, 11.2: smuggling begins where two readers disagree."""
    heads: list[bytes] = []
    async with (
        far(saying(plain(b"ok"), heads)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/", "POST")
        got = await exchange(attendance, request(path, "POST", [line]), "POST")

    assert (0, [], "not sent") == (got.status, heads, attendance.requests[0].result)


async def test_an_upstream_cannot_speak_as_preopen() -> None:
    """RFC 9209, 2: a Proxy-Status of the server's own is not passed on."""
    answer = plain(b"ok", "Proxy-Status: preopen; error=dns_error", "Connection: x-hop", "X-Hop: 1")
    async with (
        far(saying(answer)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        got = await fetch(attendance, f"http://127.0.0.1:{port}/")

    assert (200, b"ok") == (got.status, got.body)
    assert set(got.headers) == {b"content-length", b"connection"}


async def test_everything_ends_with_the_call() -> None:
    """Ours: no connection, task or ticket outlives the call that it belongs to."""
    began, left = anyio.Event(), anyio.Event()

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        began.set()
        try:
            await stream.receive()
        finally:
            left.set()

    async with far(handle) as port:
        async with attended(f"http://127.0.0.1:{port}") as attendance:
            path = await ticket(attendance, f"http://127.0.0.1:{port}/")
            await ticket(attendance, f"http://127.0.0.1:{port}/")
            stream = await anyio.connect_tcp("127.0.0.1", attendance.port)
            await stream.send(request(path))
            await began.wait()
        async with stream:
            got = await read_answer(stream)
        await left.wait()
        with pytest.raises(OSError, match=r".*"):
            await anyio.connect_tcp("127.0.0.1", attendance.port)
        after = await attendance.ask("GET", "http", f"127.0.0.1:{port}", "/")

    assert (0, False) == (got.status, got.whole)
    assert "denied" in str(after)
    assert ["ended with the call", "not sent"] == [r.result for r in attendance.requests[:2]]
