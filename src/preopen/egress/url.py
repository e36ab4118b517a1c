"""What a guest or an argument asks for → a Target, in the one spelling that is matched and sent.

Follows the URL parser of the WHATWG URL standard for http and https, and refuses where browsers
repair: user names, controls, malformed percent-encoding. Knows no rule. Nothing here connects.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from preopen.document import printable, shown
from preopen.egress.hosts import parse_host
from preopen.egress.rule import DEFAULT_PORTS, Target

MAX_PATH: Final = 8192  # bytes of path and query, as they go out; most servers take no more
MAX_PORT: Final = 65535
_MAX_URL: Final = MAX_PATH + 2048  # characters: scheme and host beside them
_MAX_METHOD: Final = 32  # characters; the longest registered one has 17

ErrorCode: TypeAlias = Literal[
    "HTTP-request-denied",
    "HTTP-request-URI-invalid",
    "HTTP-request-URI-too-long",
    "HTTP-request-method-invalid",
]

# What no rule can allow: a tunnel, and the echo of a request with its credential. Fetch, 2.2.1,
# "forbidden method"; TRACK is TRACE by another name.
_FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MALFORMED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})[^%]{0,2}")
# The URL standard's path and special-query percent-encode sets, but for what is refused anyway.
_IN_PATH: Final = re.compile(r'[ "#<>?^`{}\x80-\U0010ffff]')
_IN_QUERY: Final = re.compile(r"[ \"#<>'\x80-\U0010ffff]")
_DECODINGS: Final = 3  # of one path, by servers behind one another; more is an attempt
_HERE: Final = frozenset({".", "%2e"})
_UP: Final = frozenset({"..", ".%2e", "%2e.", "%2e%2e"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A request that no Target says. `error` is the case of wasi:http's `error-code`."""

    error: ErrorCode
    reason: str


class _FlawError(ValueError):
    """Why a request is none: the text says what was found, and what to write."""

    def __init__(self, reason: str, error: ErrorCode = "HTTP-request-URI-invalid") -> None:
        super().__init__(reason)
        self.error: ErrorCode = error


def read_request(
    method: str, scheme: str | None, authority: str | None, path: str | None
) -> Target | Unreadable:
    """Return what a guest of wasi:http asks for; any text is answered.

    A missing scheme means https, a missing path "/". The path may hold a query.
    """
    try:
        folded = fold_method(method)
        known = _check_scheme("https" if scheme is None else scheme)
        host, port = _split_authority(authority or "", known)
        path, query = _split_path(path or "/")
        return Target(method=folded, scheme=known, host=host, port=port, path=path, query=query)
    except _FlawError as flaw:
        return Unreadable(error=flaw.error, reason=str(flaw))


def read_url(text: str, method: str = "GET") -> Target:
    """Return what the URL in a call's arguments asks for; its fragment is dropped.

    As browsers do, spaces around it are dropped, a backslash before the query is a slash, and
    what may not stand in a URL is percent-encoded.

    Raises:
        ValueError: it is no http or https URL; the message says what was found and what to write.

    """
    folded = fold_method(method)
    if len(text) > _MAX_URL:
        raise _FlawError(f"a URL of {len(text)} characters; write a shorter one")
    _refuse_controls(text)
    text = text.strip(" ").partition("#")[0]
    found = _SCHEME.fullmatch(text)
    if found is None or (found[2][:1].isdigit() and not found[2].startswith("/")):
        raise _FlawError(
            f"{shown(text)} has no scheme; write {shown('https://' + text.lstrip('/'))}"
        )
    scheme = _check_scheme(found[1])
    before, mark, query = found[2].partition("?")
    slashes, rest = before.replace("\\", "/")[:2], before.replace("\\", "/")[2:]
    authority, slash, path = rest.partition("/")
    if slashes != "//" or not authority:
        raise _FlawError(f'{shown(text)} names no host; write a URL such as "https://example.com/"')
    host, port = _split_authority(authority, scheme)
    path, query = _read(slash + path, mark + query)
    return Target(method=folded, scheme=scheme, host=host, port=port, path=path, query=query)


def read_path(text: str) -> str:
    """Return a path percent-encoded and without dot segments, as the URL standard resolves them.

    Raises:
        ValueError: it does not begin with "/", or holds controls or malformed percent-encoding.

    """
    if not text.startswith("/"):
        raise _FlawError(f'the path {shown(text)} does not begin with "/"; begin with it')
    _refuse_controls(text)
    if malformed := _MALFORMED.search(text):
        raise _FlawError(f'{shown(malformed[0])} is no percent-encoding; write "%25" for a "%"')
    return _resolve(_IN_PATH.sub(_encode, text))


def is_disguised(path: str) -> bool:
    """Say whether some server could read another path in this one than its segments say.

    Such are a slash that is encoded, perhaps twice, or that a mapping makes (U+FF0F); a segment of
    dots, perhaps with spaces or parameters (`..;`, as Tomcat reads it); bytes that are no UTF-8.
    """
    raw = path.encode()
    for _ in range(_DECODINGS):
        decoded = unquote_to_bytes(raw)
        if decoded == raw:
            break
        raw = decoded
    else:
        return True
    try:
        text = unicodedata.normalize("NFKC", raw.decode())
    except UnicodeDecodeError:
        return True
    if "\\" in text or not text.isprintable() or text.count("/") > path.count("/"):
        return True
    heads = (segment.partition(";")[0] for segment in text.split("/"))
    return any("." in head and not head.strip(" .") for head in heads)


def fold_method(method: str) -> str:
    """Return the method in capitals.

    Raises:
        ValueError: it is no token of at most 32 characters, or one that nobody may send.

    """
    if len(method) > _MAX_METHOD or not _TOKEN.fullmatch(method):
        reason = f'{shown(method)} is no method; write one such as "GET"'
        raise _FlawError(reason, "HTTP-request-method-invalid")
    folded = method.upper()
    if folded in _FORBIDDEN_METHODS:
        raise _FlawError(f"{folded} is sent for nobody; use another method", "HTTP-request-denied")
    return folded


def _check_scheme(scheme: str) -> str:
    folded = scheme.lower()  # nothing beyond ASCII folds to a letter of "https"
    if folded not in DEFAULT_PORTS:
        reason = f'the scheme {shown(scheme)} is neither http nor https; write "https"'
        raise _FlawError(reason, "HTTP-request-denied")
    return folded


def _split_authority(text: str, scheme: str) -> tuple[str, int]:
    if "@" in text:
        # Not repeated: what stands before the "@" may be a password.
        raise _FlawError('a user name stands before the host; write the host without "…@"')
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise _FlawError(f"{shown(text)} is no host and port; write {shown('example.com:443')}")
    try:
        host = parse_host(found[1])
    except ValueError as problem:
        raise _FlawError(str(problem)) from None
    port = int(found[2]) if found[2] else DEFAULT_PORTS[scheme]
    if not 1 <= port <= MAX_PORT:
        raise _FlawError(f"there is no port {port}; write 1 to {MAX_PORT}")
    return host, port


def _split_path(text: str) -> tuple[str, str]:
    """Return path and query of a guest's request, which has to be encoded already."""
    _refuse_long(text)
    _refuse_controls(text)
    if stranger := re.search(r"[# \x80-\U0010ffff]", text):
        raise _FlawError(f"the path holds {shown(stranger[0])}; percent-encode it")
    path, mark, query = text.partition("?")
    if "\\" in path:
        raise _FlawError('the path holds a backslash; write "/", or "%5C"')
    return _read(path, mark + query)


def _read(path: str, query: str) -> tuple[str, str]:
    if malformed := _MALFORMED.search(query):
        raise _FlawError(f'{shown(malformed[0])} is no percent-encoding; write "%25" for a "%"')
    path = read_path(path or "/")
    query = _IN_QUERY.sub(_encode, query)
    _refuse_long(path + query)
    return path, query


def _refuse_long(text: str) -> None:
    if len(text) > MAX_PATH:
        reason = f"path and query have {len(text)} bytes; write at most {MAX_PATH}"
        raise _FlawError(reason, "HTTP-request-URI-too-long")


def _refuse_controls(text: str) -> None:
    if control := _CONTROL.search(text):
        raise _FlawError(f'the URL holds "{printable(control[0])}"; remove it')


def _encode(found: re.Match[str]) -> str:
    return "".join(f"%{octet:02X}" for octet in found[0].encode())


def _resolve(path: str) -> str:
    """Return the path without dot segments; `..` at the root stays there."""
    segments = path[1:].split("/")
    kept: list[str] = []
    for segment in segments:
        folded = segment.lower()
        if folded in _UP:
            del kept[-1:]
        elif folded not in _HERE:
            kept.append(segment)
    if segments[-1].lower() in _UP | _HERE:
        kept.append("")
    return "/" + "/".join(kept)
