from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preopen.egress.hosts import is_address
from preopen.egress.rule import Credential, EgressRule, HostKind, HostPattern, Target
from preopen.egress.rules import (
    format_rule,
    intersect,
    matches,
    narrow_rule,
    parse_rule,
)
from preopen.egress.url import read_url
from spellings import CLOSED, examples, spellings

HOSTS = (
    *("example.com", "a.example.com", "b.a.example.com", "notexample.com", "com", "localhost"),
    *("10.0.0.1", "10.1.2.3", "11.0.0.1", "127.0.0.1", "::1", "fd00::1", "fd00:1::1"),
)
PATTERNS = (
    *(HostPattern(kind=HostKind.NAME, text=host) for host in HOSTS if not is_address(host)),
    *(
        HostPattern(kind=HostKind.SUBDOMAINS, text=text)
        for text in ("example.com", "a.example.com", "b.a.example.com")
    ),
    *(
        HostPattern(kind=HostKind.ADDRESSES, text=text)
        for text in (
            *("10.0.0.1/32", "10.0.0.0/8", "10.0.0.0/16", "0.0.0.0/0", "127.0.0.0/8"),
            *("::/0", "::1/128", "fd00::/8", "fd00::/32"),
        )
    ),
    HostPattern(kind=HostKind.ANY),
)
PREFIXES = ("/", "/api", "/api/", "/api/v1", "/apix", "/8", "/8:80", "/8/x", "/32", "/%C3%A9")
PATHS = (*PREFIXES, "/api/v1/x", "/api/..%2fx", "/api/..;/x", "/API", "/api/v1x", "/%2f")
METHODS = ("GET", "HEAD", "POST", "DELETE")
PORTS = (1, 79, 80, 81, 443, 444, 8080, 65535)
TOKEN = Credential(header="Authorization", secret="TOKEN")  # noqa: S106 - a name

targets = st.builds(
    Target,
    method=st.sampled_from(METHODS),
    scheme=st.sampled_from(("http", "https")),
    host=st.sampled_from(HOSTS),
    port=st.sampled_from(PORTS),
    path=st.sampled_from(PATHS),
)
rules = st.builds(
    EgressRule,
    scheme=st.sampled_from(("http", "https")),
    host=st.sampled_from(PATTERNS),
    ports=st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)).map(
        lambda pair: (min(pair), max(pair))
    ),
    path=st.sampled_from(PREFIXES),
    methods=st.just(("*",))
    | st.lists(st.sampled_from(METHODS), min_size=1, unique=True).map(tuple),
    private=st.booleans(),
    credential=st.sampled_from((None, TOKEN)),
    narrow_to=st.sampled_from(("", "url")),
)


@st.composite
def near(draw: st.DrawFn, rule: EgressRule) -> Target:
    """Draw a request of which most parts are in the rule: a free one is nearly always outside."""
    every = replace(rule, scheme="http", ports=(80, 80), path="/", methods=("*",))
    hosts = [
        host
        for host in HOSTS
        if matches(every, Target(method="GET", scheme="http", host=host, port=80))
    ]
    fits: dict[str, Any] = {
        "host": draw(st.sampled_from(hosts or HOSTS)),
        "scheme": rule.scheme,
        "port": draw(st.sampled_from(rule.ports)),
        "path": rule.path,
        "method": "GET" if rule.methods == ("*",) else draw(st.sampled_from(rule.methods)),
    }
    free = draw(st.sets(st.sampled_from(sorted(fits)), max_size=1))
    target = draw(targets)
    kept = {key: value for key, value in fits.items() if key not in free}
    return replace(target, **kept)


@st.composite
def alike(draw: st.DrawFn, rule: EgressRule) -> EgressRule:
    """Draw a rule that differs from another in some parts: two drawn alone share nothing."""
    other = draw(rules)
    parts = draw(st.sets(st.sampled_from(("host", "ports", "path", "methods", "scheme"))))
    return replace(rule, private=other.private, **{part: getattr(other, part) for part in parts})


@examples(500)
@given(st.data(), rules)
def test_two_rules_have_in_common_what_both_allow(data: st.DataObject, ask: EgressRule) -> None:
    """Design §5: an ask is cut to the operator's hosts, and never reaches beyond either."""
    ceiling = data.draw(alike(ask))
    target = data.draw(near(data.draw(st.sampled_from((ask, ceiling)))))
    common = intersect(ask, ceiling)
    both = matches(ask, target) and matches(ceiling, target)

    assert both == (common is not None and matches(common, target))
    if common is not None:
        assert common.private == (ask.private and ceiling.private)
        assert (common.credential, common.narrow_to) == (ask.credential, ask.narrow_to)
        assert intersect(common, ceiling) == common
        assert parse_again(common) == common


@examples(200)
@given(rules)
def test_a_rule_has_all_of_itself_in_common_with_itself(rule: EgressRule) -> None:
    """Ours: a ceiling that repeats the ask takes nothing away."""
    every = replace(
        rule, host=HostPattern(kind=HostKind.ANY), ports=(1, 65535), path="/", methods=("*",)
    )

    assert intersect(rule, rule) == rule
    assert intersect(rule, replace(every, private=True)) == rule
    assert (
        intersect(rule, replace(every, scheme="https" if rule.scheme == "http" else "http")) is None
    )


@pytest.mark.parametrize(
    ("ask", "ceiling", "common"),
    [
        ("https://*", "https://a.example", "https://a.example"),
        ("https://*.a.example", "https://b.a.example", "https://b.a.example"),
        ("https://*.a.example", "https://a.example", None),
        ("https://*.b.a.example", "https://*.a.example", "https://*.b.a.example"),
        ("https://a.example", "https://*.a.example", None),
        ("https://a.example", "https://b.example", None),
        ("https://xa.example", "https://*.a.example", None),
        ("https://10.0.0.0/8", "https://10.1.0.0/16", "https://10.1.0.0/16"),
        ("https://10.0.0.0/8", "https://10.0.0.0/16", "https://10.0.0.0/16"),
        ("https://10.0.0.0/8", "https://10.0.0.0", "https://10.0.0.0"),
        ("https://[fd00::]/8", "https://[fd00::]/64", "https://[fd00::]/64"),
        ("https://10.0.0.0/8", "https://11.0.0.0/8", None),
        ("https://0.0.0.0/0", "https://[::]/0", None),
        ("https://0.0.0.0/0", "https://*.a.example", None),
        ("https://10.0.0.1", "https://10.example", None),
        ("https://*:1..100", "https://*:90..443/x", "https://*:90..100/x"),
        ("https://*:1..100", "https://*:101..102", None),
        ("http://a.example", "https://a.example", None),
        ("https://a.b/api/v1", "https://a.b/api", "https://a.b/api/v1"),
        ("https://a.b/api", "https://a.b/api/", "https://a.b/api/"),
        ("https://a.b/api", "https://a.b/apix", None),
    ],
)
def test_what_two_rules_have_in_common(ask: str, ceiling: str, common: str | None) -> None:
    """Design §5: by example, both ways round."""
    for one, other in ((ask, ceiling), (ceiling, ask)):
        found = intersect(parse_rule(one), parse_rule(other))
        assert (found and format_rule(found)) == common


@pytest.mark.parametrize(
    ("ask", "ceiling", "common"),
    [
        (("GET", "POST"), ("POST", "GET", "PUT"), ("GET", "POST")),
        (("*",), ("PUT", "GET"), ("PUT", "GET")),
        (("PUT",), ("*",), ("PUT",)),
        (("*",), ("*",), ("*",)),
        (("GET",), ("POST",), None),
    ],
)
def test_methods_in_common_keep_the_order_of_the_ask(
    ask: tuple[str, ...], ceiling: tuple[str, ...], common: tuple[str, ...] | None
) -> None:
    """Design §5: `*` is every method, and none in common is no rule."""
    found = intersect(
        parse_rule("https://a.b", methods=ask), parse_rule("https://a.b", methods=ceiling)
    )

    assert (found and found.methods) == common


@examples(200)
@given(st.data(), rules)
def test_a_narrowed_rule_reaches_one_origin_and_nothing_new(
    data: st.DataObject, rule: EgressRule
) -> None:
    """Design §5, narrowing: one scheme, host and port of what the rule has; the rest stays."""
    named, other = data.draw(near(rule)), data.draw(near(rule))
    narrow = narrow_rule(rule, named)
    if narrow is None:
        assert not matches(rule, named)
        return

    assert replace(narrow, host=rule.host, ports=rule.ports) == rule
    assert matches(narrow, named) == matches(rule, named)
    here = (other.scheme, other.host, other.port) == (named.scheme, named.host, named.port)
    assert matches(narrow, other) == (here and matches(rule, other))
    assert intersect(narrow, rule) == narrow


def test_narrowing_asks_for_neither_path_nor_method() -> None:
    """Design §5: the URL of an argument may lead to others of its origin."""
    rule = parse_rule("https://*/api", narrow_to="url")
    narrow = narrow_rule(rule, read_url("https://a.example/elsewhere", "POST"))

    assert narrow == parse_rule("https://a.example/api", narrow_to="url")
    assert narrow_rule(rule, read_url("http://a.example/api")) is None
    assert narrow_rule(rule, read_url("https://a.example:8443/api")) is None
    address = narrow_rule(rule, read_url("https://0xa.1/api"))
    assert address is not None
    assert format_rule(address) == "https://10.0.0.1/api"


def parse_again(rule: EgressRule) -> EgressRule:
    return parse_rule(
        format_rule(rule),
        methods=rule.methods,
        private=rule.private,
        credential=rule.credential,
        narrow_to=rule.narrow_to,
    )


@examples(200)
@given(rules)
@example(parse_rule("https://10.0.0.1/32:443/8:80"))
def test_a_rule_that_was_written_reads_the_same(rule: EgressRule) -> None:
    """Ours: what a denial tells the operator to add means what it says."""
    assert parse_again(rule) == rule


@examples(200)
@given(st.text(max_size=40) | st.text("*.:/[]0123456789af%@x", max_size=24).map("https://".__add__))
def test_any_text_is_refused_or_is_a_rule_with_one_form(text: str) -> None:
    """Ours: a manifest and an operator may write what they like."""
    try:
        rule = parse_rule(text)
    except ValueError as problem:
        found = str(problem)
    else:
        assert parse_again(rule) == rule
        return

    assert found.isprintable()
    assert "; " in found


@examples(200)
@given(targets)
def test_the_suggested_rule_allows_its_target_and_no_other_origin(target: Target) -> None:
    """Design §5: a Denial comes with the line to add."""
    rule = parse_rule(target.origin, methods=[target.method])

    assert matches(rule, target)
    assert rule == narrow_rule(rule, target)


@examples(200)
@given(st.data(), st.sampled_from(CLOSED), rules)
def test_a_rule_of_names_lets_no_spelling_of_an_address_through(
    data: st.DataObject, address: str, rule: EgressRule
) -> None:
    """Design §10: a NAME matches no address, however a guest writes it."""
    url = f"{rule.scheme}://{data.draw(spellings(IPv4Address(address)))}:{rule.ports[0]}/"
    target = read_url(url)

    assert target.host == address
    if rule.host.kind in {HostKind.NAME, HostKind.SUBDOMAINS}:
        assert not matches(replace(rule, path="/", methods=("*",)), target)


@examples(200)
@given(st.data(), rules, st.from_regex(r"[a-z0-9]{1,8}(\.[a-z]{1,8}){0,3}", fullmatch=True))
def test_a_rule_names_every_host_that_it_matches(
    data: st.DataObject, rule: EgressRule, host: str
) -> None:
    """Design §10: exactly the name, or something before a dot and the name."""
    suffix = data.draw(st.sampled_from(("", rule.host.text, "." + rule.host.text)))
    target = read_url(f"{rule.scheme}://a")
    target = replace(target, host=(host + suffix).removesuffix("."), port=rule.ports[0])
    wide = replace(rule, path="/", methods=("*",))
    match rule.host.kind:
        case HostKind.NAME:
            named = target.host == rule.host.text
        case HostKind.SUBDOMAINS:
            named = target.host.split(".")[-len(rule.host.text.split(".")) :] == (
                rule.host.text.split(".")
            ) and target.host.count(".") > rule.host.text.count(".")
        case HostKind.ADDRESSES:
            named = False
        case HostKind.ANY:
            named = True

    assert matches(wide, target) == named
