"""One call's URL cuts the grant to one scheme, host and port."""

import pytest

from policy.asks import manifest
from preopen.capability import Grants
from preopen.egress.rules import format_rule, parse_rule
from preopen.outcome import Denial, JsonValue
from preopen.policy.narrow import narrow
from preopen.tool.manifest import EgressAsk

ASKS = (EgressAsk(key="egress[0]", allow="${egress}", narrow_to="url"),)


def narrowed(*rules: str, url: JsonValue = None) -> list[str] | Denial:
    """Return what is left of these rules for this URL."""
    grants = Grants(egress=tuple(parse_rule(rule, narrow_to="url") for rule in rules))
    found = narrow(manifest(egress=ASKS), grants, {"url": url}, home="/home/me")
    if isinstance(found, Denial):
        return found
    with found:
        return [format_rule(rule) for rule in found.egress]


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://a.example/x?y#z", ["https://a.example"]),
        ("HTTPS://A.EXAMPLE.:443", ["https://a.example"]),
        ("https://deep.b.example/", ["https://deep.b.example/docs"]),
        ("https://a.example:8443/", ["https://a.example:8443"]),
    ],
)
def test_url_leaves_its_own_origin_and_no_other(url: str, left: list[str]) -> None:
    """Issue: cut to that one scheme, host and port; path and methods of the rule stay."""
    rules = ("https://a.example", "https://*.b.example/docs", "https://a.example:8000..9000")

    assert narrowed(*rules, url=url) == left


def test_call_without_its_url_keeps_the_whole_grant() -> None:
    """Design §5: no argument, the whole grant."""
    assert narrowed("https://a.example", "https://b.example") == [
        "https://a.example",
        "https://b.example",
    ]


@pytest.mark.parametrize(
    ("url", "allow"),
    [
        ("https://other.example/x", '--egress https://other.example, or write hosts = ["https'),
        ("http://a.example/", "--egress http://a.example,"),
        ("http://localhost:3000/", "--egress-private http://localhost:3000"),
        ("http://0x7f.1:3000/", "--egress-private http://127.0.0.1:3000"),
        ("http://[fd00::1]/", "--egress-private http://[fd00::1],"),
    ],
)
def test_url_outside_of_the_grant_is_denied_with_the_line_that_opens_it(
    url: str, allow: str
) -> None:
    """Issue: the exact line that would allow it, and where."""
    found = narrowed("https://a.example", url=url)

    assert isinstance(found, Denial)
    assert allow in found.allow


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://224.0.0.1/"])
def test_url_that_nothing_opens_is_denied_without_a_line(url: str) -> None:
    """Issue: never link-local or metadata; a line that does not help is a lie."""
    found = narrowed(url=url)

    assert isinstance(found, Denial)
    assert found.allow == ""


def test_what_is_no_url_is_denied_and_says_what_to_write() -> None:
    """Issue: refused texts teach."""
    found = narrowed("https://a.example", url="a.example/x")

    assert isinstance(found, Denial)
    assert "has no scheme" in found.reason
    assert 'write "https://a.example/x"' in found.allow
