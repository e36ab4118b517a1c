"""What calls asked of the network → the `[[egress]]` tables that would do. Pure.

Exact, for every request of a guest is asked for first: the gateway's receipt names its method,
scheme, host and port. Its path is not in it, so a rule's path stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from preopen.egress.rule import ANY_METHOD, EgressRule, Target
from preopen.egress.rules import format_rule, matching, narrow_rule, parse_rule
from preopen.egress.teaching import way_past, way_to, way_to_private
from preopen.egress.url import read_url
from preopen.policy.egress import EGRESS
from preopen.policy.network import NetworkPolicy
from preopen.tool.manifest import EgressAsk, Manifest
from preopen.trust.learning import Add, Change, Evidence, Findings, Recorded, Remove, SetKey

_TABLE: Final = "egress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One kind of request: a target whose path says nothing, and whether and how it was denied.

    `seen` is False where a call was refused before its guest ran: then the method is only assumed.
    """

    target: Target
    denied: bool = False
    reason: str = ""
    allow: str = ""
    seen: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLessons:
    """What is known of one tool's requests. `takes` is False where nothing may be taken away."""

    manifest: Manifest
    network: NetworkPolicy
    calls: Sequence[Recorded]
    networked: bool
    takes: bool

    def findings(self) -> Findings:
        """Return what its `[[egress]]` could say."""
        wanted = tuple(dict.fromkeys(self._wanted()))
        allowed = [each.target for each in wanted if not each.denied]
        denied = [each for each in wanted if each.denied]
        findings = Findings(notes=tuple(self._notes()))
        if self.takes:
            findings += Findings(changes=tuple(self._less(allowed, denied)))
        return findings + self._more(denied)

    def _wanted(self) -> Iterator[Wanted]:
        for call in self.calls:
            denials = {denial.target: denial for denial in call.receipt.denials}
            for request in call.receipt.requests:
                if not request.scheme:
                    continue  # unreadable: nothing would allow it, and the denial says so
                target = Target(
                    method=request.method,
                    scheme=request.scheme,
                    host=request.host,
                    port=request.port,
                )
                denial = denials.get(f"{target.method} {target.origin}")
                if request.result != "denied":
                    yield Wanted(target=target)
                elif denial is not None:
                    reason, allow = denial.reason, denial.allow
                    yield Wanted(target=target, denied=True, reason=reason, allow=allow)
            if not call.receipt.requests:
                yield from self._refused_before(call, denials)

    def _refused_before(self, call: Recorded, denials: Mapping[str, Any]) -> Iterator[Wanted]:
        """Yield what a URL among the arguments named, where no rule let the call begin."""
        for ask in self.manifest.egress:
            value = call.arguments.get(ask.narrow_to) if ask.narrow_to else None
            if not isinstance(value, str):
                continue
            try:
                read = read_url(value)
            except ValueError:
                continue  # no URL: its denial says so
            method = "GET" if ask.methods == (ANY_METHOD,) else ask.methods[0]
            target = Target(method=method, scheme=read.scheme, host=read.host, port=read.port)
            if target.origin in denials:
                reason = f'"{ask.narrow_to}" named {target.origin}'
                yield Wanted(target=target, denied=True, reason=reason, seen=False)

    def _notes(self) -> Iterator[str]:
        if any(ask.allow == EGRESS for ask in self.manifest.egress):
            listed = ", ".join(map(format_rule, self.network.rules)) or "no host at all"
            yield f"{EGRESS} stands for what the operator opens: now {listed}"
        if left := sum(call.receipt.left_out for call in self.calls):
            yield f"{left} requests and denials had no room in the receipts; no rule is taken away"

    def _rules(self, ask: EgressAsk) -> tuple[EgressRule, ...]:
        if ask.allow == EGRESS:
            return self.network.rules
        return (parse_rule(ask.allow, methods=ask.methods, private=ask.private),)

    def _cut(self, ask: EgressAsk, target: Target) -> EgressRule | None:
        """Return an ask's rule, cut to a target's origin, or None where it does not reach it."""
        cuts = (narrow_rule(rule, target) for rule in self._rules(ask))
        return next((cut for cut in cuts if cut is not None), None)

    def _less(self, allowed: Sequence[Target], denied: Sequence[Wanted]) -> Iterator[Change]:
        if any(call.receipt.left_out for call in self.calls):
            return
        used: dict[int, list[Target]] = {n: [] for n in range(len(self.manifest.egress))}
        for target in allowed:
            for index in self._by(target):
                used[index].append(target)
        reached = {n for n in used for each in denied if self._reaches(n, each.target)}
        idle = [n for n, targets in used.items() if not targets and n not in reached]
        if self.networked and not denied and len(idle) == len(used):
            idle = idle[1:]  # a binary that can send is refused without any [[egress]]
        for index in idle:
            reason = f"no request went by {self.manifest.egress[index].allow}"
            yield Remove(table=_TABLE, index=index, reason=reason)
        for index, targets in used.items():
            if targets:
                yield from self._exact(index, targets, keep=index in reached)

    def _reaches(self, index: int, target: Target) -> bool:
        return self._cut(self.manifest.egress[index], target) is not None

    def _by(self, target: Target) -> tuple[int, ...]:
        """Return the asks that may have let a request through: the first, if paths tell nothing."""
        found = [
            (index, cut)
            for index, ask in enumerate(self.manifest.egress)
            if (cut := self._cut(ask, target)) is not None and _has(ask.methods, target.method)
        ]
        if any(cut.path != "/" for _, cut in found):
            return tuple(index for index, _ in found)
        # The gateway takes the credential of the first rule that has one.
        found.sort(key=lambda each: self.manifest.egress[each[0]].credential is None)
        return tuple(index for index, _ in found[:1])

    def _exact(self, index: int, targets: Sequence[Target], *, keep: bool) -> Iterator[Change]:
        """Yield what makes one ask exact: its methods, and its hosts where they are its own."""
        ask = self.manifest.egress[index]
        methods = sorted({target.method for target in targets})
        if not keep and (ask.methods == (ANY_METHOD,) or set(methods) < set(ask.methods)):
            reason = f"only {', '.join(methods)} went by it"
            yield _set(index, "methods", methods, reason)
        if keep or ask.allow == EGRESS:
            return
        rule = self._rules(ask)[0]
        cuts = [format_rule(cut) for t in targets if (cut := narrow_rule(rule, t)) is not None]
        exact = [*dict.fromkeys(cuts)]
        if exact == [format_rule(rule)]:
            return
        reason = f"of {ask.allow} only this was asked for"
        yield _set(index, "allow", exact[0], reason)
        for text in exact[1:]:
            values = {**_table(ask), "allow": text, "methods": methods}
            yield Add(table=_TABLE, values=values, reason=reason, evidence=Evidence.SEEN)

    def _more(self, denied: Sequence[Wanted]) -> Findings:
        findings = Findings()
        methods: dict[int, list[Wanted]] = {}
        origins: dict[str, list[Wanted]] = {}
        for each in denied:
            way, opens = self._way(each)
            if not opens:
                findings += Findings(notes=(f"{_said(each)}: {each.reason}; nothing opens that",))
                continue
            asks = [n for n in range(len(self.manifest.egress)) if self._names(n, each.target)]
            if not asks:
                origins.setdefault(each.target.origin, []).append(each)
            elif not any(self._sends(index, each.target.method) for index in asks):
                methods.setdefault(asks[0], []).append(each)
            elif not way:  # a path, or a credential: the denial says what
                findings += Findings(notes=(f"{_said(each)}: {each.reason}",))
            findings += Findings(operator=(way,) if way else ())
        changes = [self._methods(index, wanted) for index, wanted in methods.items()]
        fresh = [self._fresh(origin, wanted) for origin, wanted in origins.items()]
        return findings + Findings(changes=(*changes, *fresh))

    def _way(self, wanted: Wanted) -> tuple[str, bool]:
        """Return what the operator would have to write, "" for nothing, and whether that helps."""
        closed = self.network.closed
        private = (way_to_private(wanted.target), way_past(closed, wanted.target, private=True))
        if wanted.allow and wanted.allow in private:
            return wanted.allow, True
        if matching(self.network.rules, wanted.target):
            return "", True
        way = way_past(closed, wanted.target) or way_to(wanted.target, self.network.rules)
        return way, bool(way)

    def _sends(self, index: int, method: str) -> bool:
        return _has(self.manifest.egress[index].methods, method)

    def _names(self, index: int, target: Target) -> bool:
        """Whether an ask is for a target: `${egress}` is for whatever the operator will open."""
        return self.manifest.egress[index].allow == EGRESS or self._reaches(index, target)

    def _methods(self, index: int, wanted: Sequence[Wanted]) -> Change:
        new = sorted({each.target.method for each in wanted})
        reason = f"{', '.join(map(_said, wanted))} was asked for and denied"
        written = [*self.manifest.egress[index].methods, *new]
        return _set(index, "methods", written, reason, Evidence.DENIED)

    def _fresh(self, origin: str, wanted: Sequence[Wanted]) -> Add:
        methods = sorted({each.target.method for each in wanted})
        values: dict[str, Any] = {"allow": origin, "methods": methods}
        reason = f"{', '.join(methods)} {origin} was asked for and denied"
        if not wanted[0].seen:
            ask = next(each for each in self.manifest.egress if each.narrow_to)
            values |= {"methods": list(ask.methods), "narrow_to": ask.narrow_to}
            reason = f"{wanted[0].reason}, and no rule let the call begin; methods are not seen"
        return Add(table=_TABLE, values=values, reason=reason, evidence=Evidence.DENIED)


def _has(methods: Sequence[str], method: str) -> bool:
    return tuple(methods) == (ANY_METHOD,) or method in methods


def _said(wanted: Wanted) -> str:
    method = f"{wanted.target.method} " if wanted.seen else ""
    return f"{method}{wanted.target.origin}"


def _set(
    index: int, key: str, value: object, reason: str, evidence: Evidence = Evidence.SEEN
) -> SetKey:
    return SetKey(table=_TABLE, index=index, key=key, value=value, reason=reason, evidence=evidence)


def _table(ask: EgressAsk) -> dict[str, Any]:
    """Return an ask as its table was written."""
    table: dict[str, Any] = {"allow": ask.allow, "methods": list(ask.methods)}
    if ask.narrow_to:
        table["narrow_to"] = ask.narrow_to
    if ask.private:
        table["private"] = True
    if ask.credential is not None:
        table["credential"] = dict(ask.credential)
    return table
