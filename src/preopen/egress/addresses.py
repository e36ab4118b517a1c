"""The address gate: which addresses may be dialled. Nothing here resolves a name or connects.

Sources: the IANA registries of IPv4 and IPv6 special-purpose addresses (RFC 6890, RFC 8190), and
the clouds' own pages for where their metadata services listen. The tables are ours, and are read
before anything else: Python 3.11's `is_global` calls `::127.0.0.1`, `64:ff9b::7f00:1` and
`2002:7f00:1::` global.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
_Row: TypeAlias = tuple[IPv4Network | IPv6Network, str]

_LOOPBACK: Final = "a loopback address"
_PRIVATE: Final = "a private address"
_METADATA: Final = "a cloud's metadata address"
_LINK_LOCAL: Final = "a link-local address"
_MULTICAST: Final = "a multicast address"
_RESERVED: Final = "a reserved address"
_DOCUMENTATION: Final = "an address for documentation"

# Of these, and of no others, `private` opens the gate.
_OPENED: Final = frozenset({_LOOPBACK, _PRIVATE})

# The first row that holds an address names it, so a row within another stands above it.
_SPECIAL: Final[tuple[_Row, ...]] = tuple(
    (ip_network(block), reason)
    for block, reason in (
        # Metadata services hand out credentials to whoever asks.
        ("169.254.169.254/32", _METADATA),  # AWS, Azure, Google, DigitalOcean, Oracle
        ("169.254.170.0/24", _METADATA),  # AWS: credentials of containers
        ("100.100.100.200/32", _METADATA),  # Alibaba
        ("168.63.129.16/32", _METADATA),  # Azure's wire server, a public address
        ("192.0.0.192/32", _METADATA),  # Oracle, the older one
        ("fd00:ec2::/32", _METADATA),  # AWS: ::254, ::23 for credentials of pods
        ("fd20:ce::254/128", _METADATA),  # Google
        ("fd00:c1::a9fe:a9fe/128", _METADATA),  # Oracle
        ("fd00:42::42/128", _METADATA),  # Scaleway
        ("fd00:100::100:200/128", _METADATA),  # Alibaba
        ("fd00:a9fe:a9fe::1/128", _METADATA),  # Akamai (Linode)
        ("0.0.0.0/32", "the unspecified address"),
        ("0.0.0.0/8", _RESERVED),
        ("10.0.0.0/8", _PRIVATE),
        ("100.64.0.0/10", "a shared (CGNAT) address"),
        ("127.0.0.0/8", _LOOPBACK),
        ("169.254.0.0/16", _LINK_LOCAL),
        ("172.16.0.0/12", _PRIVATE),
        ("192.0.0.0/24", _RESERVED),  # two anycast addresses of it are global; nobody serves there
        ("192.0.2.0/24", _DOCUMENTATION),
        ("192.88.99.0/24", _RESERVED),  # relays of 6to4, deprecated by RFC 7526
        ("192.168.0.0/16", _PRIVATE),
        ("198.18.0.0/15", "an address for benchmarks"),
        ("198.51.100.0/24", _DOCUMENTATION),
        ("203.0.113.0/24", _DOCUMENTATION),
        ("224.0.0.0/4", _MULTICAST),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", _RESERVED),
        ("::/128", "the unspecified address"),
        ("::1/128", _LOOPBACK),
        ("::ffff:0:0/96", "an IPv4 address as an IPv6 one"),
        ("::/96", "an IPv4 address as an IPv6 one"),
        ("64:ff9b:1::/48", "an address of a local translator"),
        ("2001::/32", "an address of a Teredo tunnel"),
        ("2001::/23", _RESERVED),  # protocols; the global blocks of it serve no web
        ("2001:db8::/32", _DOCUMENTATION),
        ("2002::/16", "an address of a 6to4 tunnel"),
        ("3fff::/20", _DOCUMENTATION),
        ("fc00::/7", _PRIVATE),
        ("fe80::/10", _LINK_LOCAL),
        ("ff00::/8", _MULTICAST),
    )
)
# IPv6 is read the other way about: outside of these nothing is allocated for the public.
_GLOBAL_UNICAST: Final = (IPv6Network("2000::/3"), IPv6Network("64:ff9b::/96"))

_COMPATIBLE: Final = IPv6Network("::/96")
_LOW_32_BITS: Final = (  # what stands before an IPv4 address that ends an IPv6 one
    IPv6Network("::ffff:0:0/96"),  # mapped, RFC 4291
    IPv6Network("::ffff:0:0:0/96"),  # translated, RFC 2765
    IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
)
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_6TO4: Final = IPv6Network("2002::/16")  # RFC 3056
_TEREDO: Final = IPv6Network("2001::/32")  # RFC 4380
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214: before the IPv4 address


def unembed(address: Address) -> tuple[Address, ...]:
    """Return the address, and behind it every IPv4 address that stands in it.

    Looked for: mapped, compatible, translated, NAT64 (RFC 6052; of RFC 8215's block every place at
    which one could stand), 6to4, Teredo's server and client, ISATAP behind any prefix.
    """
    if isinstance(address, IPv4Address):
        return (address,)
    return (address, *map(IPv4Address, dict.fromkeys(_embedded(address))))


def _embedded(address: IPv6Address) -> Iterator[int]:
    bits = int(address)
    low = bits & 0xFFFF_FFFF
    # :: and ::1 are the unspecified address and loopback, not 0.0.0.0 and 0.0.0.1 (RFC 4291).
    if any(address in block for block in _LOW_32_BITS) or (address in _COMPATIBLE and bits > 1):
        yield low
    if address in _LOCAL_NAT64:
        yield low
        # Behind prefixes of 48, 56 and 64 bits; bits 64 to 71 are skipped (RFC 6052, 2.2).
        yield (bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF
        yield (bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFF_FFFF
        yield bits >> 24 & 0xFFFF_FFFF
    if address in _6TO4:
        yield bits >> 80 & 0xFFFF_FFFF
    if address in _TEREDO:
        yield bits >> 64 & 0xFFFF_FFFF  # the server
        yield low ^ 0xFFFF_FFFF  # the client, with every bit turned
    if bits >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield low


def forbidden(address: Address, *, private: bool) -> str:
    """Return why an address may not be dialled, in a few words, or "".

    Only globally reachable unicast passes. With `private` so do loopback, RFC 1918 and RFC 4193
    (`fc00::/7`), and nothing else: no link-local, metadata, shared, multicast or reserved address.
    An IPv4 address inside an IPv6 one is judged as if `private` were not said: whoever means
    10.0.0.1 writes 10.0.0.1, and RFC 6052 lets no translator carry it.
    """
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address with a scope"
    for inner in unembed(address)[1:]:
        if reason := _special(inner):
            return f"{reason} inside an IPv6 address"
    reason = _special(address)
    return "" if private and reason in _OPENED else reason


def _special(address: Address) -> str:
    for block, reason in _SPECIAL:
        if address in block:
            return reason
    if isinstance(address, IPv4Address) or any(address in block for block in _GLOBAL_UNICAST):
        return ""
    return _RESERVED
