"""One call → the decision about it: what the operator's files say, and a person where they ask.

Pure but for the asking itself, which is a parameter, and `decisions.toml`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from preopen.document import printable
from preopen.egress.teaching import describe_rule
from preopen.errors import PreopenError
from preopen.outcome import Denial, JsonValue
from preopen.policy.decisions import Decision, Ruling, rule_call
from preopen.policy.narrow import Narrowed, describe_mounts
from preopen.policy.policy import Policy
from preopen.serving.registry import Tool
from preopen.serving.session import Session
from preopen.tool.limits import format_limit
from preopen.trust.asks import RUNS_CODE
from preopen.trust.consent import (
    Ask,
    Caller,
    Channel,
    Deciding,
    Question,
    Said,
    Say,
    Unasked,
    digest_of,
)
from preopen.trust.guards import (
    CallReach,
    Crossing,
    Forbidden,
    Judgement,
    MustAsk,
    flow_denial,
)

_VALUE_SHOWN: Final = 200  # characters of an argument
_ARGUMENTS_SHOWN: Final = 12
_LINES_SHOWN: Final = 20
_PASSING: Final = (Say.ONCE, Say.SESSION, Say.NO)
_LASTING: Final = (Say.ONCE, Say.SESSION, Say.ALWAYS, Say.NO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The call may run. `consent` is what a person said, "" where nobody had to be asked."""

    consent: str = ""
    channel: Channel = Channel.NONE
    notes: tuple[str, ...] = ()
    crossings: tuple[Crossing, ...] = ()

    @property
    def text(self) -> str:
        """What a receipt says of it: "once (elicitation)", "" where nobody had to be asked."""
        return consent_text(self.consent, self.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The call may not run: the operator's file says so, or no person said yes."""

    denial: Denial
    consent: str = ""
    channel: Channel = Channel.NONE

    @property
    def text(self) -> str:
        """What a receipt says of it: "once (elicitation)", "" where nobody had to be asked."""
        return consent_text(self.consent, self.channel)


def consent_text(consent: str, channel: Channel) -> str:
    """Return a person's word and how it came, in one line."""
    return f"{consent} ({channel.value})" if consent else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Decides over calls under one policy, in one session."""

    policy: Policy
    session: Session

    async def judge(
        self,
        tool: Tool,
        filled: Mapping[str, JsonValue],
        narrowed: Narrowed,
        reach: CallReach,
        caller: Caller,
    ) -> Allowed | Stopped:
        """Return whether this call may run, once the caller's recorder has heard of it.

        What the caller's `ask` raises goes through.
        """
        policy = self.policy
        rulings = rule_call(
            policy.decisions, tool.name, tool.grants, narrowed.mounts, policy.workspace
        )
        denied = [each for each in rulings if each.decision is Decision.DENY]
        if denied:
            caller.decided(Deciding(decision="denied", rule=str(denied[0])))
            return _deny(tool, denied[0])
        flow = self.session.flows.judge(reach, said_yes=())
        if isinstance(flow, Forbidden):
            caller.decided(
                Deciding(decision="denied", rule=f"{flow.rule.key} of {flow.rule.place}")
            )
            return Stopped(denial=flow_denial(flow))
        reasons = asked_for(rulings)
        channel, notes = self._find(tool, reasons)
        if channel is not None:
            if not isinstance(flow, MustAsk):
                allowed = Allowed(consent="yes", channel=channel)
                caller.decided(_answered("; ".join(reasons), (), allowed))
                return allowed
            reasons = ()
        if not reasons and not isinstance(flow, MustAsk):
            return Allowed()
        shared = policy.calls_per_cell.get(tool.name, 1) > 1
        question = make_question(tool, filled, narrowed, (reasons, flow), shared=shared)
        rule = "; ".join(question.reasons)
        caller.decided(Deciding(decision="asked", rule=rule, grants=question.touches))
        verdict = await self._ask(question, flow, caller.ask, notes)
        caller.decided(_answered(rule, question.touches, verdict))
        return verdict

    def _find(self, tool: Tool, reasons: tuple[str, ...]) -> tuple[Channel | None, tuple[str, ...]]:
        """Return how these reasons were answered before, if they were, and what is to be said."""
        if self.session.standing is None or not reasons:
            return None, ()
        try:
            return self.session.standing.find(subjects_of(tool, reasons)), ()
        except PreopenError as error:
            return None, (str(error),)

    async def _ask(
        self, question: Question, flow: Judgement, ask: Ask, notes: tuple[str, ...]
    ) -> Allowed | Stopped:
        said = await ask(question)
        match said:
            case Unasked():
                return self._unasked(question, flow, said)
            case Said(say=Say.NO):
                return Stopped(
                    denial=Denial(target=question.tool, reason="the person who was asked said no"),
                    consent="no",
                    channel=said.channel,
                )
        crossings = flow.crossings if isinstance(flow, MustAsk) else ()
        if said.say is Say.SESSION:
            self.session.flows.pardon(crossings)
        return Allowed(
            consent=said.say.value,
            channel=said.channel,
            notes=(*notes, *self._keep(question, said.say)),
            crossings=crossings,
        )

    def _keep(self, question: Question, say: Say) -> tuple[str, ...]:
        try:
            if self.session.standing is not None:
                self.session.standing.keep(question, say)
        except PreopenError as error:
            return (f'"always" could not be kept, and counts for this call alone: {error}',)
        return ()

    def _unasked(self, question: Question, flow: Judgement, said: Unasked) -> Stopped:
        if isinstance(flow, MustAsk) and not question.subjects:
            denial = flow_denial(flow)
        else:
            reason = f"a person is to be asked ({question.reasons[0]}), and {said.why}"
            allow = f"the operator, a person, can run `{self.session.command(question.tool)}`"
            denial = Denial(target=question.tool, reason=reason, allow=allow)
        return Stopped(denial=denial, consent="no answer", channel=said.channel)


def make_question(
    tool: Tool,
    filled: Mapping[str, JsonValue],
    narrowed: Narrowed,
    asked: tuple[tuple[str, ...], Judgement],
    *,
    shared: bool,
) -> Question:
    """Return what a person is to read of one call; `shared`: its cell has the whole grant.

    `asked` are the reasons of the operator's decisions, and what the flow rules say. A flow is
    pardoned for a session at most: what ran before it is forgotten with the session, too.
    """
    reasons, flow = asked
    crossings = tuple(map(str, flow.crossings)) if isinstance(flow, MustAsk) else ()
    granted = tool.grants_text
    subjects = subjects_of(tool, reasons)
    touches = granted if shared else _touches(tool, narrowed)
    limits = tool.grants.limits
    return Question(
        tool=tool.name,
        title=printable(tool.title),
        level=tool.level,
        reasons=(*reasons, *map(printable, crossings)),
        touches=_lines(touches) or ("nothing but compute on its arguments",),
        limits=tuple(
            f"{key} {format_limit(key, number)}"
            for key, number in (
                ("wall_time", limits.wall_time_ms),
                ("memory", limits.memory_bytes),
            )
        ),
        arguments=_arguments(filled),
        granted=granted,
        offers=_PASSING if crossings else _LASTING,
        subjects=subjects,
        digest=digest_of(subjects, crossings, dict(filled), touches),
    )


def asked_for(rulings: Iterable[Ruling]) -> tuple[str, ...]:
    """Return why a person is asked, a reason each; () where nobody is."""
    return tuple(dict.fromkeys(str(each) for each in rulings if each.decision is Decision.ASK))


def subjects_of(tool: Tool, reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a lasting answer is about: this definition, this whole grant, each reason."""
    about = (tool.name, tool.fingerprint, tool.grants_text)
    return tuple(digest_of(*about, reason) for reason in reasons)


def _touches(tool: Tool, narrowed: Narrowed) -> tuple[str, ...]:
    variables = (f"environment {variable.name}" for variable in tool.grants.environment)
    mounts = describe_mounts(narrowed.mounts, walled_per_call=True)
    code = (RUNS_CODE,) if tool.grants.executes else ()
    return (*mounts, *map(describe_rule, narrowed.egress), *variables, *code)


def _arguments(filled: Mapping[str, JsonValue]) -> tuple[tuple[str, str], ...]:
    shown = [
        (printable(name), _value(value)) for name, value in list(filled.items())[:_ARGUMENTS_SHOWN]
    ]
    more = len(filled) - len(shown)
    return (*shown, ("…", f"and {more} more")) if more else tuple(shown)


def _value(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    cut = text[:_VALUE_SHOWN]
    more = len(text) - len(cut)
    return printable(cut) + (f"… ({more} more characters)" if more else "")


def _lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    shown = tuple(printable(line)[: 2 * _VALUE_SHOWN] for line in lines[:_LINES_SHOWN])
    more = len(lines) - len(shown)
    return (*shown, f"and {more} more") if more else shown


def _deny(tool: Tool, ruling: Ruling) -> Stopped:
    reason = f"not allowed: {ruling}"
    allow = f'the operator could write under [decide.tools] in preopen.toml {tool.name} = "ask"'
    return Stopped(denial=Denial(target=tool.name, reason=reason, allow=allow))


def _answered(rule: str, grants: tuple[str, ...], verdict: Allowed | Stopped) -> Deciding:
    return Deciding(
        decision="answered",
        rule=rule,
        grants=grants,
        consent=verdict.consent,
        channel=verdict.channel.value,
    )
