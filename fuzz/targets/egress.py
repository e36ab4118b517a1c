"""`egress/`: any rules and any request are judged alike, however either is written."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import product
from typing import Final

from fuzz.properties import expect_plain
from fuzz.target import Target
from preopen.egress.addresses import forbidden, unembed
from preopen.egress.hosts import is_address, parse_host
from preopen.egress.rule import EgressRule
from preopen.egress.rule import Target as Request
from preopen.egress.rules import (
    format_rule,
    intersect,
    matches,
    matching,
    narrow_rule,
    parse_rule,
)
from preopen.egress.url import MAX_PATH, Unreadable, is_disguised, read_request, read_url

# An input is two rules, a URL, and the four parts of a request, on a line each; the last may hold
# more. A part that is empty is one that the guest left out.
_CUT: Final = b"\n"
_PARTS: Final = 7
_METHOD: Final = 32
_NAME: Final = 253
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_DOTS: Final = frozenset({".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"})


def check(data: bytes) -> None:
    """Hold rules, requests and what they have to do with one another to the design, §10."""
    lines = [line.decode("utf-8", "surrogateescape") for line in data.split(_CUT, _PARTS - 1)]
    ask, ceiling, url, *request = lines + [""] * (_PARTS - len(lines))
    rules = [rule for text in (ask, ceiling) if (rule := _rule(text)) is not None]
    requests = [each for each in (_argument(url), _request(*request)) if each is not None]
    for asked in requests:
        _expect_canonical(asked)
        _expect_suggestion(asked)
        assert matching(rules, asked) == tuple(rule for rule in rules if matches(rule, asked))
    for rule, asked in product(rules, requests):
        _expect_meaning(rule, asked)
        _expect_narrowed(rule, asked, requests)
    for one, other in product(rules, rules):
        _expect_common(one, other, requests)


def _rule(text: str) -> EgressRule | None:
    try:
        rule = parse_rule(text, methods=("*",), private=True)
    except ValueError as problem:
        _expect_advice(str(problem))
        return None
    written = format_rule(rule)
    expect_plain(written, 3 * len(text) + 64)  # one byte of UTF-8 is three of percent-encoding
    assert parse_rule(written, methods=("*",), private=True) == rule
    assert format_rule(parse_rule(written)) == written
    return rule


def _expect_advice(message: str) -> None:
    expect_plain(message)
    assert "; " in message  # what was found; what to write


def _argument(text: str) -> Request | None:
    try:
        return read_url(text)
    except ValueError as problem:
        _expect_advice(str(problem))
        return None


def _request(method: str, scheme: str, authority: str, path: str) -> Request | None:
    found = read_request(method, scheme or None, authority or None, path or None)
    if isinstance(found, Unreadable):
        expect_plain(found.reason)
        assert found.error.startswith("HTTP-request-")
        return None
    return found


def _expect_canonical(asked: Request) -> None:
    """Hold a request to one spelling, and its host to be an address where any reader sees one."""
    whole = asked.path + asked.query
    authority = asked.origin.partition("://")[2]
    assert read_request(asked.method, asked.scheme, authority, whole) == asked
    assert read_url(asked.origin + whole, asked.method) == asked
    assert len(whole) <= MAX_PATH
    assert whole.isascii()
    assert whole.isprintable()
    assert not set(whole) & set(' #<>"')
    assert not _DOTS & set(asked.path.lower().split("/"))
    assert asked.method == asked.method.upper()
    assert len(asked.method) <= _METHOD
    assert asked.method not in {"CONNECT", "TRACE"}
    _expect_host(asked.host)


def _expect_host(host: str) -> None:
    assert parse_host(f"[{host}]" if ":" in host else host) == host
    if not is_address(host):
        assert set(host) <= _PLAIN
        assert 1 <= len(host) <= _NAME
        assert not _seen_by_libc(host)
        return
    address = ip_address(host)
    assert str(address) == host
    closed, opened = (forbidden(address, private=private) for private in (False, True))
    expect_plain(closed, 80)
    assert closed or not opened  # `private` takes nothing away
    if not closed:
        assert address.is_global
        assert all(inner.is_global for inner in unembed(address))


def _seen_by_libc(host: str) -> bool:
    """Say whether a resolver would take the name for an IPv4 address."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _expect_suggestion(asked: Request) -> None:
    rule = parse_rule(asked.origin, methods=(asked.method,))
    assert matches(rule, asked)
    assert narrow_rule(rule, asked) == rule


def _expect_meaning(rule: EgressRule, asked: Request) -> None:
    """Hold a match to what the rule's own text says."""
    if not matches(rule, asked):
        return
    text, low_high = format_rule(rule), range(rule.ports[0], rule.ports[1] + 1)
    assert text.startswith(f"{asked.scheme}://")
    assert asked.port in low_high
    assert asked.path.startswith(rule.path)
    assert rule.path == "/" or not is_disguised(asked.path)
    if not is_address(asked.host) and rule.host.text:
        assert ("." + asked.host).endswith("." + rule.host.text)


def _expect_narrowed(rule: EgressRule, asked: Request, requests: list[Request]) -> None:
    narrow = narrow_rule(rule, asked)
    if narrow is None:
        assert not matches(rule, asked)
        return
    for each in requests:
        here = each.origin == asked.origin
        assert matches(narrow, each) == (here and matches(rule, each))


def _expect_common(one: EgressRule, other: EgressRule, requests: list[Request]) -> None:
    common = intersect(one, other)
    for each in requests:
        both = matches(one, each) and matches(other, each)
        assert both == (common is not None and matches(common, each))
    if common is not None:
        assert intersect(common, one) == common
        assert parse_rule(format_rule(common), methods=("*",), private=True) == common


def _seeds() -> Iterator[bytes]:
    for number, rule in enumerate(_RULES):
        ceiling = _RULES[(number + 1) % len(_RULES)]
        host = _HOSTS[number % len(_HOSTS)]
        path = _PATHS[number % len(_PATHS)]
        lines = (rule, ceiling, f"https://{host}{path}", "get", "", host, path)
        yield "\n".join(lines).encode()
    for host, path in zip(_HOSTS, _PATHS, strict=False):
        lines = (
            f"https://{host}",
            "https://*",
            f"http:\\\\{host}\\a#b",
            "POST",
            "HTTP",
            host,
            path,
        )
        yield "\n".join(lines).encode()
    yield b"\n\n\nCONNECT\nftp\nu@a\n/a#b"


_RULES: Final = (
    *("https://a.example", "https://*.a.example:8000..9000/api", "https://*", "http://10.0.0.0/8"),
    *("https://10.0.0.1/32:443/8", "https://[fd00::]/8:81/x", "https://[::1]", "a.example"),
    *(
        "https://*.com",
        "https://0x7f.1",
        "https://10.0.0.1/8",
        "http://10.0.0.0:80/8",
        "https://u@a",
    ),
    *("https://a.b/..;/x", "https://a.b:9..8", "https://a.b?q", "https://fd00::1", "ftp://a.b"),
    *("https://a.b/*", "https://%61.b", "https://a.b/\u00e9", "https://10.0.0.0/33"),
)
_HOSTS: Final = (
    *(
        "a.example",
        "b.a.example:8443",
        "10.0.0.1",
        "0x7f.1",
        "[::ffff:127.0.0.1]:80",
        "[fd00::1]:81",
    ),
    *("B\u00fccher.example.", "%31%32%37.1", "\uff11\u30022", "[fe80::1%25lo]", "xn--a", "a..b"),
    *("256.1.1.1", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "a:0", "a_b", "[2606:4700::1]"),
)
_PATHS: Final = (
    *("/api", "/api/../x", "/api/%2e%2E/x?q", "?q", "/api/..%2fx", "/api/..;/x", "/%zz", "/\\"),
    *("/a%252fb", "/\u00e9", "/a b", '/"<>^`{}', "/api/?'\"", "//a/./", "/a%c0%af", "x"),
)

TARGET: Final = Target(
    name="egress",
    check=check,
    seeds=_seeds,
    tokens=(
        *(
            b"https://",
            b"http://",
            b"*.",
            b"*",
            b"..",
            b":1..65535",
            b":443",
            b"/8",
            b"/32",
            b"/api",
        ),
        *(
            b"%2e",
            b"%2F",
            b"%5c",
            b"%25",
            b"%00",
            b"%zz",
            b"..;",
            b"/../",
            b"//",
            b"\\",
            b"@",
            b"#",
        ),
        *(b"[::1]", b"[fd00::]", b"::ffff:", b"64:ff9b::", b"2002:7f00:1::", b"%25lo", b"]", b"["),
        *(b"127.0.0.1", b"0x7f", b"0177", b"2130706433", b"169.254.169.254", b"10.0.0.0", b"0x"),
        *(
            b"xn--",
            b"\xc3\xbc",
            b"\xe3\x80\x82",
            b"\xef\xbc\x91",
            b"\xc2\xad",
            b"\xe2\x80\x8b",
            b"\xff",
        ),
        *(
            b"a.example",
            b"?",
            b"CONNECT",
            b"get",
            b"\n",
            b"\r",
            b"\x00",
            b" ",
            b"\xed\xa0\x80",
            b".",
        ),
    ),
    max_bytes=2048,
)
