"""A question to a person about one call, and what came back, as frozen values. Nothing asks here.

Who asks is a parameter of `serving/invocation.py`: through the client in either era of the
protocol, or at a terminal.
"""

import enum
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from preopen.level import PermissionLevel


class Say(enum.StrEnum):
    """What a person may answer."""

    ONCE = "once"  # this call
    SESSION = "session"  # every such call while this server runs
    ALWAYS = "always"  # every such call until the tool or what it is granted changes
    NO = "no"


class Channel(enum.StrEnum):
    """How a consent came, as receipts and the audit log say it."""

    ELICITATION = "elicitation"  # the client's form, handshake era
    INPUT = "input-required"  # the client's form, by a second request (2026-07-28)
    TERMINAL = "terminal"
    SESSION = "given for this session"
    ALWAYS = "decisions.toml"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one call would touch, for a person to read: lines of printable text, shortened.

    `reasons` say why they are asked; `touches` what this call reaches after narrowing; `offers`
    which answers there are. `subjects` are what a lasting answer is about, one for each reason: a
    hash over the tool's definition, its whole grant and that reason. `digest` is about this very
    call: the subjects, the arguments and the narrowed grants.
    """

    tool: str
    title: str
    level: PermissionLevel
    reasons: tuple[str, ...]
    touches: tuple[str, ...]
    limits: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    granted: tuple[str, ...]
    offers: tuple[Say, ...]
    subjects: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A person's answer, now or before, and the way it came."""

    say: Say
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """Nobody could be asked, or nobody answered; `why` says so in the words of a denial."""

    why: str
    channel: Channel = Channel.NONE


# May raise what its own maker catches: then the call ends, and nothing has run.
Ask: TypeAlias = Callable[[Question], Awaitable[Said | Unasked]]


async def ask_nobody(_question: Question) -> Unasked:
    """Answer for a caller that has no person."""
    return Unasked(why="nobody is there to be asked")


class PersonNeeded(Exception):  # noqa: N818 - no error: the answer to the first of two requests
    """Raised by an Ask that gets its answer with a second call: this one ends, and nothing ran.

    `result` is what its maker answers the client with.
    """

    def __init__(self, result: object) -> None:
        super().__init__("a person is to be asked")
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """One decision over one call, for whoever records it: what decided, and what was said."""

    decision: str  # "asked", "answered", "denied"
    rule: str
    grants: tuple[str, ...] = ()
    consent: str = ""
    channel: str = ""


def tell_nobody(_deciding: Deciding) -> None:
    """Record nothing, for a caller that nobody records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a call: the way to their person, and what they call themselves, unchecked.

    `decided` hears of each decision over the call.
    """

    ask: Ask = ask_nobody
    name: str = ""
    version: str = ""
    decided: Callable[[Deciding], None] = tell_nobody

    def heard_by(self, decided: Callable[[Deciding], None]) -> "Caller":
        """Return the same caller, of whose calls this hears each decision."""
        return Caller(ask=self.ask, name=self.name, version=self.version, decided=decided)


def digest_of(*parts: object) -> str:
    """Return one hash over values of JSON's types, tuples as arrays; no two lists of them share."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def question_text(question: Question) -> str:
    """Return the question as a client shows it. Every line of it is printable, and bounded."""
    lines = [
        f'May "{question.tool}" ({question.title}; level {question.level.value}) run this call?',
        "",
        "It can reach:",
        *(f"  {line}" for line in question.touches),
        "Arguments:",
        *(f"  {name}: {value}" for name, value in question.arguments or (("none", ""),)),
        f"Limits: {', '.join(question.limits)}",
        f"You are asked because {'; and because '.join(question.reasons)}.",
    ]
    return "\n".join(lines)
