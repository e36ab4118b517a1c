"""TLS to the far side: whose certificate counts, for which name, in which version of HTTP."""

import ssl
from collections.abc import Iterable
from pathlib import Path

import anyio
import h2.config
import h2.connection
import h2.events
import pytest
import trustme
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute

from egress.street import (
    Got,
    attended,
    far,
    fetch,
    head_of,
    loopback,
    plain,
    resolving,
    saying,
)
from preopen.egress.rule import CallEgress, Credential, Secret
from preopen.egress.rules import parse_rule
from preopen.egress.trust import Trust

pytestmark = pytest.mark.anyio

NAMES = resolving(good_example="127.0.0.1", other_example="127.0.0.1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """One certificate authority of the tests' own."""
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA, tmp_path: Path) -> Trust:
    """Trust that authority, as an operator's `ca_file` does."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return Trust(ca_file=str(tmp_path / "ca.pem"))


def server(authority: trustme.CA, *offers: str, name: str = "good.example") -> ssl.SSLContext:
    """Return the context of a server of that name, which speaks the protocols that it `offers`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    context.set_alpn_protocols(list(offers) or ["http/1.1"])
    return context


async def test_a_trusted_certificate_for_the_name_passes(
    authority: trustme.CA, trust: Trust
) -> None:
    """Design §9.4: TLS with the true name; the operator's `ca_file` is one more root."""
    heads: list[bytes] = []
    async with far(saying(plain(b"sealed"), heads), server(authority)) as port:
        url = f"https://good.example:{port}"
        async with attended(url, resolve=NAMES, trust=trust) as attendance:
            got = await fetch(attendance, url)

    assert (200, b"sealed", True) == (got.status, got.body, got.whole)
    assert f"Host: good.example:{port}\r\n".encode() in heads[0]


async def test_an_address_may_have_a_certificate_of_its_own(
    authority: trustme.CA, trust: Trust
) -> None:
    """RFC 9110, 4.3.5: a URL that names an address is checked against addresses."""
    context = server(authority, name="127.0.0.1")
    async with far(saying(plain(b"sealed")), context) as port:
        url = f"https://127.0.0.1:{port}"
        async with attended(url, trust=trust) as attendance:
            got = await fetch(attendance, url)

    assert (200, b"sealed") == (got.status, got.body)


async def test_a_certificate_of_a_stranger_is_refused(authority: trustme.CA) -> None:
    """RFC 9209, 2.3.13: tls_certificate_error; nothing is sent."""
    heads: list[bytes] = []
    async with far(saying(plain(b"x"), heads), server(authority)) as port:
        url = f"https://good.example:{port}"
        async with attended(url, resolve=NAMES) as attendance:
            got = await fetch(attendance, url)

    assert (502, []) == (got.status, heads)
    assert b"error=tls_certificate_error" in got.headers[b"proxy-status"]
    assert b"signed by nobody" in got.body


async def test_a_certificate_for_another_name_is_refused(
    authority: trustme.CA, trust: Trust
) -> None:
    """RFC 9110, 4.3.4: the name is the URL's, not one that the server prefers."""
    heads: list[bytes] = []
    async with far(saying(plain(b"x"), heads), server(authority)) as port:
        url = f"https://other.example:{port}"
        async with attended(url, resolve=NAMES, trust=trust) as attendance:
            got = await fetch(attendance, url)

    assert (502, []) == (got.status, heads)
    assert b"for another name" in got.body


async def test_a_server_without_tls_is_a_502(trust: Trust) -> None:
    """RFC 9209, 2.3.11: tls_protocol_error."""

    async def handle(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(plain(b"clear"))

    async with far(handle) as port:
        url = f"https://good.example:{port}"
        async with attended(url, resolve=NAMES, trust=trust) as attendance:
            got = await fetch(attendance, url)

    assert (502, "tls_protocol_error") == (got.status, attendance.requests[0].result)


async def test_a_body_without_length_that_tls_does_not_end_is_cut(
    authority: trustme.CA, trust: Trust
) -> None:
    """RFC 9112, 9.8: without close_notify whoever sits between could have cut it."""
    answer = b"HTTP/1.1 200 OK\r\n\r\nhalf of"
    async with far(saying(answer), server(authority)) as port:
        url = f"https://good.example:{port}"
        async with attended(url, resolve=NAMES, trust=trust) as attendance:
            got = await fetch(attendance, url)

    assert (200, b"half of", False) == (got.status, got.body, got.whole)


async def test_an_early_413_is_heard_through_tls(authority: trustme.CA, trust: Trust) -> None:
    """RFC 9110, 15.5.14: a blocked record does not spoil the connection for reading."""

    async def handle(stream: ByteStream) -> None:
        await head_of(stream)
        await stream.send(plain(b"no", status="413 Content Too Large"))
        await anyio.sleep_forever()

    async with far(handle, server(authority)) as port:
        url = f"https://good.example:{port}"
        call = CallEgress(rules=loopback(url), request_bytes=1 << 25)
        async with attended(call, resolve=NAMES, trust=trust) as attendance:
            got = await fetch(attendance, url, "POST", body=b"x" * (8 << 20))

    assert (413, b"no", True) == (got.status, got.body, got.whole)


class Http2:
    """A server of HTTP/2 over the library h2: answers each request with `headers` and `body`."""

    def __init__(self, headers: Iterable[tuple[str, str]], body: bytes, *, cut: str = "") -> None:
        self.headers, self.body, self.cut = list(headers), body, cut
        self.requests: list[dict[bytes, bytes]] = []
        self.protocols: list[str | None] = []

    async def __call__(self, stream: ByteStream) -> None:
        """Serve one connection, whichever protocol was agreed on."""
        self.protocols.append(stream.extra(TLSAttribute.alpn_protocol))  # noqa: S610 - not Django's
        if self.protocols[-1] != "h2":
            await saying(plain(b"by 1.1"))(stream)
            return
        config = h2.config.H2Configuration(
            client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        http = h2.connection.H2Connection(config)
        http.initiate_connection()
        await stream.send(http.data_to_send())
        while True:
            for event in http.receive_data(await stream.receive()):
                if isinstance(event, h2.events.RequestReceived):
                    self.requests.append(dict(event.headers or ()))
                    await self._answer(http, stream, event.stream_id or 0)
            await stream.send(http.data_to_send())

    async def _answer(self, http: h2.connection.H2Connection, stream: ByteStream, one: int) -> None:
        http.send_headers(one, self.headers)
        rest = self.body
        while rest:
            room = min(http.local_flow_control_window(one), http.max_outbound_frame_size)
            if not room:
                await stream.send(http.data_to_send())
                http.receive_data(await stream.receive())
            http.send_data(one, rest[:room])
            rest = rest[room:]
        match self.cut:
            case "reset":
                http.reset_stream(one, 2)
            case "drop":
                await stream.send(http.data_to_send())
                await stream.aclose()
            case _:
                http.end_stream(one)
        await stream.send(http.data_to_send())


async def fetch_by_2(
    authority: trustme.CA, trust: Trust, web: Http2, method: str = "GET", body: bytes = b""
) -> tuple[Got, str]:
    """Fetch once from a server that offers both versions; returns what came and the result."""
    async with far(web, server(authority, "h2", "http/1.1")) as port:
        url = f"https://good.example:{port}"
        async with attended(url, resolve=NAMES, trust=trust) as attendance:
            got = await fetch(attendance, url, method, ["X-Mine: 1"], body)
        return got, attendance.requests[0].result


@pytest.mark.parametrize("length", [True, False])
async def test_a_server_of_http2_is_spoken_to_in_http2(
    authority: trustme.CA,
    trust: Trust,
    length: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    """RFC 9113: by ALPN; 10 MB pass, and the guest sees HTTP/1.1 with the same length or chunks."""
    body = bytes(range(250)) * 40_000
    headers = [(":status", "200"), ("x-kept", "yes")]
    headers += [("content-length", str(len(body)))] if length else []
    web = Http2(headers, body)

    got, result = await fetch_by_2(authority, trust, web)

    assert (200, True, "200") == (got.status, got.whole, result)
    assert got.body == body
    assert (b"yes", length) == (got.headers[b"x-kept"], b"content-length" in got.headers)
    [sent] = web.requests
    assert (b"GET", b"https", b"/", b"1") == (
        sent[b":method"],
        sent[b":scheme"],
        sent[b":path"],
        sent[b"x-mine"],
    )
    assert sent[b":authority"].startswith(b"good.example:")


async def test_a_request_with_a_body_goes_by_http1(authority: trustme.CA, trust: Trust) -> None:
    """Ours: httpcore2 sends an HTTP/2 body to its end before it looks at an answer."""
    web = Http2([], b"")

    got, _ = await fetch_by_2(authority, trust, web, "POST", b"abc")

    assert (b"by 1.1", ["http/1.1"]) == (got.body, web.protocols)


@pytest.mark.parametrize("cut", ["reset", "drop"])
async def test_a_cut_in_http2_is_a_cut_for_the_guest(
    authority: trustme.CA, trust: Trust, cut: str
) -> None:
    """Design §10: a part is never taken for the whole."""
    web = Http2([(":status", "200")], b"half of", cut=cut)

    got, result = await fetch_by_2(authority, trust, web)

    assert not got.whole
    assert got.status in {200, 502}  # the reset may come with the head
    assert result.removeprefix("cut: ") in {"http_response_incomplete", "connection_terminated"}


@pytest.mark.parametrize(
    "headers",
    [
        [(":status", "200"), ("x-bad", "a\r\nSet-Cookie: b")],
        [(":status", "200"), ("bad name", "x")],
        [(":status", "2OO")],
        [(":status", "99")],
        [(":status", "200"), *[("a", "b")] * 129],
        [(":status", "200"), ("content-length", "-1")],
    ],
)
async def test_a_head_in_http2_that_http1_cannot_say_is_a_502(
    authority: trustme.CA, trust: Trust, headers: list[tuple[str, str]]
) -> None:
    """RFC 9113, 10.3: a field of HTTP/2 may hold what ends a line in HTTP/1.1."""
    got, result = await fetch_by_2(authority, trust, Http2(headers, b"x"))

    assert (502, True) == (got.status, got.whole)
    assert result.startswith("http_")


async def test_an_echo_in_http2_is_masked_too(authority: trustme.CA, trust: Trust) -> None:
    """Ours: names, values, and a body in pieces."""
    secret = "hush-hush-hush"  # noqa: S105 - of nobody
    headers = [(":status", "200"), (f"x-{secret}", f"Key {secret}")]
    web = Http2(headers, f"you sent {secret}".encode())
    async with far(web, server(authority, "h2")) as port:
        url = f"https://good.example:{port}"
        key = Credential(header="X-Key", secret="KEY")  # noqa: S106 - a name
        rule = parse_rule(url, private=True, credential=key)
        call = CallEgress(rules=(rule,), secrets={"KEY": Secret(secret)})
        async with attended(call, resolve=NAMES, trust=trust) as attendance:
            got = await fetch(attendance, url)

    assert web.requests[0][b"x-key"] == secret.encode()
    assert got.body == b"you sent " + b"*" * 14
    assert got.headers[b"x-" + b"*" * 14] == b"Key " + b"*" * 14


async def test_an_unreadable_ca_file_is_told_as_a_failure_of_ours(tmp_path: Path) -> None:
    """AGENTS.md: fail closed; a request is answered, not lost."""
    trust = Trust(ca_file=str(tmp_path / "missing.pem"))
    async with attended("https://127.0.0.1:9", trust=trust) as attendance:
        got = await fetch(attendance, "https://127.0.0.1:9/")

    assert (502, "proxy_configuration_error") == (got.status, attendance.requests[0].result)
