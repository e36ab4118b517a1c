"""Fights every row, one after another, and says what came of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import anyio

from preopen.cells.zygote import LaunchError
from preopen.errors import PreopenError
from preopen.selftest import compiling, files, hogs, leaks, liars, network
from preopen.selftest.asking import LAYERS, Section, Seen, Who
from preopen.selftest.ground import Camp
from preopen.selftest.row import Fight, Result, Row

FIGHT_SECONDS: Final = 60  # a row that is not over by then is broken: the next ones still run

ROWS: Final[Mapping[Section, Sequence[Row]]] = {
    Section.FILES: files.ROWS,
    Section.HOGS: (*hogs.ROWS, *compiling.ROWS),
    Section.LEAKS: leaks.ROWS,
    Section.LIARS: liars.ROWS,
    Section.NETWORK: network.ROWS,
}


async def fight_all(camp: Camp, sections: frozenset[Section]) -> AsyncIterator[Result]:
    """Yield the result of each row of these sections."""
    for section, rows in ROWS.items():
        if section in sections:
            for row in rows:
                yield await fight(camp, row)


async def fight(camp: Camp, row: Row) -> Result:
    """Return what one row comes to. Nothing that happens in it is raised."""
    attack = await _seen(row.attack, camp, row.who)
    control = await _seen(row.allowed, camp, row.who)
    here = tuple(stop for stop in row.stopped_by if stop not in LAYERS or stop.value in camp.layers)
    return Result(row=row, stopped_by=here, attack=attack, control=control)


async def _seen(fight: Fight, camp: Camp, who: Who) -> Seen:
    """Run one fight; an error in it is no stop: nobody knows what it would have come to."""
    try:
        with anyio.fail_after(FIGHT_SECONDS):
            return await fight(camp, who)
    except TimeoutError:
        return Seen(holds=False, saw=f"not over after {FIGHT_SECONDS}s")
    except (PreopenError, LaunchError, OSError) as error:
        return Seen(holds=False, saw=f"{type(error).__name__}: {error}")
