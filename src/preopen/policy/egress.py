"""Which requests a tool may send: each `[[egress]]` cut down to what the operator has open. Pure.

An ask that comes out empty is no Refusal: the tool is offered, and a request is a Denial that says
which line would allow it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from preopen.capability import LevelReason
from preopen.document import shown
from preopen.egress.rule import Credential, EgressRule, HostKind, Secret
from preopen.egress.rules import intersect, parse_rule
from preopen.errors import Fault, found_and_write
from preopen.level import PermissionLevel
from preopen.policy.levels import KeyedReason
from preopen.policy.network import NetworkPolicy
from preopen.tool.manifest import EgressAsk, Manifest

EGRESS: Final = "${egress}"
_READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressGrant:
    """What a manifest's egress comes to: rules, the levels that they make, and what is refused."""

    rules: tuple[EgressRule, ...] = ()
    reasons: tuple[KeyedReason, ...] = ()
    faults: tuple[Fault, ...] = ()


def grant_egress(manifest: Manifest, network: NetworkPolicy) -> EgressGrant:
    """Return what the operator lets a tool have of its egress."""
    rules: list[EgressRule] = []
    reasons: list[KeyedReason] = []
    faults: list[Fault] = []
    for ask in manifest.egress:
        try:
            asked = _asked(ask, network)
        except ValueError as problem:
            found, write = found_and_write(problem)
            key = f"{ask.key}.allow"
            faults.append(Fault(place=manifest.file, key=key, found=found, write=write))
            continue
        faults += _credential_faults(ask, manifest.file, network)
        rules += _within(ask, asked, network)
        reasons.append(_reason(ask, asked))
    return EgressGrant(
        rules=tuple(dict.fromkeys(rules)), reasons=tuple(reasons), faults=tuple(faults)
    )


def _asked(ask: EgressAsk, network: NetworkPolicy) -> tuple[EgressRule, ...]:
    """Return the rules that an ask means, before the operator's word counts."""
    credential = None if ask.credential is None else Credential(**ask.credential)
    if ask.allow == EGRESS:
        return tuple(
            replace(rule, methods=ask.methods, credential=credential, narrow_to=ask.narrow_to)
            for rule in network.rules
        )
    return (
        parse_rule(
            ask.allow,
            methods=ask.methods,
            private=ask.private,
            credential=credential,
            narrow_to=ask.narrow_to,
        ),
    )


def _within(
    ask: EgressAsk, asked: tuple[EgressRule, ...], network: NetworkPolicy
) -> Iterator[EgressRule]:
    if ask.allow == EGRESS:  # it is the operator's own
        yield from asked
        return
    for rule in asked:
        for ceiling in network.rules:
            if both := intersect(rule, ceiling):
                # A line of `private` is one host and port. An ask that names that very host means
                # it; one that only contains it, such as `http://*`, must say so.
                named = ceiling.private and rule.host == ceiling.host
                yield replace(both, private=both.private or named)


def _credential_faults(ask: EgressAsk, place: str, network: NetworkPolicy) -> Iterator[Fault]:
    if ask.credential is None:
        return
    key = f"{ask.key}.credential"
    if ask.allow == EGRESS:
        found = f"a credential would go to every host that {EGRESS} stands for"
        write = 'write the one host that it is for: allow = "https://api.example.com"'
        yield Fault(place=place, key=key, found=found, write=write)
        return
    secret = network.secrets.get(ask.credential["secret"])
    if not isinstance(secret, Secret):
        found = f"needs the secret {shown(ask.credential['secret'])}, and {secret.found}"
        yield Fault(place=place, key=f"{key}.secret", found=found, write=secret.write)


def _reason(ask: EgressAsk, asked: tuple[EgressRule, ...]) -> KeyedReason:
    """Return the level of one ask; what the operator lists raises none."""
    methods = ", ".join(ask.methods) if ask.methods != ("*",) else "any method"
    whom = "the hosts that the operator lists" if ask.allow == EGRESS else ask.allow
    text = f"sends requests ({methods}) to {whom}"
    level = PermissionLevel.WRITE
    if set(ask.methods) <= _READING:
        level = PermissionLevel.READ_ONLY
    if ask.private:
        level, text = PermissionLevel.DANGEROUS, f"{text}, private addresses among them"
    elif ask.allow != EGRESS and any(rule.host.kind is HostKind.ANY for rule in asked):
        level, text = PermissionLevel.DANGEROUS, f"{text}, which is every host"
    return KeyedReason(key=ask.key, reason=LevelReason(level=level, text=text))
