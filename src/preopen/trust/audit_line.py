"""Lines of the audit log and their chain: values → bytes under a MAC, and back. Pure.

A record is one line of ASCII: a JSON object whose last member is its MAC. The MAC is over the bytes
as they stand, so there is no second spelling of a record that would pass for it.
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from preopen.outcome import JsonValue

MAX_LINE: Final = 1 << 20  # bytes; a writer cuts what would be longer (`fit`)
MAX_DEEP: Final = 100  # objects and lists in one another
HEAD_BYTES: Final = 512  # of every head, so that one write replaces it whole
BEGINNING: Final = "0" * 64  # what stands for the MAC before the first record of a file

_RECORD: Final = b"preopen audit record"
_HEAD: Final = b"preopen audit head"
_ARGUMENTS: Final = b"preopen audit arguments"
_REGISTER: Final = b"preopen audit register"
_KEY: Final = b"preopen audit key"
_END: Final = re.compile(rb',"mac":"([0-9a-f]{64})"\}\n')
_END_BYTES: Final = len(b',"mac":""}\n') + 64
# Made once: a call of `json.dumps` with such settings makes one of its own.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
# (characters of a text, items of a list or object) that stay, tried from the widest.
_FITS: Final = ((1 << 16, 4096), (4096, 256), (256, 32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How many records a file holds and the MAC of the last; what a cut tail is found by."""

    file: str
    count: int
    last: str


def make_line(
    key: bytes, previous: str, heading: Mapping[str, JsonValue], fields: Mapping[str, JsonValue]
) -> tuple[bytes, str]:
    """Return a record as its line, and its MAC; `previous` is the MAC of the record before it."""
    body = _body({**heading, **fields})
    if len(body) + _END_BYTES > MAX_LINE:
        body = fit(heading, fields)
    mac = _mac(key, _RECORD, previous.encode(), body)
    return b'%s,"mac":"%s"}\n' % (body[:-1], mac.encode()), mac


def split_line(line: bytes) -> tuple[bytes, str] | None:
    """Return a line's body and the MAC that it states; None where it is no record's line."""
    end = _END.fullmatch(line, max(0, len(line) - _END_BYTES))
    return None if end is None else (line[:-_END_BYTES] + b"}", end[1].decode())


def holds(key: bytes, previous: str, body: bytes, mac: str) -> bool:
    """Whether this body was written under this key after the record with the MAC `previous`."""
    return hmac.compare_digest(_mac(key, _RECORD, previous.encode(), body), mac)


def read_body(body: bytes) -> dict[str, JsonValue] | None:
    """Return a record's fields, None where the bytes are no JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    # So deep is nothing that preopen writes, and whoever writes it out again would fail there.
    if body.count(b"[") + body.count(b"{") > MAX_DEEP and _is_deep(value, MAX_DEEP):
        return None
    return value if isinstance(value, dict) else None


def _is_deep(value: JsonValue, left: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left == 0 or any(_is_deep(each, left - 1) for each in inner)


def fit(heading: Mapping[str, JsonValue], fields: Mapping[str, JsonValue]) -> bytes:
    """Return a body that fits in a line: texts and lists cut, and `"cut": true` to say so."""
    for characters, items in _FITS:
        body = _body({**heading, **_cut(dict(fields), characters, items), "cut": True})
        if len(body) + _END_BYTES <= MAX_LINE:
            return body
    return _body({**heading, "cut": True})


def _cut(value: JsonValue, characters: int, items: int) -> JsonValue:
    match value:
        case str():
            return value[:characters]
        case list() | tuple():
            return [_cut(each, characters, items) for each in value[:items]]
        case dict():
            pairs = list(value.items())[:items]
            return {k[:characters]: _cut(each, characters, items) for k, each in pairs}
        case _:
            return value


def make_head(key: bytes, head: Head) -> bytes:
    """Return a head as its file's content, of one length for every count."""
    fields = {"file": head.file, "count": head.count, "last": head.last}
    return _sealed(key, _HEAD, fields).ljust(HEAD_BYTES - 1) + b"\n"


def read_head(key: bytes, content: bytes) -> Head | None:
    """Return what a head's file says; None where it was not written so under this key."""
    fields = read_body(content)
    match fields:
        case {"file": str(file), "count": int(count), "last": str(last)}:
            head = Head(file=file, count=count, last=last)
        case _:
            return None
    return head if hmac.compare_digest(make_head(key, head), content) else None


def make_sealed(key: bytes, fields: Mapping[str, JsonValue]) -> bytes:
    """Return the register's fields as one line under a MAC, without its end."""
    return _sealed(key, _REGISTER, fields)


def _sealed(key: bytes, purpose: bytes, fields: Mapping[str, JsonValue]) -> bytes:
    body = _body(fields)
    return b'%s,"mac":"%s"}' % (body[:-1], _mac(key, purpose, body).encode())


def key_name(key: bytes) -> str:
    """Return what tells one key from another without telling the key: 16 hexadecimal digits."""
    return _mac(key, _KEY)[:16]


def digest_arguments(key: bytes, texts: Mapping[str, bytes]) -> str:
    """Return a digest by which equal arguments are recognised, and none guessed without the key."""
    parts: list[bytes] = []
    for name in sorted(texts):
        for each in (name.encode(errors="surrogatepass"), texts[name]):
            parts += (len(each).to_bytes(8, "big"), each)
    return _mac(key, _ARGUMENTS, *parts)


def _body(fields: Mapping[str, JsonValue]) -> bytes:
    text = _ENCODER.encode(fields)
    # The one control character that JSON lets stand; it is inside a text, so an escape is the same.
    return text.replace("\x7f", "\\u007f").encode("ascii")


def _mac(key: bytes, purpose: bytes, *parts: bytes) -> str:
    return hmac.digest(key, b"".join((purpose, b"\0", *parts)), "sha256").hex()
