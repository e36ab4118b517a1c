"""Compiles ahead what is served, so that no first call waits; gives up what is served no more."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio

from preopen.cells.pool import Pool
from preopen.cells.zygote import LaunchError
from preopen.errors import PreopenError
from preopen.serving.current import Current
from preopen.serving.registry import Tool
from preopen.tool.failure import one_line
from preopen.wire.frames import Binary

_DAY: Final = 24 * 3600  # seconds

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Preparer:
    """Goes through the tools of `current()` at the start and whenever others are served."""

    pool: Pool
    current: Callable[[], Current]
    _wanted: anyio.Event = field(default_factory=anyio.Event)
    _faulty: set[Binary] = field(default_factory=set)
    _next_tidying: float = 0  # by the event loop's clock

    def begin(self) -> None:
        """Go through the tools that are served now, as soon as those before are done."""
        self._wanted.set()

    async def run(self) -> None:
        """Prepare them in the background, one after another; tidy the cache then and once a day."""
        while True:
            with anyio.move_on_after(_DAY):
                await self._wanted.wait()
            if self._wanted.is_set():
                self._wanted = anyio.Event()
                await self._prepare_all()
            await self._tidy()

    async def _prepare_all(self) -> None:
        served = self.current()
        for tool in served.registry.tools.values():
            if self.current() is not served:
                break  # what is gone meanwhile need not be compiled
            await self._prepare(tool)
        kept = [tool.source for tool in self.current().registry.tools.values()]
        self._faulty &= {source.binary for source in kept}
        await self.pool.retire(kept)

    async def _tidy(self) -> None:
        """Have old compiled files removed; after preparing, which is what marks those in use."""
        if self._wanted.is_set() or anyio.current_time() < self._next_tidying:
            return
        self._next_tidying = anyio.current_time() + _DAY / 2
        try:
            gone = await self.pool.cache.tidy()
        except PreopenError:
            return  # each call says what is wrong with the folder
        if gone:
            size = sum(each.size for each in gone) >> 20
            log.info("preopen: removed %d compiled files, unused for long: %d MiB", len(gone), size)

    async def _prepare(self, tool: Tool) -> None:
        """Prepare one tool; a fault is told once, and told again by each call."""
        if tool.source.networked and not tool.grants.egress:
            return  # it could send nothing, so nobody waits for it
        if tool.source.binary in self._faulty:
            return
        try:
            await self.pool.prepare(tool.source)
        except (PreopenError, LaunchError) as error:
            self._faulty.add(tool.source.binary)
            log.warning("preopen: %s: %s", tool.name, one_line(str(error)))
