from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.egress.addresses import forbidden, unembed
from spellings import CLOSED, embeddings, examples

PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"),
    *("192.169.0.0", "169.253.255.255", "169.255.0.0", "223.255.255.255", "168.63.129.15"),
    *("198.17.255.255", "198.20.0.0", "192.0.1.0", "192.0.3.0", "1.0.0.0", "192.31.196.1"),
    *("2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2001:4860:4860::8888"),
    *("2620:0:2d0:200::7", "2001:db7::1", "2001:db9::1", "2003::1", "3ffe::1", "3fff:1000::1"),
    *("64:ff9b::8.8.8.8", "2000::1"),
)
PRIVATE = (
    *("127.0.0.1", "127.1.2.3", "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255"),
    *("192.168.0.1", "192.168.255.255", "::1", "fc00::1", "fd12:3456::1", "fdff:ffff::1"),
)
NEVER = {
    "169.254.169.254": "metadata",
    "169.254.170.2": "metadata",
    "169.254.170.23": "metadata",
    "100.100.100.200": "metadata",
    "168.63.129.16": "metadata",
    "192.0.0.192": "metadata",
    "fd00:ec2::254": "metadata",
    "fd00:ec2::23": "metadata",
    "fd20:ce::254": "metadata",
    "fd00:c1::a9fe:a9fe": "metadata",
    "fd00:42::42": "metadata",
    "fd00:100::100:200": "metadata",
    "fd00:a9fe:a9fe::1": "metadata",
    "169.254.0.0": "link-local",
    "169.254.255.255": "link-local",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "fe80::a9fe:a9fe": "link-local",
    "fe80::1%eth0": "scope",
    "2606:4700::1%1": "scope",
    "::1%lo": "scope",
    "0.0.0.0": "unspecified",  # noqa: S104 - an address to refuse
    "::": "unspecified",
    "0.0.0.1": "reserved",
    "100.64.0.0": "shared",
    "100.127.255.255": "shared",
    "192.0.0.9": "reserved",
    "192.0.2.1": "documentation",
    "198.51.100.1": "documentation",
    "203.0.113.255": "documentation",
    "192.88.99.1": "reserved",
    "198.18.0.0": "benchmarks",
    "198.19.255.255": "benchmarks",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.254": "reserved",
    "255.255.255.255": "broadcast",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "::8.8.8.8": "as an IPv6 one",
    "::ffff:8.8.8.8": "as an IPv6 one",
    "::2": "inside an IPv6",
    "::ffff:0:8.8.8.8": "reserved",
    "64:ff9b:1::808:808": "inside an IPv6",
    "64:ff9b:1:808:808:808:808:808": "translator",
    "100::1": "reserved",
    "2001::1": "inside an IPv6",
    "2001:2::1": "reserved",
    "2001:20::1": "reserved",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "2002:808:808::1": "6to4",
    "5f00::1": "reserved",
    "fec0::1": "reserved",
    "4000::1": "reserved",
    "1fff::1": "reserved",
    "e000::1": "reserved",
}
OPENED = tuple(
    map(
        ip_network,
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"),
    )
)
ADDRESSES = st.ip_addresses()


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_dialled(address: str) -> None:
    """RFC 6890: globally reachable unicast, and both neighbours of what is not."""
    assert forbidden(ip_address(address), private=False) == ""
    assert forbidden(ip_address(address), private=True) == ""


@pytest.mark.parametrize("address", PRIVATE)
def test_private_granted_lets_a_private_address_pass(address: str) -> None:
    """Design §10: a rule that says `private` reaches loopback, RFC 1918 and RFC 4193."""
    assert forbidden(ip_address(address), private=True) == ""


@pytest.mark.parametrize("address", PRIVATE)
def test_private_withheld_stops_a_private_address(address: str) -> None:
    """Design §10: and no other rule does."""
    reason = forbidden(ip_address(address), private=False)

    assert reason in {"a loopback address", "a private address"}


@pytest.mark.parametrize(("address", "words"), NEVER.items())
def test_some_addresses_are_dialled_for_nobody(address: str, words: str) -> None:
    """Design §10: metadata, link-local, multicast, reserved and the like, `private` or not."""
    assert words in forbidden(ip_address(address), private=False)
    assert words in forbidden(ip_address(address), private=True)


@pytest.mark.parametrize("text", CLOSED)
def test_an_ipv4_address_is_found_in_every_ipv6_one(text: str) -> None:
    """Design §10: un-embed first; `64:ff9b::7f00:1` is loopback behind a translator."""
    inner = IPv4Address(text)

    for form, address in embeddings(inner).items():
        assert unembed(address)[0] == address
        assert inner in unembed(address), form
        assert forbidden(address, private=False), form
        assert forbidden(address, private=True), form


def test_the_reason_says_what_stands_inside() -> None:
    """Style rule 1: whoever asks learns what was found."""
    found = forbidden(IPv6Address("64:ff9b::a9fe:a9fe"), private=False)

    assert found == "a cloud's metadata address inside an IPv6 address"


@examples(100)
@given(ADDRESSES, st.sampled_from(["mapped", "6to4", "NAT64", "ISATAP"]))
def test_an_ipv4_address_holds_no_other(address: IPv4Address | IPv6Address, form: str) -> None:
    """Ours: what is embedded is an IPv4 address, and that is the end of it."""
    for inner in unembed(address)[1:]:
        assert isinstance(inner, IPv4Address)
        assert unembed(inner) == (inner,)
        assert inner in unembed(embeddings(inner)[form])


@examples(500)
@given(st.ip_addresses(v=4) | st.integers(0, 2**32 - 1).map(IPv4Address))
def test_every_ipv4_address_that_passes_is_global_to_python_too(address: IPv4Address) -> None:
    """Ours: a second table, which others keep, agrees with ours."""
    if not forbidden(address, private=False):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@examples(500)
@given(st.ip_addresses(v=6) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_every_ipv6_address_that_passes_is_global_to_python_too(address: IPv6Address) -> None:
    """Ours: and so does whatever stands inside."""
    if not forbidden(address, private=False):
        assert address.is_global
        assert not address.is_multicast
        assert [] == [each for each in unembed(address)[1:] if forbidden(each, private=False)]


@examples(500)
@given(ADDRESSES)
def test_private_opens_its_six_blocks_and_nothing_else(address: IPv4Address | IPv6Address) -> None:
    """Design §10: `private` widens by these, and takes nothing away."""
    without, with_it = (forbidden(address, private=each) for each in (False, True))

    if without and not with_it:
        assert any(address in block for block in OPENED)
    if with_it:
        assert without


@pytest.mark.parametrize("block", OPENED, ids=str)
def test_private_ends_at_the_edges_of_its_blocks(block: IPv4Network | IPv6Network) -> None:
    """Ours: an off-by-one in a prefix is found at its first and last address."""
    within = (block[0], block[-1])
    beside = (block[0] - 1, block[-1] + 1)

    assert ["", ""] == [forbidden(each, private=True) for each in within]
    assert all(forbidden(each, private=False) for each in within)
    for each in beside:  # public, or closed for a reason of its own
        reason = forbidden(each, private=False)
        assert reason == forbidden(each, private=True)
        assert reason not in {"a loopback address", "a private address"}
