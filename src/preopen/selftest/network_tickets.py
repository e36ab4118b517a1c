"""Rows of the section *network*: native code in a cell with a network, at the gateway's door."""

from dataclasses import replace
from functools import partial
from typing import Final

from preopen.selftest.asking import Seen, Stop, Who
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.row import Fight, Row, on_each
from preopen.selftest.sending import (
    OPEN,
    SITE,
    Sent,
    answered,
    ask,
    does,
    network_row,
    refuses,
    sending,
    told,
)

URL: Final = f"{SITE}/a"
_ONCE: Final = sending(ask("fetch", URL), does("page /a"))
_OUTSIDE: Final = (Stop.NAMESPACES, Stop.TICKETS)
_FOREIGN: Final = (Stop.NAMESPACES, Stop.LANDLOCK_TCP)
_row = partial(
    network_row,
    control="a ticket is good once, at once, in its own call",
    allowed=_ONCE,
    who=Who.NATIVE,
)


def _tickets() -> list[Row]:
    late = replace(OPEN, ticket_s=0.0)
    guest = sending(ask("get", URL, network=late), _unheard)
    return [
        _row(
            "no-ticket",
            "send a request that nobody approved",
            sending(ask("guess", URL), refuses, _nothing_arrived),
            Stop.TICKETS,
        ),
        _row(
            "used-ticket",
            "use a ticket twice",
            sending(ask("fetch-twice", URL), refuses, _one_arrived),
            Stop.TICKETS,
        ),
        _row(
            "late-ticket",
            "use a ticket when its time is over",
            guest,
            Stop.TICKETS,
            control="in time it is good",
            allowed=sending(ask("get", URL), answered("page /a")),
            who=Who.COMPONENT,
        ),
        _row(
            "hoarding",
            "hold more requests at once than the limit",
            sending(ask("hoard", f"5 {URL}", limits={"requests": 2}), does(" 2")),
            Stop.REQUESTS,
            control="under a larger limit they are approved",
            allowed=sending(ask("hoard", f"5 {URL}", limits={"requests": 6}), does(" 5")),
        ),
    ]


def _unheard(sent: Sent) -> bool:
    return _nothing_arrived(sent) and bool(sent.lines) and "error" in sent.lines[0]


def _nothing_arrived(sent: Sent) -> bool:
    return not sent.got


def _one_arrived(sent: Sent) -> bool:
    return len(sent.got) == 1


def _neighbours() -> list[Row]:
    return [
        _row(
            "stolen-ticket",
            "use the ticket of another call, while that runs",
            _beside("steal"),
            Stop.TICKETS,
        ),
        _row(
            "other-gateway",
            "use it at the port that the other cell's gateway has",
            _beside("trespass"),
            *_FOREIGN,
        ),
        _row(
            "gateway-from-outside",
            "reach a cell's gateway from this machine's loopback",
            sending(ask("knocked", SITE), does(without="HTTP/1.1")),
            *_OUTSIDE,
        ),
    ]


def _beside(act: str) -> Fight:
    """Leave a ticket by one call, and use it by another that runs beside it."""

    async def fight(camp: Camp, who: Who) -> Seen:
        async def one(ground: Ground) -> Seen:
            before = len(camp.site.got)
            left, used = await ground.call_beside(
                ask("leave", f"@ground {SITE}"), ask(act, f"@ground {SITE}")
            )
            got = tuple(camp.site.got[before:])
            met = does("fetched")(told(left, got))
            holds = met and refuses(told(used, got))
            holds = holds and not any(each.path == "/stolen" for each in got)
            return Seen(holds=holds, saw=told(used, got).saw)

        return await on_each(camp, who, one)

    return fight


ROWS: Final = (*_tickets(), *_neighbours())
