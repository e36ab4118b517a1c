"""Rows of the section *network*: requests that no rule allows, or whose parts say two things."""

from functools import partial
from typing import Final

from preopen.selftest.asking import Network, Stop, Who
from preopen.selftest.row import Fight, Row
from preopen.selftest.sending import (
    NAMES,
    OPEN,
    SITE,
    Sent,
    answered,
    ask,
    denied,
    does,
    network_row,
    opened,
    sending,
)

_HOST: Final = "site.test:@site"
_PLAIN: Final = sending(ask("get", f"{SITE}/a"), answered("page /a"))
_READS: Final = "a GET of the host that is listed is answered"
_row = partial(network_row, control=_READS, allowed=_PLAIN)


def _asks(name: str, *rest: str, network: Network = OPEN, grant: str = "") -> Fight:
    more = {"grant": grant} if grant else {}
    return sending(ask(name, *rest, network=network, **more), denied())


def _rules() -> list[Row]:
    secure = Network(private=("https://site.test:@site",), names=NAMES)
    posts = '[[egress]]\nallow = "${egress}"\nmethods = ["GET", "POST"]\n'
    post = ("send", "POST", "http", _HOST, "/posted", "body", "9")
    return [
        _row(
            "unlisted",
            "ask a host that no rule names",
            _asks("get", "http://alias.test:@site/a"),
            Stop.NAMES,
        ),
        _row(
            "other-port",
            "ask another port of the host that is listed",
            _asks("get", "http://site.test:@other/a"),
            Stop.NAMES,
            control="that port is asked where it is listed",
            allowed=sending(
                ask(
                    "get",
                    "http://site.test:@other/a",
                    network=Network(private=("http://site.test:@other",), names=NAMES),
                ),
                answered("page /a"),
            ),
        ),
        _row(
            "cleartext",
            "ask by http where https is listed",
            _asks("get", f"{SITE}/a", network=secure),
            Stop.NAMES,
        ),
        _row(
            "method",
            "send a POST where GET is granted",
            _asks(*post),
            Stop.NAMES,
            control="it is sent where POST is granted",
            allowed=sending(ask(*post, grant=posts), answered("9 bytes")),
        ),
    ]


def _paths() -> list[Row]:
    grant = f'[[egress]]\nallow = "{SITE}/api"\n'
    below = sending(ask("get", f"{SITE}/api/a", grant=grant), answered("page /api/a"))
    inside = "what lies below the prefix is answered"

    def row(name: str, tries: str, path: str, *stops: Stop) -> Row:
        attack = _asks("get", f"{SITE}{path}", grant=grant)
        return _row(name, tries, attack, *stops, control=inside, allowed=below)

    return [
        row("dot-segments", "leave a path prefix by dots", "/api/%2e%2e/admin", Stop.NAMES),
        row("encoded-slash", "leave it by a slash in disguise", "/api/..%2fadmin", Stop.NAMES),
        row("prefix", "ask what only begins like it", "/apiary", Stop.NAMES),
    ]


def _parts() -> list[Row]:
    anything = '[[egress]]\nallow = "${egress}"\nmethods = ["*"]\n'

    both = opened(OPEN, "http://alias.test:@site")

    def row(name: str, tries: str, *parts: str) -> Row:
        return _row(name, tries, _asks("send", *parts, network=both, grant=anything), Stop.URL)

    return [
        row(
            "userinfo",
            "put a user name that looks like a host before it",
            *("GET", "http", "site.test@alias.test:@site", "/a"),
        ),
        row("fragment", "put a fragment into the path", "GET", "http", _HOST, "/a#/b"),
        row("raw-path", "put a letter that is no ASCII into it", "GET", "http", _HOST, "/\\xe9"),
        row("trace", "have a request echoed with its login", "TRACE", "http", _HOST, "/a"),
        row("connect", "open a tunnel", "other:CONNECT", "http", _HOST, "/a"),
    ]


def _broken_lines() -> list[Row]:
    words = ("send", "GET", "http", _HOST, "/a HTTP/1.1\\x0d\\x0aX-Mine: 1\\x0d\\x0aX:")

    def unanswered(sent: Sent) -> bool:
        return bool(sent.line) and "status" not in sent.line and not sent.got

    return [
        _row(
            "path-injection",
            "hide a header behind a line break in the path",
            sending(ask(*words), unanswered),
            *(Stop.WASI, Stop.URL),
        ),
        _row(
            "native-path-injection",
            "ask so without a guest's library between",
            sending(ask(*words), denied()),
            Stop.URL,
            control="a request with a ticket is answered",
            allowed=sending(ask("fetch", f"{SITE}/a"), does("page /a")),
            who=Who.NATIVE,
        ),
    ]


ROWS: Final = (*_rules(), *_paths(), *_parts(), *_broken_lines())
