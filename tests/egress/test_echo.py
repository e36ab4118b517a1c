"""Echoes of a credential over HTTP/1.1: in the reason, in headers, in bodies of any framing."""

import base64

import pytest

from egress.street import attended, far, fetch, plain, saying
from preopen.egress.rule import CallEgress, Credential, Secret
from preopen.egress.rules import parse_rule

pytestmark = pytest.mark.anyio

SECRET = "hush-hush-hush"  # noqa: S105 - of nobody
STARS = b"*" * len(SECRET)


def call_to(url: str) -> CallEgress:
    """Return a call whose requests carry the secret as a bearer token."""
    key = Credential(header="Authorization", secret="KEY", format="Bearer {secret}")  # noqa: S106 - a name
    rule = parse_rule(url, private=True, credential=key)
    return CallEgress(rules=(rule,), secrets={"KEY": Secret(SECRET)})


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_no_part_of_an_answer_repeats_the_secret(framing: str) -> None:
    """Ours: a server may echo what it was sent; the guest never learns it."""
    basic = base64.b64encode(f"user:{SECRET}".encode())
    body = f"raw {SECRET} %68ush-hush-hush {basic.decode()} end".encode()
    head = f"HTTP/1.1 200 Hello {SECRET}\r\nX-Echo: {SECRET}\r\nX-{SECRET}: 1\r\n".encode()
    match framing:
        case "length":
            answer = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        case "chunked":
            pieces = b"".join(b"1\r\n%c\r\n" % octet for octet in body)
            answer = head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"
        case _:
            answer = head + b"\r\n" + body
    async with far(saying(answer)) as port:
        url = f"http://127.0.0.1:{port}"
        async with attended(call_to(url)) as attendance:
            got = await fetch(attendance, url)

    assert got.whole
    assert len(got.body) == len(body)
    assert got.body.startswith(b"raw " + STARS + b" " + STARS + b"** ")
    assert got.body.endswith(b" end")
    assert (b"Hello " + STARS, STARS) == (got.reason, got.headers[b"x-echo"])
    text = repr(got)
    assert SECRET not in text
    assert basic[-12:].decode() not in text


async def test_an_answer_without_the_credential_is_not_touched() -> None:
    """Ours, the other side: a guest's own text that looks like it is the guest's."""
    async with far(saying(plain(SECRET.encode()))) as port:
        url = f"http://127.0.0.1:{port}"
        async with attended(url) as attendance:
            got = await fetch(attendance, url)

    assert got.body == SECRET.encode()


@pytest.mark.parametrize("coding", ["gzip", "identity, br", "x-unknown"])
async def test_an_encoded_answer_to_a_credentialed_request_is_refused(coding: str) -> None:
    """Ours: no echo can be found in it; it was asked for unencoded."""
    async with far(saying(plain(b"x", f"Content-Encoding: {coding}"))) as port:
        url = f"http://127.0.0.1:{port}"
        async with attended(call_to(url)) as attendance:
            got = await fetch(attendance, url)

    assert (502, True) == (got.status, got.whole)
    assert attendance.requests[0].result == "http_response_content_coding"
