"""One attack, its control, and what they came to; and the ways to fight them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from preopen.selftest.asking import Ask, Section, Seen, Stop, Who
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.judging import Judge

Fight: TypeAlias = Callable[[Camp, Who], Awaitable[Seen]]
Before: TypeAlias = Callable[[Ground], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attack and its control: the same act, with the grant."""

    id: str
    tries: str
    who: Who
    stopped_by: tuple[Stop, ...]
    attack: Fight  # holds: it was stopped
    control: str
    allowed: Fight  # holds: it works

    @property
    def section(self) -> Section:
        """What it is after: the first half of its id."""
        return Section(self.id.partition("/")[0])

    @property
    def name(self) -> str:
        """What it is called within its section: the second half."""
        return self.id.partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a row came to on this machine. `stopped_by` is what there is of it here."""

    row: Row
    stopped_by: tuple[Stop, ...]
    attack: Seen
    control: Seen

    @property
    def passed(self) -> bool:
        """Whether the attack was stopped, and its control was not."""
        return self.attack.holds and self.control.holds


def by(ask: Ask, judge: Judge, before: Before | None = None) -> Fight:
    """One call, by each kind of body, on a ground of its own."""

    async def fight(camp: Camp, who: Who) -> Seen:
        async def one(ground: Ground) -> Seen:
            if before is not None:
                before(ground)
            return judge(await ground.call(ask))

        return await on_each(camp, who, one)

    return fight


async def on_each(camp: Camp, who: Who, fight: Callable[[Ground], Awaitable[Seen]]) -> Seen:
    """Fight on a fresh ground with each kind of body; what one of them breaks is broken."""
    seen = [await fight(ground) for ground in camp.grounds(who)]
    broken = [each for each in seen if not each.holds]
    return (broken or seen)[0]
