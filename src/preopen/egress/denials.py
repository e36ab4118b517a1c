"""What a call is told about a request that it may not make, and the line that would allow it. Pure.

A host is repeated as it was read: canonical, of harmless characters. Everything else that a guest
wrote is shown, short and printable.
"""

import json
from dataclasses import replace

from preopen.document import listed, shown
from preopen.egress.addresses import forbidden
from preopen.egress.rule import ANY_METHOD, NOTHING_CLOSED, CallEgress, Closed, Target
from preopen.egress.rules import matching, narrow_rule
from preopen.egress.sockets import Address
from preopen.egress.teaching import way_past, way_to, way_to_private, why_closed
from preopen.egress.url import Unreadable
from preopen.outcome import Denial


def unreadable(method: str, authority: str | None, found: Unreadable) -> Denial:
    """Return the denial of a request that says no target; nothing would allow it."""
    user, at, host = (authority or "").rpartition("@")
    del user  # it may hold a password
    named = shown(f"…@{host}" if at else host)
    return Denial(target=f"{shown(method)} {named}", reason=found.reason)


def by_name(target: Target, egress: CallEgress) -> Denial:
    """Return the denial of a request that no rule of the call allows."""
    text = f"{target.method} {target.origin}"
    reaching = [rule for rule in egress.rules if narrow_rule(rule, target) is not None]
    if any(matching((replace(rule, methods=(ANY_METHOD,)),), target) for rule in reaching):
        methods = listed(dict.fromkeys(m for rule in reaching for m in rule.methods))
        reason = f"the tool may send {methods} to this host, not {target.method}"
        return Denial(target=text, reason=reason, allow=_in_manifest("methods", target.method))
    if way := way_past(egress.closed, target):
        return Denial(target=text, reason=why_closed(egress.closed, target), allow=way)
    if reaching:
        paths = listed(dict.fromkeys(rule.path for rule in reaching))
        reason = f"the tool may ask this host for what lies below {paths}, not for this path"
        return Denial(target=text, reason=reason, allow=_in_manifest("hosts", target.origin))
    if matching(egress.opened, target):
        reason = "the tool asks for other hosts than this one"
        return Denial(target=text, reason=reason, allow=_in_manifest("hosts", target.origin))
    reason = f"no rule allows {target.origin}"
    return Denial(target=text, reason=reason, allow=way_to(target, egress.opened))


def by_address(target: Target, address: Address, closed: Closed = NOTHING_CLOSED) -> Denial:
    """Return the denial of a request whose host has an address that may not be dialled."""
    reason = f"{target.host} is {forbidden(address, private=False)}"
    if str(address) != target.host:
        reason = f"{target.host} leads to {address}, {forbidden(address, private=False)}"
    allow = way_past(closed, target, private=True) or way_to_private(target)
    if forbidden(address, private=True):
        allow = ""
    return Denial(target=f"{target.method} {target.origin}", reason=reason, allow=allow)


def by_secret(target: Target, secret: str, reason: str, allow: str) -> Denial:
    """Return the denial of a request whose credential cannot be added."""
    named = f"the secret {shown(secret)} {reason}"
    return Denial(target=f"{target.method} {target.origin}", reason=named, allow=allow)


def without_way(target: Target) -> Denial:
    """Return the denial of a request in a call whose cell has no listener."""
    text = f"{target.method} {target.origin}"
    return Denial(target=text, reason="this call's cell has no way to the gateway")


def _in_manifest(key: str, value: str) -> str:
    return f"add {json.dumps(value)} to {key} under [[egress]] in the tool's manifest"
