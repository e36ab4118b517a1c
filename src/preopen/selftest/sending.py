"""How rows of the section *network* ask, and how one can tell what came of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from preopen.outcome import JsonValue
from preopen.selftest.asking import Ask, Network, Seen, Stop, Who
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.judging import SHOWN, said
from preopen.selftest.row import Fight, Row, on_each
from preopen.selftest.site import LOOPBACK, Got
from preopen.serving.invocation import Answer
from preopen.tool.result import TextBlock

SITE: Final = "http://site.test:@site"
NAMES: Final[Mapping[str, tuple[str, ...]]] = {"site.test": (LOOPBACK,), "alias.test": (LOOPBACK,)}
ANY: Final = '[[egress]]\nallow = "${egress}"\n'  # all that the operator lists, by GET and HEAD
OPEN: Final = Network(private=(SITE,), names=NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a call came to: its answer, what the courier said of each request, what arrived."""

    answer: Answer
    lines: tuple[Mapping[str, JsonValue], ...]
    got: tuple[Got, ...]

    @property
    def line(self) -> Mapping[str, JsonValue]:
        """What was said of the one request; nothing where there was none, or another."""
        return self.lines[0] if len(self.lines) == 1 else {}

    @property
    def own(self) -> str:
        """What the guest, or native code in its place, said itself: no line of the server's."""
        first = self.answer.reply.content[0]
        return first.text.strip() if isinstance(first, TextBlock) else ""

    @property
    def saw(self) -> str:
        """The end of it, short: the courier's last line, or native code's."""
        return f"{self.answer.receipt.outcome}: {self.own.rpartition(chr(10))[2][:SHOWN]}"


Look: TypeAlias = Callable[[Sent], bool]


def ask(*words: str, network: Network = OPEN, grant: str = ANY, **more: Any) -> Ask:  # noqa: ANN401 - as Ask
    """Return a call of the courier's."""
    return Ask(words=words, network=network, grant=grant, **more)


def lists(*hosts: str, private: tuple[str, ...] = (), **names: str) -> Network:
    """Return a network in which the operator lists these; names have underscores for dots."""
    led = {name.replace("_", "."): (addresses,) for name, addresses in names.items()}
    return Network(hosts=hosts, private=private, names={**NAMES, **led})


def sending(ask: Ask, *looks: Look) -> Fight:
    """Make one call on a ground of its own, and look at all that came of it."""

    async def fight(camp: Camp, who: Who) -> Seen:
        async def one(ground: Ground) -> Seen:
            sent = await send(ground, ask)
            return Seen(holds=all(look(sent) for look in looks), saw=sent.saw)

        return await on_each(camp, who, one)

    return fight


async def send(ground: Ground, ask: Ask) -> Sent:
    """Return what one call came to."""
    before = len(ground.camp.site.got)
    answer = await ground.call(ask)
    return told(answer, tuple(ground.camp.site.got[before:]))


def told(answer: Answer, got: tuple[Got, ...]) -> Sent:
    """Return what an answer says beside what arrived."""
    lines = filter(None, map(_object, said(answer).splitlines()))
    return Sent(answer=answer, lines=tuple(lines), got=got)


def _object(line: str) -> Mapping[str, JsonValue]:
    """Return the JSON object that a line is; nothing where it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def denied(requests: int = 1) -> Look:
    """Look that so many requests were tried, none was approved, and none arrived."""

    def look(sent: Sent) -> bool:
        results = [each.result for each in sent.answer.receipt.requests]
        return (
            len(sent.lines) == requests
            and all("error" in line and "status" not in line for line in sent.lines)
            and results == ["denied"] * requests
            and not sent.got
        )

    return look


def answered(*texts: str) -> Look:
    """Look that every request had its answer, with these texts in the last one's body."""

    def look(sent: Sent) -> bool:
        well = all(
            line.get("status") == HTTPStatus.OK and "error" not in line for line in sent.lines
        )
        return (
            well and bool(sent.lines) and all(text in json.dumps(sent.lines[-1]) for text in texts)
        )

    return look


def hides(*texts: str) -> Look:
    """Look that the call ended well, and that none of these is in what was said."""

    def look(sent: Sent) -> bool:
        text = said(sent.answer)
        return sent.answer.receipt.outcome == "Returned" and not any(each in text for each in texts)

    return look


def refuses(sent: Sent) -> bool:
    """Look that native code tried its one act, and that it came to nothing."""
    return sent.answer.receipt.outcome == "Returned" and ": " in sent.own and not does()(sent)


def does(*texts: str, without: str = "") -> Look:
    """Look that native code did its one act, and learnt these texts and not that one."""

    def look(sent: Sent) -> bool:
        _, done, learnt = sent.own.partition(": done")
        well = sent.answer.receipt.outcome == "Returned" and bool(done)
        return well and all(t in learnt for t in texts) and not (without and without in learnt)

    return look


def opened(network: Network, *private: str) -> Network:
    """Return the same network with more private hosts of the operator's."""
    return replace(network, private=(*network.private, *private))


def network_row(
    name: str,
    tries: str,
    attack: Fight,
    *stops: Stop,
    control: str,
    allowed: Fight,
    who: Who = Who.COMPONENT,
) -> Row:
    """Return a row of this section; by default the courier tries it."""
    return Row(
        id=f"network/{name}",
        tries=tries,
        who=who,
        stopped_by=stops,
        attack=attack,
        control=control,
        allowed=allowed,
    )
