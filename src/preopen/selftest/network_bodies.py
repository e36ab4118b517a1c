"""Rows of the section *network*: heads and bodies, of what leaves and of what comes back."""

import base64
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from preopen.outcome import JsonValue
from preopen.selftest.asking import TOKEN, Ask, Stop, Who
from preopen.selftest.row import Row
from preopen.selftest.sending import (
    ANY,
    SITE,
    Look,
    Sent,
    answered,
    ask,
    does,
    hides,
    network_row,
    sending,
)
from preopen.selftest.site import WELCOME

LOGIN: Final = f"""\
[[egress]]
allow = "{SITE}"
credential = {{ header = "Authorization", format = "Bearer {{secret}}", secret = "TOKEN" }}
"""
POSTS: Final = '[[egress]]\nallow = "${egress}"\nmethods = ["GET", "POST"]\n'
BAD_GATEWAY: Final = HTTPStatus.BAD_GATEWAY  # the gateway's own answer
SMALL: Final = {"request_bytes": "64KiB", "response_bytes": "64KiB"}
_BIG: Final = 256 << 10
_HOST: Final = "site.test:@site"
_WELCOME: Final = sending(ask("get", f"{SITE}/login", grant=LOGIN), answered(WELCOME))
_ITS_OWN: Final = "without one of its own the operator's goes"
_AS_USER: Final = b"user:"  # what stands before the secret in an echo


def _sizes() -> list[Row]:
    whole = answered(f'"bytes": {_BIG}')

    def row(
        name: str, tries: str, words: tuple[str, ...], stop: Stop, *, stopped: Look, works: Look
    ) -> Row:
        grant = POSTS if stop is Stop.REQUEST_BYTES else ANY
        return network_row(
            name,
            tries,
            sending(ask(*words, limits=SMALL, grant=grant), stopped),
            stop,
            control="it passes under a larger limit",
            allowed=sending(ask(*words, grant=grant), works),
        )

    return [
        row(
            "flood",
            "send more than the limit without saying how much",
            ("download", f"{SITE}/flood/{_BIG}"),
            Stop.RESPONSE_BYTES,
            stopped=_is_cut,
            works=whole,
        ),
        row(
            "declared-flood",
            "send it and say how much",
            ("download", f"{SITE}/declared/{_BIG}"),
            Stop.RESPONSE_BYTES,
            stopped=_is_cut,
            works=whole,
        ),
        row(
            "long-request",
            "carry out more than the limit in one request",
            ("post", f"{SITE}/posted", str(_BIG)),
            Stop.REQUEST_BYTES,
            stopped=_never_arrived_whole,
            works=answered(f"{_BIG} bytes"),
        ),
    ]


def _bomb() -> Row:
    return network_row(
        "bomb",
        "send a few kilobytes that unpack to megabytes",
        sending(ask("download", f"{SITE}/bomb", limits=SMALL), _is_small, _reached),
        *(Stop.CODINGS, Stop.RESPONSE_BYTES),
        control="what is not packed passes as it is",
        allowed=sending(
            ask("download", f"{SITE}/declared/4096", limits=SMALL), answered('"bytes": 4096')
        ),
    )


def _is_cut(sent: Sent) -> bool:
    line = sent.line
    return _size(line) <= 64 << 10 and ("error" in line or line.get("status") == BAD_GATEWAY)


def _never_arrived_whole(sent: Sent) -> bool:
    line = sent.line
    return bool(line) and "status" not in line and not any(got.body >= _BIG for got in sent.got)


def _is_small(sent: Sent) -> bool:
    return _size(sent.line) <= 64 << 10


def _size(line: Mapping[str, JsonValue]) -> int:
    """Return how many bytes of an answer came; where nothing was said of it, more than may."""
    size = line.get("bytes", 0 if "error" in line else _BIG)
    return size if isinstance(size, int) else _BIG


def _echoes() -> list[Row]:
    def row(name: str, tries: str, form: str, look: Look, verb: str = "get") -> Row:
        echo = ask(verb, f"{SITE}/echo/{form}", grant=LOGIN)
        return network_row(
            f"echo-{name}",
            f"learn the operator's secret from {tries}",
            sending(echo, look, _reached),
            Stop.MASKING,
            control="it is what the site was told",
            allowed=_WELCOME,
        )

    encoded = base64.b64encode(_AS_USER + TOKEN.encode()).decode()
    percent = "".join(f"%{octet:02x}" for octet in TOKEN.encode())
    return [
        row("raw", "a page that repeats it", "raw", hides(TOKEN)),
        row("base64", "its base64, with more before it", "base64", hides(encoded)),
        row("percent", "its percent-encoding", "percent", hides(percent)),
        row("header", "a header of the answer", "header", hides(TOKEN), verb="headers"),
        row("packed", "a page that is packed", "gzip", _is_no_page),
    ]


def _is_no_page(sent: Sent) -> bool:
    return sent.line.get("status") == BAD_GATEWAY


def _reached(sent: Sent) -> bool:
    return len(sent.got) == 1 and bool(sent.line)


def _tried(sent: Sent) -> bool:
    return bool(sent.line)


def _heads() -> list[Row]:
    mine = "who are you"

    def send(*fields: str) -> Ask:
        return ask("send", "GET", "http", _HOST, "/login", *fields, grant=LOGIN)

    def fetch(act: str, thing: str) -> Ask:
        return ask(act, thing)

    plain = sending(fetch("fetch", f"{SITE}/host"), does("site.test"))
    return [
        network_row(
            "own-login",
            "log in as somebody else than the operator",
            sending(send("Authorization=Bearer stolen"), hides(mine), _reached),
            Stop.HEADERS,
            control=_ITS_OWN,
            allowed=_WELCOME,
        ),
        network_row(
            "header-injection",
            "hide a second header behind a line break in the first",
            sending(send("x-a=b\\x0d\\x0aAuthorization: Bearer stolen"), hides(mine), _tried),
            *(Stop.WASI, Stop.HEADERS),
            control=_ITS_OWN,
            allowed=_WELCOME,
        ),
        network_row(
            "native-host",
            "name another host to the server that is asked",
            sending(fetch("fetch-as", f"internal.test {SITE}/host"), does(without="internal")),
            Stop.HEADERS,
            control="the host that was asked for is named",
            allowed=plain,
            who=Who.NATIVE,
        ),
    ]


ROWS: Final = (*_sizes(), _bomb(), *_echoes(), *_heads())
