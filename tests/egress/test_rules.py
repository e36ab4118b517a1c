from dataclasses import replace

import pytest

from preopen.egress.rule import Credential, HostKind, HostPattern
from preopen.egress.rules import (
    format_rule,
    matches,
    matching,
    parse_rule,
)
from preopen.egress.url import read_url

NAME, BELOW, ADDRESSES, ANY = HostKind.NAME, HostKind.SUBDOMAINS, HostKind.ADDRESSES, HostKind.ANY

# What people write, and its kind, host, ports, path and canonical text.
RULES = {
    "https://a.example": (NAME, "a.example", (443, 443), "/", "https://a.example"),
    "http://a.example": (NAME, "a.example", (80, 80), "/", "http://a.example"),
    "HTTPS://A.Example./": (NAME, "a.example", (443, 443), "/", "https://a.example"),
    "https://a.example:443": (NAME, "a.example", (443, 443), "/", "https://a.example"),
    "http://a.example:443": (NAME, "a.example", (443, 443), "/", "http://a.example:443"),
    "http://localhost:3000": (NAME, "localhost", (3000, 3000), "/", "http://localhost:3000"),
    "https://a.b:8000..9000": (NAME, "a.b", (8000, 9000), "/", "https://a.b:8000..9000"),
    "https://a.b:1..65535/x": (NAME, "a.b", (1, 65535), "/x", "https://a.b:1..65535/x"),
    "https://a.b:8..8": (NAME, "a.b", (8, 8), "/", "https://a.b:8"),
    "https://a.b/8": (NAME, "a.b", (443, 443), "/8", "https://a.b/8"),
    "https://a.b/8:80": (NAME, "a.b", (443, 443), "/8:80", "https://a.b/8:80"),
    "https://a.b/api/v1": (NAME, "a.b", (443, 443), "/api/v1", "https://a.b/api/v1"),
    "https://a.b/api/": (NAME, "a.b", (443, 443), "/api/", "https://a.b/api/"),
    "https://a.b/@scope/x:y": (NAME, "a.b", (443, 443), "/@scope/x:y", "https://a.b/@scope/x:y"),
    "https://a.b/\u00e9": (NAME, "a.b", (443, 443), "/%C3%A9", "https://a.b/%C3%A9"),
    "https://B\u00fccher.de": (
        NAME,
        "xn--bcher-kva.de",
        (443, 443),
        "/",
        "https://xn--bcher-kva.de",
    ),
    "https://my_b.x": (NAME, "my_b.x", (443, 443), "/", "https://my_b.x"),
    "https://*.a.example": (BELOW, "a.example", (443, 443), "/", "https://*.a.example"),
    "https://*.B\u00fc.de:8/x": (BELOW, "xn--b-eha.de", (8, 8), "/x", "https://*.xn--b-eha.de:8/x"),
    "https://*": (ANY, "", (443, 443), "/", "https://*"),
    "http://*:1..65535": (ANY, "", (1, 65535), "/", "http://*:1..65535"),
    "https://*/api": (ANY, "", (443, 443), "/api", "https://*/api"),
    "https://10.0.0.1": (ADDRESSES, "10.0.0.1/32", (443, 443), "/", "https://10.0.0.1"),
    "https://10.0.0.1/32": (ADDRESSES, "10.0.0.1/32", (443, 443), "/", "https://10.0.0.1"),
    "https://10.0.0.0/8": (ADDRESSES, "10.0.0.0/8", (443, 443), "/", "https://10.0.0.0/8"),
    "https://0.0.0.0/0": (ADDRESSES, "0.0.0.0/0", (443, 443), "/", "https://0.0.0.0/0"),
    "http://10.0.0.0/8:81": (ADDRESSES, "10.0.0.0/8", (81, 81), "/", "http://10.0.0.0/8:81"),
    "http://10.0.0.0/8:1..9/x": (
        *(ADDRESSES, "10.0.0.0/8", (1, 9)),
        *("/x", "http://10.0.0.0/8:1..9/x"),
    ),
    "https://10.0.0.0/8:443/x": (
        *(ADDRESSES, "10.0.0.0/8", (443, 443)),
        *("/x", "https://10.0.0.0/8:443/x"),
    ),
    "https://10.0.0.1/x": (ADDRESSES, "10.0.0.1/32", (443, 443), "/x", "https://10.0.0.1/x"),
    "https://10.0.0.1/8/x": (ADDRESSES, "10.0.0.1/32", (443, 443), "/8/x", "https://10.0.0.1/8/x"),
    "https://10.0.0.1/32:443/8": (
        *(ADDRESSES, "10.0.0.1/32", (443, 443)),
        *("/8", "https://10.0.0.1/32:443/8"),
    ),
    "https://10.0.0.1:443/8:80": (
        *(ADDRESSES, "10.0.0.1/32", (443, 443)),
        *("/8:80", "https://10.0.0.1/32:443/8:80"),
    ),
    "https://[::1]": (ADDRESSES, "::1/128", (443, 443), "/", "https://[::1]"),
    "https://[0:0::0001]:80": (ADDRESSES, "::1/128", (80, 80), "/", "https://[::1]:80"),
    "https://[FD00::]/8": (ADDRESSES, "fd00::/8", (443, 443), "/", "https://[fd00::]/8"),
    "https://[fd00::]/64:9/x": (ADDRESSES, "fd00::/64", (9, 9), "/x", "https://[fd00::]/64:9/x"),
}

# What is refused, and words that the message has to hold.
REFUSED = {
    "api.example.com": '"api.example.com" has no scheme; write "https://api.example.com"',
    "localhost:3000": 'write "https://localhost:3000"',
    "//a.example": 'write "https://a.example"',
    "https:a.example": 'write "https://a.example"',
    "https:/a.example": 'write "https://a.example"',
    "": "has no scheme",
    "*": 'write "https://*"',
    "*.a.example": 'write "https://*.a.example"',
    "*://a.example": "neither http nor https",
    "ftp://a.example": 'write "https://a.example"',
    "http\u017f://a.example": "neither http nor https",
    "://a.example": "neither http nor https",
    "https://": "names no host",
    "https:///x": "names no host",
    "https://:80": "names no host",
    "https://.": "empty label",
    "https://a..b": "empty label",
    "https://u@a.example": "a user name stands before the host",
    "https://u:p@a.example/x": "a user name stands before the host",
    "https://a.example?q": 'holds a query; write "https://a.example"',
    "https://a.example/x?q": 'holds a query; write "https://a.example/x"',
    "https://a.example#f": "holds a fragment",
    "https://a.example\\x": "holds a backslash",
    "https://a.example/x y": "holds a space",
    " https://a.example": "holds a space",
    "https://a.example\n": "holds a space or a control",
    "https://a.example/\ud800": "holds a space or a control",
    "https://a.example/\x85": "holds a space or a control",
    "https://*.com": "at least two labels",
    "https://*.com.": "at least two labels",
    "https://*.": "the host is empty",
    "https://*.*": '"*" inside the host',
    "https://*.*.example.com": '"*" inside the host',
    "https://a.*.example.com": '"*" inside the host',
    "https://*a.example.com": '"*" inside the host',
    "https://a.example.*": '"*" inside the host',
    "https://**": '"*" inside the host',
    "https://\uff0a.a.example": 'holds "*"',
    "https://*.10.0.0.1": "at least two labels",
    "https://*.0.1": "at least two labels",
    "https://*.[::1]": "in brackets",
    "https://%61.example": "percent-encoded host",
    "https://[::1%25lo]": "percent-encoded host",
    "https://a.example:": "has the port",
    "https://a.example:0": "has the port",
    "https://a.example:65536": "has the port",
    "https://a.example:080": "has the port",
    "https://a.example:*": "has the port",
    "https://a.example:x": "has the port",
    "https://a.example:\u0668\u0660": "has the port",
    "https://a.example:9000..8000": "the lower one first",
    "https://a.example:1..": "has the port",
    "https://a.example:..9": "has the port",
    "https://a.example:1..2..3": "has the port",
    "https://a.example:80-90": "has the port",
    "https://a.example:1..70000": "has the port",
    "https://a.example:80:80": "no host with one port",
    "https://::1": "in brackets",
    "https://fd00::/8": "in brackets",
    "https://[::1": "in brackets",
    "https://[::1]x": "is no rule",
    "https://[::g]": "is no IPv6 address",
    "https://[127.0.0.1]": "is no IPv6 address",
    "https://127.1": "another spelling of 127.0.0.1; write https://127.0.0.1",
    "http://0x7f.0.0.1": "another spelling of 127.0.0.1; write http://127.0.0.1",
    "https://2130706433": "another spelling of 127.0.0.1",
    "https://127.0.0.1.": "another spelling of 127.0.0.1",
    "https://\uff11\uff12\uff17.0.0.1": "another spelling of 127.0.0.1",
    "https://0": "another spelling of 0.0.0.0",
    "https://10.1/8": "another spelling of 10.0.0.1",
    "https://256.0.0.1": "ends in a number",
    "https://1.2.3.4.5": "ends in a number",
    "https://10.0.0.1/8": 'bits set behind its block; write "10.0.0.0/8"',
    "https://[fd00::1]/8": 'bits set behind its block; write "[fd00::]/8"',
    "https://10.0.0.0/33": "length of 0 to 32",
    "https://10.0.0.0/08": "length of 0 to 32",
    "https://10.0.0.0/" + "9" * 1900: "length of 0 to 32",
    "https://[fd00::]/129": "length of 0 to 128",
    "http://10.0.0.0:80/8": 'write the block\'s length before the port: "http://10.0.0.0/8:80"',
    "https://a.example/*": "leave it out",
    "https://a.example/a*b": "leave it out",
    "https://a.example/../x": "dot segment",
    "https://a.example/x/..": "dot segment",
    "https://a.example/./x": "dot segment",
    "https://a.example/%2e%2E/x": "dot segment",
    "https://a.example/..;/x": "dot segment",
    "https://a.example//": "empty",
    "https://a.example/a//b": "empty",
    "https://a.example/a%2fb": "encoded slash",
    "https://a.example/a%5Cb": "encoded slash",
    "https://a.example/a%252fb": "encoded slash",
    "https://a.example/%zz": "is no percent-encoding",
    "https://" + "a." * 1100: "a rule of 2208 characters",
}


@pytest.mark.parametrize(("text", "parts"), RULES.items())
def test_a_rule_is_read(text: str, parts: tuple[HostKind, str, tuple[int, int], str, str]) -> None:
    """Design §5: scheme://host[:port|:from..to][/path-prefix], in one canonical form."""
    kind, host, ports, path, canonical = parts
    rule = parse_rule(text)

    assert rule.host == HostPattern(kind=kind, text=host)
    assert (rule.ports, rule.path) == (ports, path)
    assert (rule.methods, rule.private) == (("GET", "HEAD"), False)
    assert format_rule(rule) == canonical
    assert parse_rule(canonical) == rule


@pytest.mark.parametrize(("text", "words"), REFUSED.items(), ids=lambda each: str(each)[:40])
def test_what_is_no_rule_is_refused_with_a_way_out(text: str, words: str) -> None:
    """Style rule 1: the message says what was found and what to write."""
    with pytest.raises(ValueError, match="; ") as raised:
        parse_rule(text)

    assert words in str(raised.value)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


def test_what_stands_beside_the_text_goes_into_the_rule() -> None:
    """Design §5: methods in capitals, `private`, credential and `narrow_to` of an ask."""
    credential = Credential(header="Authorization", secret="TOKEN")  # noqa: S106 - a name
    rule = parse_rule(
        "https://a.example",
        methods=["post", "GET", "POST"],
        private=True,
        credential=credential,
        narrow_to="url",
    )

    assert rule.methods == ("POST", "GET")
    assert (rule.private, rule.credential, rule.narrow_to) == (True, credential, "url")
    assert parse_rule("https://a.example", methods=["*"]).methods == ("*",)


@pytest.mark.parametrize("methods", [[], ["*", "GET"], ["CONNECT"], ["trace"], ["GE T"], [""]])
def test_methods_that_no_rule_can_allow_are_refused(methods: list[str]) -> None:
    """Design §10: CONNECT and TRACE are sent for nobody."""
    with pytest.raises(ValueError, match="; "):
        parse_rule("https://a.example", methods=methods)


# Of each rule: URLs that it allows, and beside them URLs that it does not.
LETS = {
    "https://a.example": (
        "https://a.example/x?q",
        "https://A.EXAMPLE.:443",
        "https://a.example/%2f",
    ),
    "https://*.a.example": ("https://b.a.example", "https://c.b.a.example/x"),
    "https://*": ("https://b.example", "https://10.0.0.1", "https://[::1]"),
    "https://10.0.0.1": ("https://10.0.0.1", "https://0xa.1", "https://167772161"),
    "https://10.0.0.0/8": ("https://10.0.0.0", "https://10.255.255.255", "https://10.1"),
    "https://[fd00::]/8": ("https://[fd00::1]", "https://[fdff::1]"),
    "https://a.b:8..9": ("https://a.b:8", "https://a.b:9"),
    "https://a.b/api": ("https://a.b/api", "https://a.b/api/", "https://a.b/x/../api/y?z=%2f"),
    "https://a.b/api/": ("https://a.b/api/", "https://a.b/api/x", "https://a.b/api/a%20b"),
}
STOPS = {
    "https://a.example": (
        *("http://a.example", "https://a.example:444", "https://b.a.example", "https://xa.example"),
        *("https://a.example.evil.example", "https://example", "https://10.0.0.1", "https://[::1]"),
    ),
    "https://*.a.example": (
        *(
            "https://a.example",
            "https://xa.example",
            "https://b.a.example.evil",
            "http://b.a.example",
        ),
        *("https://10.0.0.1", "https://b.a.example:80"),
    ),
    "https://*": ("http://b.example", "https://b.example:8443"),
    "https://10.0.0.1": (
        "https://10.0.0.2",
        "https://10.0.0.1.nip.io",
        "https://[::ffff:10.0.0.1]",
    ),
    "https://10.0.0.0/8": ("https://11.0.0.0", "https://9.255.255.255", "https://10.example"),
    "https://0.0.0.0/0": ("https://a.example", "https://[::1]"),
    "https://[fd00::]/8": ("https://[fe00::1]", "https://10.0.0.1", "https://fd00.example"),
    "https://a.b:8..9": ("https://a.b:7", "https://a.b:10", "https://a.b"),
    "https://a.b/api": (
        *(
            "https://a.b/",
            "https://a.b/apix",
            "https://a.b/API",
            "https://a.b/x/api",
            "https://a.b//api",
        ),
        *(
            "https://a.b/api/../x",
            "https://a.b/api/%2e%2e/x",
            "https://a.b/?/api",
            "https://a.b/%61pi",
        ),
        *("https://a.b/api/..%2fx", "https://a.b/api/..%5cx", "https://a.b/api/..;/x"),
        *(
            "https://a.b/api/%252e%252e/x",
            "https://a.b/api/..%252fx",
            "https://a.b/api/%c0%ae%c0%ae/",
        ),
        *("https://a.b/api%2fx", "https://a.b/api/..%00/x", "https://a.b/api/\uff0e\uff0e/x"),
    ),
    "https://a.b/api/": ("https://a.b/api", "https://a.b/apix"),
}


@pytest.mark.parametrize(("rule", "url"), [(rule, url) for rule in LETS for url in LETS[rule]])
def test_a_rule_granted_lets_the_request_through(rule: str, url: str) -> None:
    """Design §10: by scheme, host, port and path, in any spelling of the same."""
    assert matches(parse_rule(rule), read_url(url))
    assert matches(parse_rule(rule), read_url(url, "head"))


@pytest.mark.parametrize(("rule", "url"), [(rule, url) for rule in STOPS for url in STOPS[rule]])
def test_a_rule_withheld_stops_the_request(rule: str, url: str) -> None:
    """Design §10: and nothing that only looks like it."""
    assert not matches(parse_rule(rule, methods=["*"]), read_url(url))


def test_a_pattern_of_subdomains_matches_no_address_however_it_was_made() -> None:
    """Ours: `parse_rule` reads no such text, but a pattern is a value that anyone can make."""
    pattern = HostPattern(kind=BELOW, text="0.0.1")
    rule = replace(parse_rule("https://*"), host=pattern)

    assert not matches(rule, read_url("https://10.0.0.1"))
    assert matches(replace(rule, host=HostPattern(kind=ANY)), read_url("https://10.0.0.1"))


def test_a_rule_lets_its_methods_through_and_no_others() -> None:
    """Design §5: GET and HEAD by default; `*` is every method."""
    url = "https://a.example/"
    default, posts, every = (
        parse_rule(url, methods=methods) for methods in (("GET", "HEAD"), ("POST",), ("*",))
    )

    assert not matches(default, read_url(url, "POST"))
    assert not matches(posts, read_url(url, "GET"))
    assert matches(posts, read_url(url, "post"))
    assert matches(every, read_url(url, "DELETE"))
    assert matching((default, posts, every), read_url(url, "POST")) == (posts, every)
