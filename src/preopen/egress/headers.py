"""Header fields: which pass the gateway, and how they leave. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from preopen.egress.rule import DEFAULT_PORTS, Target
from preopen.egress.tickets import Login

Headers: TypeAlias = list[tuple[bytes, bytes]]

# Of one connection, not of the message (RFC 9110, 7.6.1), or the gateway's own to say. `proxy-…`
# goes by its beginning: an upstream's Proxy-Status would speak in our name (RFC 9209, 2).
_NEVER: Final = frozenset(
    {
        b"connection",
        b"expect",  # the gateway says 100 itself, and an upstream's answer would come too late
        b"host",
        b"http2-settings",
        b"keep-alive",
        b"te",
        b"trailer",  # no trailer is passed on
        b"transfer-encoding",  # each side has its own
        b"upgrade",
    }
)
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
    return [(b"Host", authority(target).encode("ascii")), *fields]


def authority(target: Target) -> str:
    """Return the target's host and, where it is not the scheme's own, port (RFC 9110, 7.2)."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = target.port == DEFAULT_PORTS[target.scheme]
    return host if usual else f"{host}:{target.port}"


def may_carry(name: str) -> bool:
    """Say whether a credential may be this field: none that the gateway or a connection owns."""
    folded = name.lower().encode("utf-8", "replace")
    return _TOKEN.fullmatch(folded) is not None and not (
        folded in _NEVER or folded in {_FRAMING, b"accept-encoding"} or folded.startswith(b"proxy-")
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
