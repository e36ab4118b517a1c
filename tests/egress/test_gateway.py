"""Asks: which of them are tickets, what the others are told, and what a ticket is good for."""

import os
import socket
from contextlib import AsyncExitStack

import anyio
import pytest

from egress.street import (
    attended,
    exchange,
    far,
    fetch,
    listening,
    loopback,
    nowhere,
    plain,
    refused,
    request,
    resolving,
    saying,
    ticket,
)
from preopen.egress.caps import Caps
from preopen.egress.gateway import Gateway, Refusal, Ticket
from preopen.egress.rule import CallEgress, Closed, Credential, EgressRule, Secret
from preopen.egress.rules import parse_rule
from preopen.egress.sockets import Address
from preopen.egress.trust import Trust

pytestmark = pytest.mark.anyio


async def test_a_request_that_no_rule_allows_is_denied_with_the_line_that_would_allow_it() -> None:
    """AGENTS.md: a message names the place, the thing found and what to write."""
    call = CallEgress(
        rules=(parse_rule("https://a.example"),), opened=(parse_rule("https://a.example"),)
    )
    async with attended(call) as attendance:
        error = await refused(attendance, "https://api.example.com/x?key=hush")

    [denial] = attendance.denials
    assert error == "HTTP-request-denied"
    assert (denial.target, denial.reason) == (
        "GET https://api.example.com",
        "no rule allows https://api.example.com",
    )
    assert denial.allow == (
        "start preopen with --egress https://api.example.com, or write "
        'hosts = ["https://a.example", "https://api.example.com"] under [egress] in preopen.toml'
    )
    assert [r.result for r in attendance.requests] == ["denied"]
    assert "hush" not in repr((attendance.denials, attendance.requests))


@pytest.mark.parametrize(
    ("method", "url", "reason", "allow"),
    [
        (
            "POST",
            "https://a.example/v1/x",
            "the tool may send GET, HEAD to this host, not POST",
            'add "POST" to methods under [[egress]] in the tool\'s manifest',
        ),
        (
            "GET",
            "https://a.example/v2",
            "the tool may ask this host for what lies below /v1, not for this path",
            'add "https://a.example" to hosts under [[egress]] in the tool\'s manifest',
        ),
        (
            "GET",
            "https://x.open.example",
            "the tool asks for other hosts than this one",
            'add "https://x.open.example" to hosts under [[egress]] in the tool\'s manifest',
        ),
    ],
)
async def test_a_denial_says_which_file_is_in_the_way(
    method: str, url: str, reason: str, allow: str
) -> None:
    """Ours: what the operator opened already is not asked of the operator again."""
    opened = (parse_rule("https://*.open.example", methods=("*",)),)
    call = CallEgress(rules=(parse_rule("https://a.example/v1"),), opened=opened)
    async with attended(call) as attendance:
        await refused(attendance, url, method)

    assert [(reason, allow)] == [(d.reason, d.allow) for d in attendance.denials]


@pytest.mark.parametrize(
    ("url", "way"),
    [("https://a.example/v2", "/w/preopen.toml"), ("https://b.example/", "--egress https://b")],
)
async def test_a_host_that_the_workspace_closed_is_told_from_one_that_nobody_opened(
    url: str, way: str
) -> None:
    """Issue: the operator's line would not help where a workspace's own file is in the way."""
    left = (parse_rule("https://a.example/v1", methods=("*",)),)
    closed = Closed(
        rules=(parse_rule("https://a.example", methods=("*",)),), left=left, file="/w/preopen.toml"
    )
    call = CallEgress(rules=left, opened=left, closed=closed)
    async with attended(call) as attendance:
        await refused(attendance, url)
    [denial] = attendance.denials

    assert way in denial.allow
    assert ("--egress" in denial.allow) is ("--egress" in way)
    assert ("/w/preopen.toml" in denial.reason) is ("/w/" in way)


@pytest.mark.parametrize("closes", [True, False])
async def test_a_name_that_leads_home_is_the_workspace_s_to_open_where_it_closed_it(
    closes: bool,  # noqa: FBT001 - a row
) -> None:
    """Issue: hosts of an own network are opened and closed as others are."""
    left = (parse_rule("http://*", methods=("*",)),)
    closed = Closed(rules=loopback("http://db.example"), left=left, file="/w/preopen.toml")
    call = CallEgress(rules=left, opened=left, closed=closed if closes else Closed(left=left))
    async with attended(call, resolve=resolving(db_example="10.0.0.5")) as attendance:
        await refused(attendance, "http://db.example")
    [denial] = attendance.denials

    assert ("to private under [egress] in /w/preopen.toml" in denial.allow) is closes
    assert ("--egress-private http://db.example" in denial.allow) is not closes


@pytest.mark.parametrize(
    ("method", "scheme", "authority", "path", "error"),
    [
        ("CONNECT", "https", "a.example", "/", "HTTP-request-denied"),
        ("trace", "https", "a.example", "/", "HTTP-request-denied"),
        ("GET", "ftp", "a.example", "/", "HTTP-request-denied"),
        ("GET", "https", "user:pw@a.example", "/", "HTTP-request-URI-invalid"),
        ("GET", "https", "a.example", "/\r\nHost: b", "HTTP-request-URI-invalid"),
        ("GET", "https", None, "/", "HTTP-request-URI-invalid"),
        ("GET", "https", "a.example", "/" + "a" * 9000, "HTTP-request-URI-too-long"),
        ("G\0T", None, "\u202e", "\ud800", "HTTP-request-method-invalid"),
    ],
)
async def test_a_request_that_says_no_target_is_answered(
    method: str, scheme: str | None, authority: str | None, path: str, error: str
) -> None:
    """wasi:http: `handle` answers an error-code; AGENTS.md: answer on any bytes."""
    async with attended(CallEgress(rules=(parse_rule("https://*"),))) as attendance:
        answer = await attendance.ask(method, scheme, authority, path)

    assert answer == Refusal(error=error)
    assert [r.result for r in attendance.requests] == ["denied"]
    text = repr((attendance.denials, attendance.requests))
    assert text.isprintable()
    assert "pw" not in text


async def test_a_private_address_needs_a_rule_that_says_private() -> None:
    """Design §10: the address gate; and its pair, which passes."""
    call = CallEgress(rules=(parse_rule("http://localhost:3000"),))
    async with attended(call, resolve=resolving(localhost="127.0.0.1")) as attendance:
        error = await refused(attendance, "http://localhost:3000/")
        [denial] = attendance.denials
    private = CallEgress(rules=loopback("http://localhost:3000"))
    async with attended(private, resolve=resolving(localhost="127.0.0.1")) as attendance:
        assert await ticket(attendance, "http://localhost:3000/")

    assert error == "HTTP-request-denied"
    assert denial.reason == "localhost leads to 127.0.0.1, a loopback address"
    assert denial.allow == (
        "start preopen with --egress-private http://localhost:3000, or write "
        'private = ["http://localhost:3000"] under [egress] in preopen.toml'
    )


@pytest.mark.parametrize(
    "addresses",
    [
        "93.184.215.14 10.0.0.1",
        "2606:2800::1 127.0.0.1",
        "93.184.215.14 ::1",
        "93.184.215.14 fe80::1",
    ],
)
async def test_one_forbidden_address_of_a_name_refuses_the_name(addresses: str) -> None:
    """Design §10: the gate is for every address, not for the one that happens to be dialled."""
    call = CallEgress(rules=(parse_rule("https://a.example"),))
    async with attended(call, resolve=resolving(a_example=addresses)) as attendance:
        error = await refused(attendance, "https://a.example/")

    assert error == "HTTP-request-denied"
    assert addresses.split()[1] in attendance.denials[0].reason


async def test_metadata_passes_for_nobody() -> None:
    """Design §6: private never means link-local or metadata, and no line would allow it."""
    call = CallEgress(rules=loopback("http://169.254.169.254", "http://a.example"))
    resolve = resolving(a_example="169.254.169.254")
    async with attended(call, resolve=resolve) as attendance:
        await refused(attendance, "http://169.254.169.254/")
        await refused(attendance, "http://a.example/")

    assert ["", ""] == [denial.allow for denial in attendance.denials]


async def test_a_name_that_does_not_resolve_is_an_error_and_no_denial() -> None:
    """wasi:http: DNS-error and DNS-timeout are not the policy's no."""

    async def never(host: str, port: int) -> tuple[Address, ...]:
        del host, port
        await anyio.sleep_forever()
        return ()

    call = CallEgress(rules=(parse_rule("https://a.example"),))
    async with attended(call) as attendance:
        assert await refused(attendance, "https://a.example/") == "DNS-error"
        assert attendance.denials == []
    async with attended(call, resolve=never, caps=Caps(resolve_s=0.05)) as attendance:
        assert await refused(attendance, "https://a.example/") == "DNS-timeout"
        assert [r.result for r in attendance.requests] == ["DNS-timeout"]


async def test_a_ticket_is_good_once() -> None:
    """Design §9.3: one-time. The second time the connection closes without a word."""
    async with (
        far(saying(plain(b"ok"))) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/")
        first = await exchange(attendance, request(path))
        second = await exchange(attendance, request(path))
        unknown = await exchange(attendance, request("/guessed"))

    assert [200, 0, 0] == [first.status, second.status, unknown.status]
    assert ["200"] == [r.result for r in attendance.requests]


async def test_a_ticket_expires() -> None:
    """Design §10: expire unredeemed tickets; they count as in flight until then."""
    async with attended("http://127.0.0.1:9", caps=Caps(ticket_s=0)) as attendance:
        path = await ticket(attendance, "http://127.0.0.1:9/")
        got = await exchange(attendance, request(path))

    assert (0, "not sent in time") == (got.status, attendance.requests[0].result)


async def test_a_ticket_of_another_call_is_worth_nothing() -> None:
    """Ours: two calls share the server, and nothing else."""
    async with (
        far(saying(plain(b"ok"))) as port,
        attended(f"http://127.0.0.1:{port}") as one,
        attended(f"http://127.0.0.1:{port}") as other,
    ):
        path = await ticket(one, f"http://127.0.0.1:{port}/")
        stolen = await exchange(other, request(path))
        own = await exchange(one, request(path))

    assert [0, 200] == [stolen.status, own.status]


@pytest.mark.parametrize(("sent", "status"), [("POST", 0), ("get", 200), ("CONNECT", 0)])
async def test_the_method_on_the_wire_is_the_approved_one(sent: str, status: int) -> None:
    """Design §9.4: compared when the ticket is redeemed; `get` is GET, as in the ask."""
    heads: list[bytes] = []
    async with (
        far(saying(plain(b"ok"), heads)) as port,
        attended(f"http://127.0.0.1:{port}") as attendance,
    ):
        path = await ticket(attendance, f"http://127.0.0.1:{port}/")
        got = await exchange(attendance, request(path, sent))

    assert got.status == status
    assert [head[:4] for head in heads] == ([b"GET "] if status else [])


async def test_requests_in_flight_are_capped_and_those_that_ended_are_not_counted() -> None:
    """Design §10: `connection-limit-reached` above `requests`."""
    async with far(saying(plain(b"ok"))) as port:
        url = f"http://127.0.0.1:{port}/"
        async with attended(CallEgress(rules=loopback(url), requests=3)) as attendance:
            paths = [await ticket(attendance, url) for _ in range(3)]
            over = await refused(attendance, url)
            for path in paths:
                await exchange(attendance, request(path))
            again = await fetch(attendance, url)

    assert ("connection-limit-reached", 200) == (over, again.status)
    assert ["200", "200", "200", "connection-limit-reached", "200"] == [
        r.result for r in attendance.requests
    ]
    assert attendance.denials == []


async def test_a_hundred_requests_pass_at_once() -> None:
    """Design §9: two and a hundred requests in flight from one guest work."""
    together, everybody = 0, anyio.Event()

    async def handle(stream: anyio.abc.ByteStream) -> None:
        nonlocal together
        await stream.receive()
        together += 1
        if together == 100:
            everybody.set()
        await everybody.wait()
        await stream.send(plain(b"ok"))

    async with far(handle) as port:
        url = f"http://127.0.0.1:{port}/"
        call = CallEgress(rules=loopback(url), requests=100)
        async with attended(call) as attendance, anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(fetch, attendance, url)

    assert {"200"} == {r.result for r in attendance.requests}


async def test_the_record_is_bounded_and_says_how_much_more_there_was() -> None:
    """Ours: a guest can ask a million times; a receipt has room for some."""
    async with attended(CallEgress(), caps=Caps(recorded=3, denied=2)) as attendance:
        for number in range(5):
            await refused(attendance, f"https://{number}.example/")
            await refused(attendance, f"https://{number}.example/")

    assert (3, 7) == (len(attendance.requests), attendance.more_requests)
    assert 2 == len(attendance.denials)
    assert attendance.more_denials >= 3


async def test_without_a_listener_asks_are_answered_and_no_request_can_be_made() -> None:
    """Ours: a cell whose namespace could not be made still gets its denials."""
    gateway = Gateway(resolve=nowhere, trust=Trust())
    call = CallEgress(rules=loopback("http://127.0.0.1:1"))
    async with gateway.attend(call, None) as attendance:
        denied = await attendance.ask("GET", "http", "127.0.0.2", "/")
        allowed = await attendance.ask("GET", "http", "127.0.0.1:1", "/")

    assert (0, denied, allowed) == (
        attendance.port,
        Refusal(error="HTTP-request-denied"),
        Refusal(error="HTTP-request-denied"),
    )
    assert "no way to the gateway" in attendance.denials[1].reason


async def test_connections_without_a_ticket_are_bounded() -> None:
    """Ours: a guest that connects without end takes no descriptor from other calls."""
    call = CallEgress(rules=loopback("http://127.0.0.1:9"), requests=1)
    patient = Caps(head_s=60)  # not by its deadline
    async with attended(call, caps=patient) as attendance, AsyncExitStack() as stack:
        for _ in range(9):
            client = await anyio.connect_tcp("127.0.0.1", attendance.port)
            await stack.enter_async_context(client)
        got = await exchange(attendance, b"")

    assert (0, False) == (got.status, got.whole)


async def test_an_ask_that_its_caller_gives_up_is_recorded() -> None:
    """Ours: every ask is in the record once, with what became of it."""
    asked = anyio.Event()

    async def never(host: str, port: int) -> tuple[Address, ...]:
        del host, port
        asked.set()
        await anyio.sleep_forever()
        return ()

    call = CallEgress(rules=(parse_rule("https://a.example"),), requests=1)
    async with attended(call, resolve=never) as attendance, anyio.create_task_group() as group:
        group.start_soon(attendance.ask, "GET", "https", "a.example", "/")
        await asked.wait()
        over = await refused(attendance, "https://a.example/")
        group.cancel_scope.cancel()

    assert over == "connection-limit-reached"
    assert ["ended with the call", over] == [r.result for r in attendance.requests]


def _everywhere() -> socket.socket:
    raw = socket.socket()
    raw.bind(("0.0.0.0", 0))  # noqa: S104 - what a cell must not hand over
    raw.listen()
    return raw


def _bound_only() -> socket.socket:
    raw = socket.socket()
    raw.bind(("127.0.0.1", 0))
    return raw


def _one_of_a_pair() -> socket.socket:
    one, other = socket.socketpair()
    other.close()
    return one


@pytest.mark.parametrize(
    "make",
    [
        _everywhere,
        _bound_only,
        _one_of_a_pair,
        lambda: socket.socket(socket.AF_INET6),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    ],
)
async def test_another_descriptor_than_a_listener_on_loopback_is_refused_and_closed(
    make: type[socket.socket],
) -> None:
    """Ours: what a cell sends is untrusted, and a descriptor of ours would be a way out."""
    descriptor = make().detach()
    gateway = Gateway(resolve=nowhere, trust=Trust())

    with pytest.raises(ValueError, match="listener"):
        async with gateway.attend(CallEgress(), descriptor):
            pass

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


async def test_the_callers_exception_leaves_as_it_is() -> None:
    """Ours: no group around it, or its handlers would not know it."""
    gateway = Gateway(resolve=nowhere, trust=Trust())

    with pytest.raises(KeyError, match="mine"):
        async with gateway.attend(CallEgress(), listening()):
            raise KeyError("mine")


def credentialed(url: str, *, private: bool = True, header: str = "X-Key") -> EgressRule:
    """Return a rule whose requests carry the secret `KEY`."""
    key = Credential(header=header, secret="KEY", format="Key {secret}")  # noqa: S106 - a name
    return parse_rule(url, methods=("*",), private=private, credential=key)


async def test_a_credential_replaces_the_guests_header_and_is_never_told() -> None:
    """Design §10: a credential rule overrules a guest's own; the record holds no header."""
    heads: list[bytes] = []
    async with far(saying(plain(b"ok"), heads)) as port:
        url = f"http://127.0.0.1:{port}/"
        call = CallEgress(rules=(credentialed(url),), secrets={"KEY": Secret("hush-hush-hush")})
        async with attended(call) as attendance:
            sent = ["x-kEY: mine", "X-KEY: too", "Accept-Encoding: gzip", "X-Other: stays"]
            got = await fetch(attendance, url, headers=sent)

    head = heads[0].lower()
    assert (200, 1) == (got.status, head.count(b"x-key:"))
    assert b"x-key: key hush-hush-hush\r\n" in head
    assert b"accept-encoding: identity\r\n" in head
    assert (1, 1) == (head.count(b"accept-encoding"), head.count(b"x-other: stays\r\n"))
    assert "hush" not in repr((attendance.requests, attendance.denials, call))


async def test_without_a_credential_the_guests_headers_stay() -> None:
    """Ours, the other side: nothing is taken from a request that nothing is added to."""
    heads: list[bytes] = []
    async with far(saying(plain(b"ok"), heads)) as port:
        url = f"http://127.0.0.1:{port}/"
        async with attended(url) as attendance:
            await fetch(attendance, url, headers=["X-Key: mine", "Accept-Encoding: gzip"])

    assert b"X-Key: mine\r\n" in heads[0]
    assert b"Accept-Encoding: gzip\r\n" in heads[0]


async def test_a_credential_goes_nowhere_that_its_own_rule_does_not_lead() -> None:
    """Ours: two rules are not added up to a private address with a secret."""
    heads: list[bytes] = []
    async with far(saying(plain(b"ok"), heads)) as port:
        url = f"http://127.0.0.1:{port}/"
        rules = (credentialed(url, private=False), *loopback(url))
        call = CallEgress(rules=rules, secrets={"KEY": Secret("hush-hush-hush")})
        async with attended(call) as attendance:
            got = await fetch(attendance, url)

    assert (200, False) == (got.status, b"hush" in heads[0])


@pytest.mark.parametrize(
    ("secrets", "header", "reason"),
    [
        ({}, "X-Key", "has no value"),
        ({"KEY": Secret("short")}, "X-Key", "has fewer than 8 characters"),
        ({"KEY": Secret("hush\r\nhush: hush")}, "X-Key", "beyond printable ASCII"),
        ({"KEY": Secret("hush-hush-hush")}, "Host", 'cannot go into the header "Host"'),
        ({"KEY": Secret("hush-hush-hush")}, "X\r\nY", "cannot go into the header"),
        ({"KEY": Secret("hush-hush-hush ")}, "X-Key", "makes no header's value"),
    ],
)
async def test_a_credential_that_cannot_be_added_denies_the_request(
    secrets: dict[str, Secret], header: str, reason: str
) -> None:
    """AGENTS.md: fail closed. The request is not sent without it."""
    url = "http://127.0.0.1:9/"
    call = CallEgress(rules=(credentialed(url, header=header),), secrets=secrets)
    async with attended(call) as attendance:
        await refused(attendance, url)

    assert reason in attendance.denials[0].reason
    assert "hush" not in repr(attendance.denials)


async def test_paths_are_recorded_only_where_the_operator_says_so() -> None:
    """Ours: a path may hold a key."""
    call = CallEgress(rules=loopback("http://127.0.0.1:9"))
    for records, expected in ((False, ""), (True, "/a?b")):
        gateway = Gateway(resolve=nowhere, trust=Trust(), records_paths=records)
        async with gateway.attend(call, listening()) as attendance:
            assert isinstance(await attendance.ask("GET", "http", "127.0.0.1:9", "/a?b"), Ticket)
        assert [expected] == [r.path for r in attendance.requests]
