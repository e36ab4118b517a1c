"""In which flow rules a tool is a source or a sink, and what then happens, for `explain`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from preopen.outcome import JsonValue
from preopen.policy.flows import FlowRule, FlowSink, FlowSource, Then, describe_flows
from preopen.policy.policy import Policy
from preopen.serving.registry import Tool
from preopen.trust.guards import HAD, WOULD, Allowed, FlowGuards, widest_reach


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPart:
    """What one rule means of a tool, by the most that a call of it could reach.

    `named` says that the rule names the tool as a source. `at_once` says that one call could be
    source and sink, which is then stopped whatever ran before.
    """

    rule: FlowRule
    named: bool
    sources: tuple[FlowSource, ...]
    sinks: tuple[FlowSink, ...]
    at_once: bool

    @property
    def is_source(self) -> bool:
        """Whether a call of the tool may be what other calls come after."""
        return self.named or bool(self.sources)


def flow_parts(tool: Tool, policy: Policy) -> tuple[FlowPart, ...]:
    """Return a part for each rule that means the tool, in the order of the rules."""
    reach = widest_reach(tool.name, tool.grants, policy)
    parts = (
        FlowPart(
            rule=rule,
            named=tool.name in rule.tools,
            sources=tuple(each for each in FlowSource if each in reach.sources & {*rule.sources}),
            sinks=tuple(each for each in FlowSink if each in reach.sinks & {*rule.sinks}),
            # Of a session in which nothing ran yet.
            at_once=not isinstance(FlowGuards(rules=(rule,)).judge(reach, said_yes=()), Allowed),
        )
        for rule in policy.flows
    )
    return tuple(part for part in parts if part.is_source or part.sinks)


def flow_lines(parts: Sequence[FlowPart], tool: Tool, policy: Policy) -> Iterator[str]:
    """Yield what a person reads of it; also that no rule means the tool."""
    if not parts:
        yield "none means this tool" if policy.flows else "none is written"
        return
    for part in parts:
        ((_, text),) = describe_flows([part.rule])
        yield f"{part.rule.key} of {part.rule.place}: {text}"
        yield from (f"  {line}" for line in _part(part))
    if any(part.rule.then is Then.ASK for part in parts):
        yield "asked about: a person says yes or no; where nobody can be asked, the call is denied"
    if policy.calls_per_cell.get(tool.name, 1) > 1:
        yield "its process serves several calls, so each counts for all that the tool may"
    else:
        yield "each call counts for what its arguments leave of what the tool may"


def _part(part: FlowPart) -> Iterator[str]:
    then = _then(part.rule.then)
    could = " or ".join(WOULD[each] for each in part.rule.sinks)
    after = f"calls that could {could} are {then} in the rest of the session"
    if part.named:
        yield f"a source, which the rule names: after any call of it, {after}"
    elif part.sources:
        had = " or ".join(HAD[each] for each in part.sources)
        yield f"a source: after a call of it that {had}, {after}"
    if part.sinks:
        could = " or ".join(WOULD[each] for each in part.sinks)
        own = ", itself among them" if part.is_source else ""
        yield f"a sink: its calls that could {could} are {then} after a source{own}"
    if part.at_once:
        yield f"both in one call: such a call is {then} even if nothing ran before it"


def _then(then: Then) -> str:
    match then:
        case Then.ASK:
            return "asked about"
        case Then.DENY:
            return "denied"
        case _:
            assert_never(then)


def flows_to_json(parts: Sequence[FlowPart]) -> list[JsonValue]:
    """Return the same as `--json` shows it."""
    return [
        {
            "key": part.rule.key,
            "from": part.rule.place,
            "named": part.named,
            "sources": [each.value for each in part.sources],
            "sinks": [each.value for each in part.sinks],
            "at_once": part.at_once,
            "then": part.rule.then.value,
        }
        for part in parts
    ]
