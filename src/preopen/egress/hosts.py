"""Hosts of URLs, in one spelling each. Nothing here resolves a name.

The host parser of the WHATWG URL standard for special schemes (url.spec.whatwg.org, 3.5), so that
what a browser or curl takes for an address is an address here, too: `0x7f.1` is 127.0.0.1. It is
stricter in one way: a name consists of letters, digits, "-" and "_", has no empty label, and keeps
to the lengths of DNS. Internationalised names follow UTS 46 for the mapping and IDNA 2008 for what
is valid; their library is `idna`.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote_to_bytes

import idna

from preopen.document import shown

_MAX_TEXT: Final = 1024  # characters; 253 of DNS, percent-encoded, are 759
_MAX_NAME: Final = 253  # RFC 1035, in the text form
_MAX_LABEL: Final = 63
_ADVICE: Final = 'write a name such as "api.example.com", or an address'
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER: Final = re.compile(r"0x(?P<hex>[0-9a-f]*)|0(?P<octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]*)")
_PARTS: Final = 4  # of an IPv4 address, at most


def parse_host(text: str) -> str:
    """Return the host that `text` says, canonical.

    `text` is as in a URL: perhaps percent-encoded, an IPv6 address in brackets. The result is a
    lower-case A-label name without trailing dot, or an address as `ipaddress` writes it, without
    brackets. `parse_host` of a name or an IPv4 address that it returned is the same.

    Raises:
        ValueError: there is no such host; the message says what was found, and what to write.

    """
    if not text:
        raise ValueError(f"the host is empty; {_ADVICE}")
    if len(text) > _MAX_TEXT:
        raise ValueError(f"the host has {len(text)} characters; {_ADVICE}")
    if text.startswith("["):
        return str(_parse_ipv6(text))
    name = _to_ascii(text).removesuffix(".")
    if _ends_in_number(name):
        return str(_parse_ipv4(name, text))
    for label in name.split("."):
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{shown(text)} {_flaw_of(label)}; {_ADVICE}")
    if len(name) > _MAX_NAME:
        raise ValueError(f"{shown(text)} is longer than {_MAX_NAME} characters; {_ADVICE}")
    return name


def is_address(host: str) -> bool:
    """Say whether a host, as `parse_host` returns it, is an address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _to_ascii(text: str) -> str:
    """Return the name percent-decoded, mapped and in A-labels. What it holds is not checked yet."""
    try:
        decoded = unquote_to_bytes(text.encode()).decode()
        # Without STD3 rules: `_` is common in names of hosts. _LABEL refuses the rest.
        mapped = idna.uts46_remap(decoded, std3_rules=False)
        return ".".join(map(_label_to_ascii, mapped.split(".")))
    except ValueError:  # of UTF-8, of the mapping and of IDNA
        raise ValueError(f"{shown(text)} is no name of a host (IDNA); {_ADVICE}") from None


def _label_to_ascii(label: str) -> str:
    # IDNA is stricter than DNS with plain names: it refuses "_", and "--" as the third and fourth.
    if label.isascii() and not label.startswith("xn--"):
        return label
    return idna.alabel(label).decode("ascii")


def _flaw_of(label: str) -> str:
    if not label:
        return "has an empty label"
    if len(label) > _MAX_LABEL:
        return f"has a label of more than {_MAX_LABEL} characters"
    stranger = next((c for c in label if not _LABEL.fullmatch(c)), "")
    return f"holds {shown(stranger)}"


def _ends_in_number(name: str) -> bool:
    """Say whether this is an IPv4 address or nothing (URL standard, "ends in a number")."""
    last = name.rpartition(".")[2]
    return last.isdecimal() or _NUMBER.fullmatch(last) is not None


def _parse_ipv4(name: str, text: str) -> IPv4Address:
    """Return the address that one to four numbers say, the last one filling what is left."""
    parts = name.split(".")
    numbers = [_parse_number(part) for part in parts]
    last = numbers[-1]
    room = 256 ** (_PARTS + 1 - len(parts)) if len(parts) <= _PARTS else 0
    if any(number > 255 for number in numbers[:-1]) or min(numbers) < 0 or last >= room:  # noqa: PLR2004 - a byte
        raise ValueError(
            f"{shown(text)} ends in a number and is no IPv4 address; "
            'write four numbers up to 255, such as "192.0.2.1"'
        )
    return IPv4Address(last + sum(n << 8 * (3 - i) for i, n in enumerate(numbers[:-1])))


def _parse_number(part: str) -> int:
    """Return a decimal, octal (`017`) or hexadecimal (`0x1f`, `0x`) number, or -1."""
    found = _NUMBER.fullmatch(part)
    if found is None:
        return -1
    if found["hex"] is not None:
        return int(found["hex"] or "0", 16)
    return int(found["octal"], 8) if found["octal"] else int(found["decimal"])


def _parse_ipv6(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text[1:-1] if text.endswith("]") else "")
    except AddressValueError:
        address = None
    if address is None or address.scope_id is not None:
        raise ValueError(f'{shown(text)} is no IPv6 address; write one such as "[2001:db8::1]"')
    return address
