"""Compiles ahead what is served, so that no first call waits; gives up what is served no more."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from preopen.cells.pool import Pool
from preopen.cells.zygote import LaunchError
from preopen.errors import PreopenError
from preopen.serving.current import Current
from preopen.serving.registry import Tool
from preopen.tool.failure import one_line
from preopen.wire.frames import Binary

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Preparer:
    """Goes through the tools of `current()` at the start and whenever others are served."""

    pool: Pool
    current: Callable[[], Current]
    _wanted: anyio.Event = field(default_factory=anyio.Event)
    _faulty: set[Binary] = field(default_factory=set)

    def begin(self) -> None:
        """Go through the tools that are served now, as soon as those before are done."""
        self._wanted.set()

    async def run(self) -> None:
        """Prepare them in the background, one after another."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            served = self.current()
            for tool in served.registry.tools.values():
                if self.current() is not served:
                    break  # what is gone meanwhile need not be compiled
                await self._prepare(tool)
            kept = [tool.source for tool in self.current().registry.tools.values()]
            self._faulty &= {source.binary for source in kept}
            await self.pool.retire(kept)

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
