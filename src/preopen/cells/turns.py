"""Which running cells give way: those that have computed for long, to all that have not.

A guest may spin until its deadline. Two of them on two CPUs would be half of what runs there, and
each short call would wait behind them: beside such, short calls took five times as long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio

from preopen.cells.handle import Cell

SWEEP_S: Final = 0.01  # nobody computes for longer unseen; a sweep asks the kernel once per cell
# What a call may compute at full weight: some times what most calls of the built-in tools need. By
# the median of ninety seconds each, at one hostile call for each honest one, honest calls took
# 1.84 times as long as alone with 10 ms here, 1.85 with 20 ms, and 2.4 in ten minutes with 50 ms.
FULL_WEIGHT_MS: Final = 10.0


@dataclass(slots=True)
class Turns:
    """The cells that run a call now, each with the CPU time that it had used when that began."""

    _running: dict[Cell, float] = field(default_factory=dict)
    _begun: anyio.Event = field(default_factory=anyio.Event)

    @contextmanager
    def of(self, cell: Cell) -> Iterator[None]:
        """Look after a cell while it runs a call."""
        self._running[cell] = cell.cpu_ms()
        self._begun.set()
        try:
            yield
        finally:
            del self._running[cell]

    async def keep(self) -> None:
        """Have each cell give way once its call has computed for long; sleep where none runs."""
        while True:
            if not self._running:
                self._begun = anyio.Event()
                await self._begun.wait()
            await anyio.sleep(SWEEP_S)
            for cell, before in self._running.items():
                if not cell.gave_way and cell.cpu_ms() - before >= FULL_WEIGHT_MS:
                    cell.give_way()
