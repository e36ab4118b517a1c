"""Living cells of one kind, ready for a call: warm spares, and those that are bound to a tool."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio

from preopen.cells.cache import BinarySource, Cache
from preopen.cells.handle import Cell
from preopen.cells.job import Job
from preopen.cells.launch import Launcher
from preopen.cells.zygote import LaunchError
from preopen.errors import PreopenError
from preopen.layer import Layer
from preopen.wire.frames import Answer, Binary
from preopen.wire.starters import STARTERS

# Cells warmed ahead: so many calls may an agent make at once without one that waits. Each costs
# some ms of CPU to make and 2 MB of its own. Half of them are made at once, when the other half is
# left: a call in a row of many took 4.3 ms with 6 of them and 5.7 ms with 2; with 8, 3 % less than
# with 6, and no less with 10. And after a call, not beside it, unless none is left: a call beside
# which one was warmed waited for its CPU, up to 3 ms each time that it had waited for something.
SPARES = 8
IDLE_BOUND = (
    16  # tool-bound cells kept between calls, over all tools; the longest idle one leaves first
)
# Ends after which a tool-bound cell takes further calls: each has a Store, and so fuel, of its own.
_MAY_GO_ON = frozenset({"exited", "trapped", "out_of_fuel"})
_TRIES = 2  # before a guest has run nothing is lost by launching again after the zygote was lost


STARTER_SOURCES: Final = tuple(
    BinarySource(binary=each.binary, place="preopen's own starter", read=partial(bytes, each.text))
    for each in STARTERS
)


@dataclass(slots=True, eq=False)
class Supply:
    """Cells of one launcher. `spares` are kept warm, from the first call on where it is `lazy`."""

    launcher: Launcher
    cache: Cache
    spares: int = SPARES
    lazy: bool = False
    _spare: deque[Cell] = field(default_factory=deque)
    _bound: deque[tuple[str, Cell]] = field(default_factory=deque)
    _wanted: anyio.Event = field(default_factory=anyio.Event)
    _closed: bool = False

    def knows(self, sources: Sequence[BinarySource]) -> bool:
        """Whether a call of these binaries would wait for no compile and no load."""
        return all(self.launcher.knows(source.binary) for source in sources)

    async def prepare(self, sources: Sequence[BinarySource]) -> None:
        """Have binaries compiled and loaded, so that no call of them waits.

        Raises:
            BinaryError: one cannot be compiled.
            PlatformError: the cache's folder is not ours alone.
            LaunchError: no process could be started.

        """
        for each in (*STARTER_SOURCES, *sources):
            if not self.launcher.knows(each.binary):
                async with self.cache.lend(each) as compiled:
                    await self.launcher.load(each.binary, compiled)

    def require(self, layers: frozenset[Layer]) -> None:
        """Hand out no cell from now on where one of these layers is missing; end those that wait.

        They were made before, and nobody asked for the layers then.
        """
        if not layers <= self.launcher.required:
            self._end_waiting()
        self.launcher.required = layers

    async def retire(self, keep: Collection[Binary]) -> None:
        """Have later cells know only these binaries, and our own starters."""
        await self.launcher.retire({*keep, *(each.binary for each in STARTERS)})

    async def take(self, job: Job) -> Cell:
        """Return a living cell: one bound to this job's tool, else a spare, else a new one."""
        binding = job.binding
        if binding is not None:
            for identity, cell in list(self._bound):
                if identity == binding.identity:
                    self._bound.remove((identity, cell))
                    if cell.alive:
                        return cell
                    cell.close()
        cell = await self._take_spare()
        cell.calls_left = binding.calls if binding else 1
        return cell

    async def _take_spare(self) -> Cell:
        if self.lazy:
            self._wanted.set()
        while self._spare:
            cell = self._spare.popleft()
            if not self._spare:
                self._wanted.set()
            if cell.alive:
                return cell
            cell.close()
        return (await self._launch(1))[0]

    async def _launch(self, count: int) -> list[Cell]:
        for attempt in range(_TRIES):
            try:
                await self.prepare(())
                return await self.launcher.launch(count)
            except LaunchError:
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError  # the loop returns or raises

    def give_back(self, cell: Cell, job: Job, answer: Answer | None) -> None:
        """Keep a tool-bound cell that may take more calls; end any other.

        Ending is killing: a cell that answered leaves by itself, unless something in it decided
        otherwise.
        """
        cell.calls_left -= 1
        if len(self._spare) <= self.spares // 2:
            self._wanted.set()
        fit = answer is not None and answer.end in _MAY_GO_ON and not cell.gave_way
        if job.binding is None or not fit or cell.calls_left < 1 or self._closed:
            cell.close()
            return
        self._bound.append((job.binding.identity, cell))
        if len(self._bound) > IDLE_BOUND:
            self._bound.popleft()[1].close()

    async def keep_spares(self) -> None:
        """Keep warm cells ready. What goes wrong here goes wrong again, and louder, in a call."""
        if self.lazy:
            await self._wanted.wait()
        while True:
            self._wanted = anyio.Event()
            try:
                while len(self._spare) < self.spares:
                    self._keep(await self._launch(self.spares - len(self._spare)))
            except (LaunchError, PreopenError):
                pass
            await self._wanted.wait()

    def _keep(self, cells: Sequence[Cell]) -> None:
        # A launch that was done at the very moment of the end is not cancelled any more.
        if self._closed:
            for cell in cells:
                cell.close()
        else:
            self._spare += cells

    def close(self) -> None:
        """Kill every cell and whatever launches them; who comes back with one has it killed."""
        self._closed = True
        self._end_waiting()
        self.launcher.close()

    def _end_waiting(self) -> None:
        for cell in [*self._spare, *(cell for _, cell in self._bound)]:
            cell.close()
        self._spare.clear()
        self._bound.clear()
