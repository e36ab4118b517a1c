"""After which calls of this session which others are asked for or denied: the `[[flow]]` rules.

Pure but for what a session remembers: no clock, no file, no process.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from preopen.capability import Access, Grants, Source
from preopen.egress.rule import EgressRule
from preopen.outcome import Denial
from preopen.policy.flows import FlowRule, FlowSink, FlowSource, Then
from preopen.policy.narrow import Narrowed
from preopen.policy.places import is_inside
from preopen.policy.policy import Policy

# What a guest has in its own hands, so that one call can be source and sink at once. A credential
# never is in there: the gateway adds it, for the host that it is for.
_IN_HAND: Final = frozenset({FlowSource.OUTSIDE, FlowSource.ENVIRONMENT, FlowSource.WORKSPACE})
_SOURCES: Final = tuple(FlowSource)  # made once: to go through an enum is a generator each time
HAD: Final = {
    FlowSource.OUTSIDE: "reached a directory outside of the workspace",
    FlowSource.SECRETS: "used a secret",
    FlowSource.ENVIRONMENT: "had a variable of the host",
    FlowSource.WORKSPACE: "reached the workspace",
}
WOULD: Final = {
    FlowSink.NETWORK: "send requests",
    FlowSink.OUTSIDE: "write outside of the workspace",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReach:
    """What one call of a tool could reach after narrowing, as far as a rule can mean it."""

    tool: str
    sources: frozenset[FlowSource]
    sinks: frozenset[FlowSink]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One way from a source to a sink, which a person may say yes to.

    `source` is None where a rule means the tool itself, whatever it could read.
    """

    source: FlowSource | None
    source_tool: str
    sink: FlowSink
    sink_tool: str

    def __str__(self) -> str:
        had = "ran" if self.source is None else HAD[self.source]
        would = f"{self.sink_tool} could {WOULD[self.sink]}"
        if self.source_tool == self.sink_tool:
            return f"{would}, and {self.source_tool} {had} in this session"
        return f"{would}, after {self.source_tool} {had} in this session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """No rule is in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MustAsk:
    """A person has to say yes to these crossings, by the first of the rules that want it."""

    rule: FlowRule
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """The rule denies the call, whatever anybody says."""

    rule: FlowRule
    crossings: tuple[Crossing, ...]


Judgement: TypeAlias = Allowed | MustAsk | Forbidden
_ALLOWED: Final = Allowed()


@dataclass(slots=True, eq=False, kw_only=True)
class FlowGuards:
    """What ran in this session, and what a person said to it. A session is the server's process.

    `rules` may be replaced at any time: what ran and what was said does not depend on them.
    """

    rules: Sequence[FlowRule]
    _ran: dict[tuple[FlowSource | None, str], None] = field(default_factory=dict)
    _pardoned: set[Crossing] = field(default_factory=set)

    def judge(self, reach: CallReach, *, said_yes: Iterable[Crossing]) -> Judgement:
        """Return whether a call may begin; `said_yes` holds what a person allowed for it alone."""
        allowed = self._pardoned.union(said_yes)
        asking: dict[Crossing, None] = {}
        by: FlowRule | None = None
        for rule in self.rules:
            crossings = tuple(self._crossings(rule, reach))
            if rule.then is Then.DENY and crossings:
                return Forbidden(rule=rule, crossings=crossings)
            if missing := [each for each in crossings if each not in allowed]:
                by = by or rule
                asking |= dict.fromkeys(missing)
        return _ALLOWED if by is None else MustAsk(rule=by, crossings=tuple(asking))

    def note(self, reach: CallReach) -> None:
        """Remember a call, at its beginning: one that still runs has read already."""
        self._ran[None, reach.tool] = None
        for source in _SOURCES:
            if source in reach.sources:
                self._ran[source, reach.tool] = None

    def enter(self, reach: CallReach, *, said_yes: Iterable[Crossing]) -> Judgement:
        """Judge a call, and note it where it may begin: nothing can come between."""
        judgement = self.judge(reach, said_yes=said_yes)
        if isinstance(judgement, Allowed):
            self.note(reach)
        return judgement

    def pardon(self, crossings: Iterable[Crossing]) -> None:
        """Remember that a person said yes to these for the session. No rule that denies minds."""
        self._pardoned.update(crossings)

    def _crossings(self, rule: FlowRule, reach: CallReach) -> Iterator[Crossing]:
        for sink in FlowSink:
            if sink not in reach.sinks or sink not in rule.sinks:
                continue
            for source, tool in self._sources(rule, reach, sink):
                yield Crossing(source=source, source_tool=tool, sink=sink, sink_tool=reach.tool)

    def _sources(
        self, rule: FlowRule, reach: CallReach, sink: FlowSink
    ) -> dict[tuple[FlowSource | None, str], None]:
        found = {
            (source, tool): None
            for source, tool in self._ran
            if (tool in rule.tools if source is None else source in rule.sources)
        }
        own = reach.sources & _IN_HAND
        if sink is FlowSink.OUTSIDE:
            own -= {FlowSource.OUTSIDE}  # to write there includes reading there
        return found | {(each, reach.tool): None for each in rule.sources if each in own}


def reach_of(tool: str, narrowed: Narrowed, grants: Grants, policy: Policy) -> CallReach:
    """Return what one call could reach.

    Where a cell serves several calls its wall is the tool's, and what counts is the whole grant.
    """
    if policy.calls_per_cell.get(tool, 1) > 1:
        return widest_reach(tool, grants, policy)
    paths = [(path, mount.access) for mount in narrowed.mounts for path in mount.host_paths]
    return _reach(tool, paths, narrowed.egress, grants, policy)


def widest_reach(tool: str, grants: Grants, policy: Policy) -> CallReach:
    """Return what a call of a tool could reach at most: no arguments leave more of its grants."""
    paths = [(each.host_path, each.access) for each in grants.directories]
    return _reach(tool, paths, grants.egress, grants, policy)


def _reach(
    tool: str,
    paths: Iterable[tuple[str, Access]],
    egress: Sequence[EgressRule],
    grants: Grants,
    policy: Policy,
) -> CallReach:
    workspace = policy.workspace
    sources, sinks = set[FlowSource](), set[FlowSink]()
    for path, access in paths:
        if workspace is None or not is_inside(path, workspace):
            sources.add(FlowSource.OUTSIDE)
            if access is Access.WRITE:
                sinks.add(FlowSink.OUTSIDE)
        if workspace is not None and (is_inside(path, workspace) or is_inside(workspace, path)):
            sources.add(FlowSource.WORKSPACE)
    if any(variable.source is Source.HOST for variable in grants.environment):
        sources.add(FlowSource.ENVIRONMENT)
    if any(rule.credential is not None for rule in egress):
        sources.add(FlowSource.SECRETS)
    if egress:
        sinks.add(FlowSink.NETWORK)
    return CallReach(tool=tool, sources=frozenset(sources), sinks=frozenset(sinks))


def flow_denial(judgement: MustAsk | Forbidden) -> Denial:
    """Return what a call is told that a rule denies, or that nobody could be asked about."""
    rule, first = judgement.rule, judgement.crossings[0]
    more = len(judgement.crossings) - 1
    also = f" (and {more} more such way{'s' * (more > 1)})" if more else ""
    where = f"{rule.key} of {rule.place}"
    if isinstance(judgement, Forbidden):
        reason = f"{first}{also}, and {where} denies that"
        allow = f'write then = "ask" in {where}, or start preopen anew: a session remembers nothing'
        return Denial(target=first.sink_tool, reason=reason, allow=f"{allow} of the one before")
    reason = f"{first}{also}; {where} has a person asked, and nobody could be"
    allow = (
        f"start preopen anew, for a session remembers nothing of the one before, or change {where}"
    )
    return Denial(target=first.sink_tool, reason=reason, allow=allow)
