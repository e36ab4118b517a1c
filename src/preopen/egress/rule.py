"""Requests that a guest may make, as frozen values. Nothing here parses, matches or connects."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# Of one connection, not of the message (RFC 9110, 7.6.1), or the gateway's own to say. So is what
# begins with `proxy-`: an upstream's Proxy-Status would speak in our name (RFC 9209, 2).
OWN_HEADERS: Final = frozenset(
    {
        "connection",
        "expect",  # the gateway says 100 itself, and an upstream's answer would come too late
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",  # no trailer is passed on
        "transfer-encoding",  # each side has its own
        "upgrade",
    }
)
# Those of the message that the gateway sets: they pass, and are no place for a credential.
SET_HEADERS: Final = frozenset({"accept-encoding", "content-length"})
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")

ANY_METHOD: Final = "*"  # every method but those that the gateway passes for nobody
DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


def is_header(name: str) -> bool:
    """Return whether a credential may go in a header of this name (RFC 9110, 5.6.2)."""
    lower = name.lower()
    return bool(_HEADER.fullmatch(name)) and not (
        lower in OWN_HEADERS | SET_HEADERS or lower.startswith("proxy-")
    )


class HostKind(enum.StrEnum):
    """How the host of a rule is meant."""

    NAME = "name"  # exactly this name; an address in a URL never matches it
    SUBDOMAINS = "subdomains"  # `*.example.com`: any depth below it, never example.com itself
    ADDRESSES = "addresses"  # an IP literal, or a block of them; a name never matches it
    ANY = "any"  # `*`


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPattern:
    """The host of a rule, canonical.

    `text` is a lower-case A-label name without trailing dot (NAME; of SUBDOMAINS the part behind
    `*.`), a block in CIDR as `ipaddress` writes it (ADDRESSES; one address is a /32 or /128), or ""
    (ANY).
    """

    kind: HostKind
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A header that the gateway adds and the guest never sees; `secret` is a secret's name.

    `format` holds `{secret}`, where the secret's value goes.
    """

    header: str
    secret: str
    format: str = "{secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressRule:
    """Requests of one scheme to some hosts: what an ask or an operator's line comes to.

    `scheme` is "http" or "https". `ports` are the lowest and the highest, both included. `path` is
    "/" for every path, else a normalised prefix: `/api` matches `/api` and `/api/x`, `/api/` what
    begins with it. `methods` are in capitals, or `("*",)`. `private` lets private and loopback
    addresses pass the address gate; link-local and metadata addresses never pass. `narrow_to` names
    the argument whose URL cuts the rule to one scheme, host and port, or is "".
    """

    scheme: str
    host: HostPattern
    ports: tuple[int, int]
    path: str = "/"
    methods: tuple[str, ...] = ("GET", "HEAD")
    private: bool = False
    credential: Credential | None = None
    narrow_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One request as a guest asked for it, normalised as the WHATWG URL standard does.

    `method` is in capitals; `host` a lower-case A-label name, or an address as `ipaddress` writes
    it (IPv6 without brackets); `path` begins with "/" and holds no dot segment; `query` is "" or
    begins with "?". What goes out is exactly this.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str = "/"
    query: str = ""

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == DEFAULT_PORTS[self.scheme]
        return host if usual else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, as a rule names them: `https://docs.python.org`."""
        return f"{self.scheme}://{self.authority}"


class Secret:
    """A secret's value. No message, repr, log or frame holds its text; `reveal` is the door."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value: for the header of one request, and for what masks its echo."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What a workspace's own file closed of what the operator opened; for messages alone.

    `rules` are the operator's that it took away or cut, `left` all that are in force; `file` is
    printable. The default: nothing is closed.
    """

    rules: tuple[EgressRule, ...] = ()
    left: tuple[EgressRule, ...] = ()
    file: str = ""


NOTHING_CLOSED: Final = Closed()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEgress:
    """What one call may send: its rules after narrowing, caps in bytes, and the secrets it needs.

    `requests` are those in flight at once. `opened` are the operator's hosts, for messages that say
    how to open one more, and so is `closed`; `secrets` holds the value of each credential's secret
    by its name.
    """

    rules: tuple[EgressRule, ...] = ()
    opened: tuple[EgressRule, ...] = ()
    closed: Closed = NOTHING_CLOSED
    request_bytes: int = 1 << 20
    response_bytes: int = 16 << 20
    requests: int = 8
    secrets: Mapping[str, Secret] = field(default_factory=dict)
