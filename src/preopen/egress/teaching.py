"""What would allow a request: the line to write, and where. Pure."""

import ipaddress
import json
from collections.abc import Sequence
from typing import Final

from preopen.egress.addresses import forbidden
from preopen.egress.hosts import is_address
from preopen.egress.rule import ANY_METHOD, Closed, EgressRule, Target
from preopen.egress.rules import format_rule, matching

# Names that mean this machine or its network by convention (RFC 6761, RFC 6762, RFC 8375).
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")
_REPEATED: Final = 12  # rules of the operator's that a line to write repeats


def way_to(target: Target, opened: Sequence[EgressRule] = ()) -> str:
    """Return what the operator writes to open a target, as a flag and as a line; "" for nothing.

    `opened` are the rules that the line has already.
    """
    if is_address(target.host) and forbidden(ipaddress.ip_address(target.host), private=True):
        return ""  # link-local, metadata, multicast: nothing opens them
    if is_private(target):
        return way_to_private(target)
    listed = [*map(format_rule, opened[:_REPEATED]), target.origin]
    return _line("hosts", listed, "--egress", target.origin)


def way_to_private(target: Target) -> str:
    """Return what the operator writes to open a host of an own network."""
    return _line("private", [target.origin], "--egress-private", target.origin)


def way_past(closed: Closed, target: Target, *, private: bool = False) -> str:
    """Return what opens a target that a workspace's own file closed; "" where it did not.

    `private` asks for the hosts of the operator's own network alone. The operator's line is there
    already, and the file narrows for as long as the process runs, whatever it says later.
    """
    private = private or is_private(target)  # a line of `hosts` would not open it
    taken = [each for each in matching(closed.rules, target) if each.private or not private]
    left = [each for each in matching(closed.left, target) if each.private or not private]
    if not taken or left:
        return ""
    key = "private" if any(each.private for each in taken) else "hosts"
    return (
        f"add {json.dumps(target.origin)} to {key} under [egress] in {closed.file},"
        " the workspace's own file, and start preopen anew"
    )


def why_closed(closed: Closed, target: Target) -> str:
    """Return the reason that goes with `way_past`."""
    return f"{closed.file}, the workspace's own file, closes {target.origin}, which is open without"


def _line(key: str, values: Sequence[str], flag: str, value: str) -> str:
    return (
        f"start preopen with {flag} {value}, or write"
        f" {key} = {json.dumps(list(values))} under [egress] in preopen.toml"
    )


def describe_rule(rule: EgressRule) -> str:
    """Return a rule in plain words, as receipts, `list` and `explain` say it."""
    methods = "requests by any method" if rule.methods == (ANY_METHOD,) else ", ".join(rule.methods)
    text = f"{methods} to {format_rule(rule)}"
    if rule.private:
        text += ", at a private address"
    if rule.credential is not None:
        text += f", with the secret {rule.credential.secret} in {rule.credential.header}"
    if rule.narrow_to:
        text += f' (only the host that "{rule.narrow_to}" names)'
    return text


def is_private(target: Target) -> bool:
    """Whether a target names, as it is written, a host of this machine or of its own network."""
    if is_address(target.host):
        return bool(forbidden(ipaddress.ip_address(target.host), private=False))
    return target.host.endswith(_LOCAL_NAMES)
