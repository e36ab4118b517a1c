r"""Rules for outgoing requests: their grammar, the name gate, and what two of them have in common.

    scheme://host[:port | :from..to][/path-prefix]

* host: a name; `*.name` for everything below it, never the name itself; `*` for every host;
  an address, `[v6]` in brackets; a block of addresses, `10.0.0.0/8` or `[fd00::]/8`.
* Digits after an address's `/` are a block's length when the rule or the host ends there:
  `https://10.0.0.0/8`, `https://10.0.0.0/8:8443/api`. A path of digits alone on an address is
  therefore written behind its block: `https://10.0.0.1/32:443/8`.
* A port that is missing is the scheme's own. A path that is missing is every path; one that is
  there matches itself and what lies below it, never `/apix` for `/api`.

Nothing here resolves a name, opens a socket or reads a clock.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias, assert_never

from preopen.document import shown
from preopen.egress.hosts import is_address, parse_host
from preopen.egress.rule import (
    ANY_METHOD,
    DEFAULT_PORTS,
    Credential,
    EgressRule,
    HostKind,
    HostPattern,
    Target,
)
from preopen.egress.url import MAX_PORT, fold_method, is_disguised, read_path

_Block: TypeAlias = IPv4Network | IPv6Network

_MAX_TEXT: Final = 2048  # characters of a rule: a host has 253
_HOST: Final = re.compile(r"(\[[^\]/]*\]|[^:/\[\]]*)(.*)")
_LENGTH: Final = re.compile(r"/([0-9]+)(?=:|\Z)")
_REST: Final = re.compile(r"(?::([^/]*))?(/.*)?")
_PORTS: Final = re.compile(r"([1-9][0-9]{0,4})(?:\.\.([1-9][0-9]{0,4}))?")
_STRANGE: Final = re.compile(r"[^\x21-\x7e\xa1-\ud7ff\ue000-\U0010ffff]")


def parse_rule(
    text: str,
    *,
    methods: Iterable[str] = ("GET", "HEAD"),
    private: bool = False,
    credential: Credential | None = None,
    narrow_to: str = "",
) -> EgressRule:
    """Return the rule that `text` says, with the rest as given.

    Raises:
        ValueError: the text is no rule, or a method is none; the message says what was found, and
            what to write.

    """
    scheme, rest = _split_scheme(text)
    found = _HOST.fullmatch(rest)
    host_text, rest = (found[1], found[2]) if found else ("", rest)
    if rest.partition("/")[0].count(":") > 1:
        raise ValueError(
            f"{shown(text)} is no host with one port; "
            'write an IPv6 address in brackets, such as "https://[2001:db8::1]"'
        )
    host = _parse_host(host_text, text, scheme)
    length = _LENGTH.match(rest) if host.kind is HostKind.ADDRESSES else None
    split = _REST.fullmatch(rest[length.end() :] if length else rest)
    if split is None:
        raise ValueError(f'{shown(text)} is no rule; write one such as "https://api.example.com"')
    if host.kind is HostKind.ADDRESSES:
        if length is None and _LENGTH.fullmatch(split[2] or ""):
            raise ValueError(
                f"{shown(text)} could mean a block or a path; write the block's length before the "
                f"port: {shown(f'{scheme}://{host_text}{split[2]}:{split[1]}')}"
            )
        host = _parse_block(host.text, length[1] if length else "", text)
    return EgressRule(
        scheme=scheme,
        host=host,
        ports=_parse_ports(split[1], text, scheme),
        path=_parse_path(split[2] or "/", text),
        methods=_parse_methods(methods),
        private=private,
        credential=credential,
        narrow_to=narrow_to,
    )


def _split_scheme(text: str) -> tuple[str, str]:
    if len(text) > _MAX_TEXT:
        raise ValueError(f"a rule of {len(text)} characters; write at most {_MAX_TEXT}")
    if _STRANGE.search(text):
        raise ValueError(f"{shown(text)} holds a space or a control; remove it")
    scheme, mark, rest = text.partition("://")
    if not mark:
        better = "https://" + re.sub(r"^(?:https?:)?/*", "", text)
        raise ValueError(f"{shown(text)} has no scheme; write {shown(better)}")
    folded = scheme.lower()
    if folded not in DEFAULT_PORTS:
        better = f"https://{rest}"
        raise ValueError(
            f"the scheme {shown(scheme)} is neither http nor https; write {shown(better)}"
        )
    if "@" in rest.partition("/")[0]:  # not repeated: it may be a password
        raise ValueError(f'a user name stands before the host; write "{folded}://" and the host')
    for mark, name in (("?", "query"), ("#", "fragment"), ("\\", "backslash")):
        if mark in rest:
            better = f"{folded}://{rest.partition(mark)[0]}"
            raise ValueError(f"{shown(text)} holds a {name}; write {shown(better)}")
    return folded, rest


def _parse_host(host: str, rule: str, scheme: str) -> HostPattern:
    if host == "*":
        return HostPattern(kind=HostKind.ANY)
    if not host:
        raise ValueError(
            f'{shown(rule)} names no host; write one such as "https://api.example.com"'
        )
    below = host.startswith("*.")
    name = host[2:] if below else host
    if "*" in name:
        raise ValueError(
            f'{shown(rule)} has a "*" inside the host; write it alone, or at the very left as in '
            '"https://*.example.com"'
        )
    if "%" in name:
        raise ValueError(f"{shown(rule)} has a percent-encoded host; write it plainly")
    name = parse_host(name)
    if below:
        if is_address(name) or "." not in name:
            raise ValueError(
                f'{shown(rule)} is too wide; write at least two labels after "*.", as in '
                '"https://*.example.com"'
            )
        return HostPattern(kind=HostKind.SUBDOMAINS, text=name)
    if not is_address(name):
        return HostPattern(kind=HostKind.NAME, text=name)
    if not host.startswith("[") and host != name:
        raise ValueError(f"{shown(host)} is another spelling of {name}; write {scheme}://{name}")
    return HostPattern(kind=HostKind.ADDRESSES, text=name)


def _parse_block(address: str, length: str, rule: str) -> HostPattern:
    most = ip_address(address).max_prefixlen
    if length and (str(int(length[:4])) != length or int(length) > most):
        raise ValueError(
            f"{shown(rule)} has a block of /{length[:4]}; write a length of 0 to {most}, or for "
            f"a path of digits /{most}:443/{length[:4]}"
        )
    block = ip_network(f"{address}/{length or most}", strict=False)
    if str(block.network_address) != address:
        raise ValueError(
            f"{shown(rule)} has bits set behind its block; write {shown(_host_text(block))} for "
            f"the block, or /{most}:443/{length} for a path"
        )
    return HostPattern(kind=HostKind.ADDRESSES, text=str(block))


def _parse_ports(text: str | None, rule: str, scheme: str) -> tuple[int, int]:
    if text is None:
        return DEFAULT_PORTS[scheme], DEFAULT_PORTS[scheme]
    found = _PORTS.fullmatch(text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= low <= high <= MAX_PORT:
        raise ValueError(
            f"{shown(rule)} has the port {shown(text)}; write one of 1 to {MAX_PORT}, or two with "
            'the lower one first, such as ":8000..9000"'
        )
    return low, high


def _parse_path(text: str, rule: str) -> str:
    if "*" in text:
        raise ValueError(
            f'{shown(rule)} has a "*" in its path; leave it out: a path stands for all below it'
        )
    path = read_path(text)
    if "//" in text or is_disguised(text):
        raise ValueError(
            f"{shown(rule)} has a path with an empty or dot segment or an encoded slash; write it "
            'plainly, such as "/api/v1"'
        )
    return path


def _parse_methods(methods: Iterable[str]) -> tuple[str, ...]:
    folded = tuple(dict.fromkeys(fold_method(method) for method in methods))
    if not folded or (ANY_METHOD in folded and len(folded) > 1):
        raise ValueError('no methods, or "*" beside others; write "*" alone, or some such as "GET"')
    return folded


def format_rule(rule: EgressRule) -> str:
    """Return the text from which `parse_rule` reads this rule's scheme, host, ports and path."""
    usual = (DEFAULT_PORTS[rule.scheme],) * 2
    low, high = rule.ports
    ports = "" if rule.ports == usual else f":{low}" if low == high else f":{low}..{high}"
    path = "" if rule.path == "/" else rule.path
    match rule.host.kind:
        case HostKind.NAME:
            host = rule.host.text
        case HostKind.SUBDOMAINS:
            host = f"*.{rule.host.text}"
        case HostKind.ANY:
            host = "*"
        case HostKind.ADDRESSES:
            block = ip_network(rule.host.text)
            host = _host_text(block)
            if path and ("/" in host or _LENGTH.match(path)):
                host = _host_text(block, always=True)
                ports = ports or f":{low}"
        case _:
            assert_never(rule.host.kind)
    return f"{rule.scheme}://{host}{ports}{path}"


def _host_text(block: _Block, *, always: bool = False) -> str:
    address = str(block.network_address)
    host = f"[{address}]" if isinstance(block, IPv6Network) else address
    single = block.prefixlen == block.max_prefixlen
    return host if single and not always else f"{host}/{block.prefixlen}"


def matches(rule: EgressRule, target: Target) -> bool:
    """Say whether the rule allows the request, by everything but the address behind a name."""
    return (
        _reaches(rule, target)
        and (rule.methods == (ANY_METHOD,) or target.method in rule.methods)
        and _lies_in(target.path, rule.path)
        and (rule.path == "/" or not is_disguised(target.path))
    )


def matching(rules: Iterable[EgressRule], target: Target) -> tuple[EgressRule, ...]:
    """Return those of the rules that allow the request, in their order."""
    return tuple(rule for rule in rules if matches(rule, target))


def _reaches(rule: EgressRule, target: Target) -> bool:
    low, high = rule.ports
    return (
        rule.scheme == target.scheme
        and low <= target.port <= high
        and _names(rule.host, target.host)
    )


def _names(pattern: HostPattern, host: str) -> bool:
    match pattern.kind:
        case HostKind.ANY:
            return True
        case HostKind.NAME:
            return host == pattern.text
        case HostKind.SUBDOMAINS:
            return host.endswith("." + pattern.text) and not is_address(host)
        case HostKind.ADDRESSES:
            return is_address(host) and ip_address(host) in ip_network(pattern.text)
        case _:
            assert_never(pattern.kind)


def _lies_in(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")


def intersect(ask: EgressRule, ceiling: EgressRule) -> EgressRule | None:
    """Return the rule that allows what both allow, or None where that is nothing.

    Credential and `narrow_to` are the ask's: a ceiling adds none.
    """
    host = _common_host(ask.host, ceiling.host)
    ports = max(ask.ports[0], ceiling.ports[0]), min(ask.ports[1], ceiling.ports[1])
    methods = _common_methods(ask.methods, ceiling.methods)
    path = _common_path(ask.path, ceiling.path)
    if ask.scheme != ceiling.scheme or ports[0] > ports[1] or not (host and methods and path):
        return None
    private = ask.private and ceiling.private
    return replace(ask, host=host, ports=ports, path=path, methods=methods, private=private)


def _common_host(one: HostPattern, other: HostPattern) -> HostPattern | None:
    if one.kind is HostKind.ANY:
        return other
    if other.kind is HostKind.ANY or one == other:
        return one
    for narrow, wide in ((one, other), (other, one)):
        match narrow.kind, wide.kind:
            case HostKind.NAME | HostKind.SUBDOMAINS, HostKind.SUBDOMAINS:
                if narrow.text.endswith("." + wide.text):
                    return narrow
            case HostKind.ADDRESSES, HostKind.ADDRESSES:
                if _within(ip_network(narrow.text), ip_network(wide.text)):
                    return narrow
            case _:
                pass
    return None


def _within(narrow: _Block, wide: _Block) -> bool:
    return narrow.network_address in wide and narrow.prefixlen >= wide.prefixlen


def _common_methods(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if one == (ANY_METHOD,):
        return other
    return one if other == (ANY_METHOD,) else tuple(each for each in one if each in other)


def _common_path(one: str, other: str) -> str:
    if _lies_in(one, other):
        return one
    return other if _lies_in(other, one) else ""


def narrow_rule(rule: EgressRule, target: Target) -> EgressRule | None:
    """Return the rule cut to the target's scheme, host and port, or None where they are not in it.

    The target's own path and method play no part; those of the rule stay.
    """
    if not _reaches(rule, target):
        return None
    host = HostPattern(kind=HostKind.NAME, text=target.host)
    if is_address(target.host):
        host = HostPattern(kind=HostKind.ADDRESSES, text=str(ip_network(target.host)))
    return replace(rule, host=host, ports=(target.port, target.port))
