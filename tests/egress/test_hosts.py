import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.egress.addresses import forbidden
from preopen.egress.hosts import is_address, parse_host
from spellings import CLOSED, examples, spellings

NAMES = {
    "example.com": "example.com",
    "EXAMPLE.Com": "example.com",
    "example.com.": "example.com",
    "example.com\u3002": "example.com",
    "example\uff0ecom": "example.com",
    "example\uff61com": "example.com",
    "\uff45xample.com": "example.com",
    "exa\u00admple.com": "example.com",
    "exam\u200bple.com": "example.com",
    "%65xample.com": "example.com",
    "ex%61mple%2Ecom": "example.com",
    "b\u00fccher.example": "xn--bcher-kva.example",
    "B\u00dcCHER.example": "xn--bcher-kva.example",
    "bu\u0308cher.example": "xn--bcher-kva.example",
    "b%C3%BCcher.example": "xn--bcher-kva.example",
    "XN--BCHER-KVA.example": "xn--bcher-kva.example",
    "stra\u00dfe.example": "xn--strae-oqa.example",  # UTS 46 without its transitional half
    "\u212aelvin.example": "kelvin.example",
    "1.-1": "1.-1",
    "0x-1": "0x-1",
    "localhost": "localhost",
    "LocalHost.": "localhost",
    "my_bucket.example": "my_bucket.example",
    "_dmarc.example": "_dmarc.example",
    "r3---sn-abc.example": "r3---sn-abc.example",
    "-a-.example": "-a-.example",
    "1.2.3.4.example": "1.2.3.4.example",
    "0x7f.1.example": "0x7f.1.example",
    "1e3": "1e3",
    "0xg": "0xg",
    "127.0.0.1x": "127.0.0.1x",
    "0x7f.0x0.0x0.0x1.nip.io": "0x7f.0x0.0x0.0x1.nip.io",
    "a" * 63 + ".example": "a" * 63 + ".example",
    ".".join(["a" * 61] * 4) + ".bcdef": ".".join(["a" * 61] * 4) + ".bcdef",
}
ADDRESSES = {
    "127.0.0.1": "127.0.0.1",
    "127.0.0.1.": "127.0.0.1",
    "127.1": "127.0.0.1",
    "1.2.3.": "1.2.0.3",
    "127.0.1": "127.0.0.1",
    "127.65535": "127.0.255.255",
    "2130706433": "127.0.0.1",
    "017700000001": "127.0.0.1",
    "0x7f000001": "127.0.0.1",
    "0X7F000001": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "0x7f.0.0.0x1": "127.0.0.1",
    "0177.0.0.1": "127.0.0.1",
    "0000000000177.0.0.01": "127.0.0.1",
    "127.0.0.0x": "127.0.0.0",
    "0x.0x.0": "0.0.0.0",  # noqa: S104 - an address to find
    "0": "0.0.0.0",  # noqa: S104 - as above
    "4294967295": "255.255.255.255",
    "0xffffffff": "255.255.255.255",
    "1.0xffffff": "1.255.255.255",
    "\uff11\uff12\uff17.0.0.1": "127.0.0.1",
    "127\u30020\u30020\u30021": "127.0.0.1",
    "127\uff0e1": "127.0.0.1",
    "127\uff611": "127.0.0.1",
    "12\u00ad7.1": "127.0.0.1",
    "\u2460\u2461\u2466.1": "127.0.0.1",  # circled digits
    "\u00b9\u00b2\u2077.1": "127.0.0.1",  # raised digits
    "\U0001d7cf\U0001d7d0\U0001d7d5.1": "127.0.0.1",  # bold digits
    "%31%32%37.1": "127.0.0.1",
    "127%2e0%2e0%2e1": "127.0.0.1",
    "%EF%BC%91%EF%BC%92%EF%BC%97.1": "127.0.0.1",
    "0\uff587f.1": "127.0.0.1",  # a full-width x
    "169.254.43518": "169.254.169.254",
    "0xa9.0xfe.0xa9.0xfe": "169.254.169.254",
    "0xa9fea9fe": "169.254.169.254",
    "2852039166": "169.254.169.254",
    "[::1]": "::1",
    "[0:0:0:0:0:0:0:1]": "::1",
    "[0000::0001]": "::1",
    "[FD00:EC2::254]": "fd00:ec2::254",
    "[fd00:0ec2:0:0:0:0:0:0254]": "fd00:ec2::254",
    "[1:2:3:4:5:6:7::]": "1:2:3:4:5:6:7:0",
    "[::ffff:127.0.0.1]": str(IPv6Address("::ffff:7f00:1")),
    "[::ffff:7f00:1]": str(IPv6Address("::ffff:7f00:1")),
    "[64:ff9b::127.0.0.1]": "64:ff9b::7f00:1",
}
REFUSED = (
    *("", ".", "..", ".com", "a..b", "a.b..", "127.0.0.1..", "example.com.."),
    *("256.0.0.1", "1.2.3.256", "1.2.3.4.5", "1.2.3.4.5.", "4294967296", "0x100000000"),
    *("1.2.65536", "1.16777216", "999999999999", "08", "09.1", "1.2.3.08", "foo.1", "a.0x7f"),
    *("foo.0x", "foo.08", "1..2", "1.2..3.4", "0x7f.foo.1", "+1", "1.+1"),
    *("::1", "fe80::1", "[]", "[", "]", "[::1", "::1]", "[::1]x", "[[::1]]", "[:::1]", "[1::2::3]"),
    *("[::1%eth0]", "[fe80::1%25eth0]", "[fe80::1%]", "[127.0.0.1]", "[localhost]", "[::g]"),
    *("[1:2:3:4:5:6:7:8:9]", "[::1.2.3]", "[::256.0.0.1]", "[::01.2.3.4]", "[ ::1]", "[%3a%3a1]"),
    *("[v1.a]", "[::\uff11]", "[12345::]"),
    *("a b", "a%20b", "a\tb", "a\nb", "a\x00b", "a%00b", "a\x7fb", "a/b", "a%2Fb", "a\\b", "a%5cb"),
    *("a?b", "a#b", "a@b", "a%40b", "a:b", "a%3A80", "a<b", "a>b", "a^b", "a|b", "a%b", "a%zz"),
    *("*", "*.example.com", "a*b", "a!b", "a$b", "a&b", "a'b", "a(b", "a,b", "a;b", "a=b", 'a"b'),
    *("a%ff", "a%c0%ae", "\ud800", "a\u2100b", "a\ufffd", "a\uff0fb", "a\uff1ab", "a\uff05zz"),
    *("%EF%BC%85example", "\u0661.example"),
    *("xn--", "xn--a", "xn--example-", "xn--\u00fc", "\u2603.example", "\u202eexample"),
    *("a" * 64, "a" * 64 + ".example", ".".join(["abc"] * 64), "a" * 2000, "\u00fc" * 80),
    *("\u00ad", "\u200b", "%C2%AD", "\u0301a"),
)
CANONICAL = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_a_name_has_one_spelling(text: str, name: str) -> None:
    """URL standard 3.5: percent-decoded, mapped by UTS 46, in A-labels, without a last dot."""
    assert parse_host(text) == name
    assert not is_address(name)


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items())
def test_an_address_has_one_spelling(text: str, address: str) -> None:
    """URL standard 3.5: what ends in a number is an address, in each of its spellings."""
    assert parse_host(text) == address
    assert is_address(address)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_host_is_refused_with_a_way_out(text: str) -> None:
    """URL standard 3.5, and ours where it is laxer than DNS; Style rule 1."""
    with pytest.raises(ValueError, match="; write ") as raised:
        parse_host(text)

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


@examples(500)
@given(st.data(), st.sampled_from(CLOSED) | st.ip_addresses(v=4).map(str))
def test_no_spelling_of_an_address_is_taken_for_a_name(data: st.DataObject, address: str) -> None:
    """Design §10: neither numbers, nor Unicode, nor percent-encoding hide an address."""
    assert parse_host(data.draw(spellings(IPv4Address(address)))) == address


@examples(500)
@given(st.data(), st.sampled_from(CLOSED))
def test_no_spelling_of_a_closed_address_passes_the_gate(data: st.DataObject, address: str) -> None:
    """Design §10: both halves together, as a guest meets them."""
    host = parse_host(data.draw(spellings(IPv4Address(address))))

    assert forbidden(ip_address(host), private=False)


@examples(500)
@given(st.text("0123456789abcdefxX.", min_size=1, max_size=24))
def test_what_the_c_library_takes_for_an_address_is_no_name(text: str) -> None:
    """Ours: a resolver asks inet_aton first, so a name that it reads would escape the gate."""
    try:
        address = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        address = ""
    try:
        host = parse_host(text)
    except ValueError:
        return

    if address:
        assert host == address


@examples(500)
@given(
    st.text(max_size=30)
    | st.text("aZ0-._x%27[]:\uff0e\u3002\u00df\u00fc\uff11\u200d", max_size=20)
    | st.ip_addresses(v=6).map(lambda address: f"[{address}]")
    | st.lists(st.text(max_size=12), max_size=4).map(".".join)
)
def test_any_text_is_refused_or_becomes_canonical(text: str) -> None:
    """Ours: a host that was parsed is a plain name or an address, and stays what it is."""
    try:
        host = parse_host(text)
    except ValueError as problem:
        host, text = "", str(problem)
    if not host:
        assert text.isprintable()
        return

    assert is_address(host) or CANONICAL.fullmatch(host)
    assert parse_host(f"[{host}]" if ":" in host else host) == host
    if is_address(host):
        assert str(ip_address(host)) == host


@examples(100)
@given(st.from_regex(r"[a-z0-9]{1,10}\.[a-z]{2,8}", fullmatch=True))
def test_an_ordinary_name_is_left_as_it_is(name: str) -> None:
    """Ours: so that the refusals above are not the whole of it."""
    assert parse_host(name) == name
    assert parse_host(name.upper() + ".") == name
