"""Flow guards: after a source ran in a session, sinks are asked for or denied."""

from collections.abc import Iterable
from itertools import product

import pytest

from preopen.outcome import Denial
from preopen.policy.flows import FlowRule, FlowSink, FlowSource, Then
from preopen.trust.guards import (
    Allowed,
    CallReach,
    Crossing,
    FlowGuards,
    Forbidden,
    Judgement,
    MustAsk,
    flow_denial,
)

FILE = "/config/preopen.toml"


def rule(
    *sources: FlowSource,
    to: Iterable[FlowSink] = tuple(FlowSink),
    tools: tuple[str, ...] = (),
    then: Then = Then.ASK,
    number: int = 0,
) -> FlowRule:
    """Return a rule; without sources and tools it has those of the default."""
    key, sinks = f"flow[{number}]", tuple(to)
    if sources or tools:
        return FlowRule(key=key, place=FILE, sources=sources, tools=tools, sinks=sinks, then=then)
    return FlowRule(key=key, place=FILE, sinks=sinks, then=then)


def reads(tool: str, *sources: FlowSource) -> CallReach:
    """Return a call that could read these."""
    return CallReach(tool=tool, sources=frozenset(sources), sinks=frozenset())


def sends(tool: str, *sinks: FlowSink) -> CallReach:
    """Return a call that could put something there."""
    return CallReach(tool=tool, sources=frozenset(), sinks=frozenset(sinks))


def both(tool: str, source: FlowSource, sink: FlowSink) -> CallReach:
    """Return a call that could read, and put what it read there."""
    return CallReach(tool=tool, sources=frozenset({source}), sinks=frozenset({sink}))


def judged(guards: FlowGuards, reach: CallReach) -> Judgement:
    """Judge a call to which nobody said anything."""
    return guards.judge(reach, said_yes=())


@pytest.mark.parametrize(
    ("named", "ran", "sinks", "sink", "then"),
    list(
        product(
            FlowSource,
            FlowSource,
            ((FlowSink.NETWORK,), (FlowSink.OUTSIDE,), tuple(FlowSink)),
            FlowSink,
            Then,
        )
    ),
)
def test_a_sink_is_stopped_after_each_source_that_the_rule_names_and_after_no_other(
    named: FlowSource, ran: FlowSource, sinks: tuple[FlowSink, ...], sink: FlowSink, then: Then
) -> None:
    """Issue: each source x sink x then."""
    guards = FlowGuards(rules=[rule(named, to=sinks, then=then)])
    assert judged(guards, sends("fetch", sink)) == Allowed()
    guards.note(reads("read", ran))

    judgement = judged(guards, sends("fetch", sink))
    crossing = Crossing(source=named, source_tool="read", sink=sink, sink_tool="fetch")
    if named is not ran or sink not in sinks:
        assert judgement == Allowed()
    elif then is Then.ASK:
        assert judgement == MustAsk(rule=guards.rules[0], crossings=(crossing,))
    else:
        assert judgement == Forbidden(rule=guards.rules[0], crossings=(crossing,))


@pytest.mark.parametrize(("tool", "expected"), [("read", MustAsk), ("glob", Allowed)])
def test_a_tool_is_a_source_by_its_name_whatever_it_could_read(
    tool: str, expected: type[Judgement]
) -> None:
    """Issue: `{ tool = "NAME" }`."""
    guards = FlowGuards(rules=[rule(tools=("read",))])
    guards.note(reads(tool))

    assert isinstance(judged(guards, sends("fetch", FlowSink.NETWORK)), expected)


def test_a_call_that_could_reach_no_sink_is_never_stopped() -> None:
    """Issue: sinks are asked or denied, nothing else is."""
    guards = FlowGuards(rules=[rule(*FlowSource, then=Then.DENY)])
    guards.note(reads("read", *FlowSource))

    assert judged(guards, reads("read", *FlowSource)) == Allowed()


def test_without_a_rule_nothing_is_stopped_and_a_rule_that_comes_later_knows_what_ran() -> None:
    """Issue: no rule is active until written; ours: a reload forgets no source."""
    guards = FlowGuards(rules=())
    guards.note(reads("read", FlowSource.OUTSIDE))
    assert judged(guards, sends("fetch", FlowSink.NETWORK)) == Allowed()

    guards.rules = [rule()]
    assert isinstance(judged(guards, sends("fetch", FlowSink.NETWORK)), MustAsk)


@pytest.mark.parametrize(
    ("source", "sink", "stopped"),
    [
        (FlowSource.OUTSIDE, FlowSink.NETWORK, True),
        (FlowSource.ENVIRONMENT, FlowSink.NETWORK, True),
        (FlowSource.WORKSPACE, FlowSink.NETWORK, True),
        (FlowSource.ENVIRONMENT, FlowSink.OUTSIDE, True),
        (FlowSource.WORKSPACE, FlowSink.OUTSIDE, True),
        (FlowSource.SECRETS, FlowSink.NETWORK, False),  # it goes to the host that it is for
        (FlowSource.OUTSIDE, FlowSink.OUTSIDE, False),  # to write there is to read there
    ],
)
def test_a_call_that_is_source_and_sink_at_once_is_a_flow(
    source: FlowSource, sink: FlowSink, *, stopped: bool
) -> None:
    """Ours: a tool that reads and sends in one call must not pass where two calls would not."""
    guards = FlowGuards(rules=[rule(*FlowSource)])

    assert isinstance(judged(guards, both("sync", source, sink)), MustAsk) is stopped


def test_a_call_that_may_begin_is_a_source_while_it_runs() -> None:
    """Ours: two calls at once, and the second one sends what the first is reading."""
    guards = FlowGuards(rules=[rule(then=Then.DENY)])

    entered = guards.enter(reads("read", FlowSource.OUTSIDE), said_yes=())
    assert entered == Allowed()
    assert isinstance(judged(guards, sends("fetch", FlowSink.NETWORK)), Forbidden)


def test_a_call_that_is_stopped_is_no_source() -> None:
    """Ours: what did not run has read nothing."""
    guards = FlowGuards(rules=[rule(FlowSource.WORKSPACE), rule(FlowSource.OUTSIDE, number=1)])
    guards.note(reads("grep", FlowSource.WORKSPACE))

    stopped = guards.enter(both("sync", FlowSource.OUTSIDE, FlowSink.NETWORK), said_yes=())
    assert isinstance(stopped, MustAsk)
    after = judged(guards, sends("fetch", FlowSink.NETWORK))
    assert isinstance(after, MustAsk)
    assert {each.source_tool for each in after.crossings} == {"grep"}


def test_a_yes_for_one_call_lets_that_call_through_and_is_forgotten() -> None:
    """Issue: a person answers once, for this session, always, or no."""
    guards = FlowGuards(rules=[rule()])
    guards.note(reads("read", FlowSource.OUTSIDE))
    asked = judged(guards, sends("fetch", FlowSink.NETWORK))
    assert isinstance(asked, MustAsk)

    entered = guards.enter(sends("fetch", FlowSink.NETWORK), said_yes=asked.crossings)
    assert entered == Allowed()
    assert judged(guards, sends("fetch", FlowSink.NETWORK)) == asked


def test_a_yes_for_the_session_holds_for_what_was_shown_and_nothing_more() -> None:
    """Issue: until the person says otherwise; ours: they said yes to what they saw."""
    guards = FlowGuards(rules=[rule()])
    guards.note(reads("read", FlowSource.OUTSIDE))
    asked = judged(guards, sends("fetch", FlowSink.NETWORK))
    assert isinstance(asked, MustAsk)
    guards.pardon(asked.crossings)
    assert judged(guards, sends("fetch", FlowSink.NETWORK)) == Allowed()

    others = [sends("http", FlowSink.NETWORK), sends("fetch", FlowSink.OUTSIDE)]
    assert all(isinstance(judged(guards, each), MustAsk) for each in others)
    guards.note(reads("grep", FlowSource.OUTSIDE))
    again = judged(guards, sends("fetch", FlowSink.NETWORK))
    assert isinstance(again, MustAsk)
    assert [each.source_tool for each in again.crossings] == ["grep"]


def test_no_yes_opens_what_a_rule_denies() -> None:
    """Issue: ask or deny; nothing but the operator's file opens a deny."""
    guards = FlowGuards(rules=[rule(number=0), rule(then=Then.DENY, number=1)])
    guards.note(reads("read", FlowSource.OUTSIDE))
    crossing = Crossing(
        source=FlowSource.OUTSIDE,
        source_tool="read",
        sink=FlowSink.NETWORK,
        sink_tool="fetch",
    )
    guards.pardon([crossing])

    entered = guards.enter(sends("fetch", FlowSink.NETWORK), said_yes=[crossing])
    assert entered == Forbidden(rule=guards.rules[1], crossings=(crossing,))


def test_all_that_several_rules_ask_about_is_asked_at_once() -> None:
    """Ours: one question per call, with every way from a source to a sink in it."""
    guards = FlowGuards(
        rules=[rule(FlowSource.OUTSIDE), rule(FlowSource.OUTSIDE, FlowSource.SECRETS, number=1)]
    )
    guards.note(reads("read", FlowSource.OUTSIDE))
    guards.note(reads("http", FlowSource.SECRETS))

    asked = judged(guards, sends("fetch", FlowSink.NETWORK))
    assert isinstance(asked, MustAsk)
    assert asked.rule is guards.rules[0]
    assert [each.source_tool for each in asked.crossings] == ["read", "http"]


def test_a_denial_says_which_way_which_rule_and_the_way_out() -> None:
    """Issue: what was in the way, and what to do."""
    guards = FlowGuards(rules=[rule(FlowSource.SECRETS, then=Then.DENY)])
    guards.note(reads("http", FlowSource.SECRETS))
    guards.note(reads("fetch", FlowSource.SECRETS))
    forbidden = judged(guards, sends("fetch", FlowSink.NETWORK))
    assert isinstance(forbidden, Forbidden)

    assert flow_denial(forbidden) == Denial(
        target="fetch",
        reason="fetch could send requests, after http used a secret in this session (and 1 more"
        " such way), and flow[0] of /config/preopen.toml denies that",
        allow='write then = "ask" in flow[0] of /config/preopen.toml, or start preopen anew: a'
        " session remembers nothing of the one before",
    )


def test_an_unanswered_question_is_a_denial_that_says_so() -> None:
    """Issue: no channel, no answer, a cancel: a Denial."""
    guards = FlowGuards(rules=[rule(tools=("read",))])
    guards.note(reads("read"))
    asked = judged(guards, sends("write", FlowSink.OUTSIDE))
    assert isinstance(asked, MustAsk)
    denial = flow_denial(asked)

    assert denial.target == "write"
    assert denial.reason == (
        "write could write outside of the workspace, after read ran in this session; flow[0] of"
        " /config/preopen.toml has a person asked, and nobody could be"
    )
    assert "flow[0] of /config/preopen.toml" in denial.allow
