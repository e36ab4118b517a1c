"""One address in many spellings: what someone writes who wants to be let past a list of names."""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# One of each kind that no rule without `private` may reach.
CLOSED: Final = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.170.2", "169.254.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "100.64.0.1", "0.1.2.3", "224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
)
_DOTS: Final = (".", "\u3002", "\uff0e", "\uff61", "%2e", "%2E", "%E3%80%82")
_IGNORED: Final = ("\u00ad", "\u200b", "\u2060", "\ufe0f", "%C2%AD")  # UTS 46 maps them to nothing


def examples(count: int) -> settings:
    """Return settings for so many drawn examples, whatever time a busy machine takes for them."""
    return settings(max_examples=count, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def spellings(draw: st.DrawFn, address: IPv4Address) -> str:
    """Draw a spelling that the URL standard reads as this address."""
    octets = address.packed
    parts = draw(st.integers(1, 4))
    numbers = [*octets[: parts - 1], int.from_bytes(octets[parts - 1 :], "big")]
    text = draw(st.sampled_from(_DOTS)).join([draw(_numbers(number)) for number in numbers])
    text += draw(st.sampled_from(("", ".", "\u3002", "%2e")))
    return draw(_disguises(text))


@st.composite
def _numbers(draw: st.DrawFn, number: int) -> str:
    zeros = "0" * draw(st.integers(0, 3))
    octal = f"0{zeros}{number:o}"  # of 0 at least "00", which is octal, too
    return draw(
        st.sampled_from((str(number), octal, f"0x{zeros}{number:x}", f"0X{zeros}{number:X}"))
    )


@st.composite
def _disguises(draw: st.DrawFn, text: str) -> str:
    """Draw the text with some characters full-width, percent-encoded, or beside invisible ones."""
    drawn = ""
    rest = text
    while rest:
        if rest.startswith("%"):  # one already encoded
            drawn, rest = drawn + rest[:3], rest[3:]
            continue
        first, rest = rest[0], rest[1:]
        choice = draw(st.integers(0, 9))
        if choice == 0 and first.isascii() and first.isalnum():
            drawn += chr(ord(first) - 0x21 + 0xFF01)
        elif choice == 1:
            drawn += "".join(f"%{octet:02x}" for octet in first.encode())
        elif choice == 2:
            drawn += first + draw(st.sampled_from(_IGNORED))
        else:
            drawn += first
    return drawn


def embeddings(inner: IPv4Address) -> dict[str, IPv6Address]:
    """Return the IPv6 addresses that hold an IPv4 one, by the form."""
    number = int(inner)
    high, low = number >> 16, number & 0xFFFF
    local = int(IPv6Address("64:ff9b:1::"))
    forms = {
        "mapped": IPv6Address(f"::ffff:{inner}"),
        "translated": IPv6Address(f"::ffff:0:{inner}"),
        "NAT64": IPv6Address(f"64:ff9b::{inner}"),
        "local NAT64, /96": IPv6Address(local | number),
        "local NAT64, /64": IPv6Address(local | number << 24),
        "local NAT64, /56": IPv6Address(local | number >> 24 << 64 | (number & 0xFFFFFF) << 32),
        "local NAT64, /48": IPv6Address(local | high << 64 | low << 40),
        "6to4": IPv6Address(f"2002:{high:x}:{low:x}::1"),
        "Teredo's server": IPv6Address(f"2001:0:{high:x}:{low:x}::"),
        "Teredo's client": IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
        "ISATAP": IPv6Address(f"2a00:1450::5efe:{inner}"),
        "ISATAP, global": IPv6Address(f"2a00:1450::200:5efe:{inner}"),
    }
    if number > 1:  # else it is :: or ::1, which are no embeddings
        forms["compatible"] = IPv6Address(f"::{inner}")
    return forms
