"""Header fields: which pass the gateway, and how they leave. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from preopen.egress.rule import OWN_HEADERS, SET_HEADERS, Target
from preopen.egress.tickets import Login

Headers: TypeAlias = list[tuple[bytes, bytes]]

_NEVER: Final = frozenset(name.encode() for name in OWN_HEADERS)
_SET: Final = frozenset(name.encode() for name in SET_HEADERS)
_FRAMING: Final = b"content-length"
_TOKEN: Final = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2, in lower case
_LINE: Final = len(": \r\n")


def passable(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the fields that concern the message, in order; names and values as they came."""
    fields = list(headers)
    named = {
        option.strip().lower()
        for name, value in fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    } - {_FRAMING}  # without it the body has no end
    return [
        (name, value)
        for name, value in fields
        if (folded := name.lower()) not in _NEVER
        and folded not in named
        and not folded.startswith(b"proxy-")
    ]


def outgoing(
    headers: Iterable[tuple[bytes, bytes]], target: Target, login: Login | None
) -> Headers:
    """Return a request's head as it leaves: our Host, the guest's fields, the credential.

    With a credential the guest's field of that name goes, and the answer is asked for unencoded:
    no echo of a secret can be masked inside gzip.
    """
    came = list(headers)
    fields = passable(came)
    if values(came, b"transfer-encoding"):
        fields = [field for field in fields if field[0].lower() != _FRAMING]
        fields.append((b"Transfer-Encoding", b"chunked"))
    if login is not None:
        gone = {login.header.lower(), b"accept-encoding"}
        fields = [field for field in fields if field[0].lower() not in gone]
        fields.append((login.header, login.value.reveal().encode("ascii")))
        fields.append((b"Accept-Encoding", b"identity"))
    return [(b"Host", target.authority.encode("ascii")), *fields]


def may_carry(name: str) -> bool:
    """Say whether a credential may be this field: none that the gateway or a connection owns."""
    folded = name.lower().encode("utf-8", "replace")
    return _TOKEN.fullmatch(folded) is not None and not (
        folded in _NEVER | _SET or folded.startswith(b"proxy-")
    )


def has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Say whether a request's head announces a body (RFC 9112, 6)."""
    return any(name.lower() in {_FRAMING, b"transfer-encoding"} for name, _ in headers)


def size(headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Return the bytes of the fields on the wire."""
    return sum(len(name) + len(value) + _LINE for name, value in headers)


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the values of every field of this lower-case name."""
    return [value.strip() for each, value in headers if each.lower() == name]


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return what `content-length` says; None where it is missing or no number."""
    found = values(headers, _FRAMING)
    return int(found[0]) if found and found[0].isdigit() else None


def returned(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return a response's head as the guest gets it. Of two lengths the chunked one counts."""
    fields = list(headers)
    fields_passed = passable(fields)
    if values(fields, b"transfer-encoding"):
        return [field for field in fields_passed if field[0].lower() != _FRAMING]
    return fields_passed


def is_encoded(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Say whether a response's body has a coding over it, in which no echo can be found."""
    codings = values(headers, b"content-encoding")
    return any(coding.lower() not in {b"identity", b""} for coding in codings)
