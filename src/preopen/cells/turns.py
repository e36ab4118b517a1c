"""Which running cells give way: those that have computed for long, to all that have not.

A guest may spin until its deadline. Two of them on two CPUs would be half of what runs there, and
each short call would wait behind them: beside such, short calls took five times as long. A tenth of
a short call's weight for each is still as much as the call where there are ten; so the more of them
run, the less each weighs, and all of a CPU that nobody else wants is theirs.
"""

import math
import os
from dataclasses import dataclass, field
from typing import Final

import anyio

from preopen.cells.handle import Cell

SWEEP_S: Final = 0.01  # nobody computes for longer unseen; a sweep asks the kernel once per cell
# What a call may compute at full weight: some times what most calls of the built-in tools need. By
# the median of ninety seconds each, at one hostile call for each honest one, honest calls took
# 1.84 times as long as alone with 10 ms here, 1.85 with 20 ms, and 2.4 in ten minutes with 50 ms.
FULL_WEIGHT_MS: Final = 10.0
# Of a cell that has more calls to serve: once it gave way it is of no use to the next one.
BOUND_WEIGHT_MS: Final = 50.0
STEPS: Final = 10  # of niceness: a tenth of the weight
MOST_STEPS: Final = 19


@dataclass(slots=True)
class Turns:
    """The cells that run a call now, each with the CPU time that it had used when that began."""

    _running: dict[Cell, float] = field(default_factory=dict)
    _begun: anyio.Event = field(default_factory=anyio.Event)

    def begin(self, cell: Cell) -> None:
        """Look after a cell, which has begun to run a call, until `end`."""
        self._running[cell] = cell.cpu_ms()
        self._begun.set()

    def end(self, cell: Cell) -> None:
        """Look after it no more, if it has begun."""
        self._running.pop(cell, None)

    async def keep(self) -> None:
        """Have each cell give way once its call has computed for long; sleep where none runs."""
        while True:
            if not self._running:
                self._begun = anyio.Event()
                await self._begun.wait()
            await anyio.sleep(SWEEP_S)
            heavy = [c for c, before in self._running.items() if _has_computed_long(c, before)]
            if heavy:
                nicer_by = steps_for(len(heavy))
                for cell in heavy:
                    cell.give_way(nicer_by)


def _has_computed_long(cell: Cell, before_ms: float) -> bool:
    most = BOUND_WEIGHT_MS if cell.calls_left > 1 else FULL_WEIGHT_MS
    return cell.gave_way or cell.cpu_ms() - before_ms >= most


def steps_for(cells: int) -> int:
    """Return by how many steps each of so many cells is nicer: together they weigh as one or two.

    Three steps halve a weight. On an own CPU each weighs a tenth: SCHED_IDLE would be a
    three-hundredth, and a search beside a compile would never end.
    """
    crowd = cells / (os.cpu_count() or 1)
    more = 3 * math.ceil(math.log2(crowd)) if crowd > 1 else 0
    return min(STEPS + more, MOST_STEPS)
