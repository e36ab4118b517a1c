"""Runs jobs in cells: permits, spare cells, deadlines, and the kill that ends a call.

A call's wall time counts from the moment that its cell is asked: waiting for a permit and compiling
are not the guest's.
"""

import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from preopen.cells.cache import BinarySource, Cache
from preopen.cells.handle import Cell, End
from preopen.cells.job import Job, Run, make_call
from preopen.cells.launch import Launcher, SpawnLauncher, ZygoteLauncher
from preopen.cells.permits import Full, Permits
from preopen.cells.rate import Rates
from preopen.cells.turns import Turns
from preopen.cells.verdict import read_answer, read_end, read_usage
from preopen.cells.zygote import LaunchError
from preopen.errors import PreopenError
from preopen.outcome import CellLost, TimedOut, Usage
from preopen.wire.channel import ChannelClosed
from preopen.wire.frames import Answer, FrameError, Load
from preopen.wire.starters import ASKS_ARGUMENTS, ASKS_NOTHING, ASKS_STATUS, starter_binary

# Cells warmed ahead; each costs some ms of CPU to make and a few MB of its own. Half of them are
# made at once, when the other half is left: a call in a row of many took 4.3 ms with 6 of them and
# 5.7 ms with 2.
SPARES = 6
IDLE_BOUND = (
    16  # tool-bound cells kept between calls, over all tools; the longest idle one leaves first
)
_REAP_SECONDS = (
    2  # a killed process is reaped within a millisecond; past this the verdict does without
)
# Ends after which a tool-bound cell takes further calls: each has a Store, and so fuel, of its own.
_MAY_GO_ON = frozenset({"exited", "trapped", "out_of_fuel"})
_TRIES = 2  # before a guest has run nothing is lost by launching again after the zygote was lost


def _starter(text: bytes) -> BinarySource:
    return BinarySource(
        binary=starter_binary(text), place="preopen's own starter", read=partial(bytes, text)
    )


_STARTERS = (_starter(ASKS_NOTHING), _starter(ASKS_ARGUMENTS), _starter(ASKS_STATUS))


@dataclass(slots=True, eq=False)
class Pool:
    """The cells of one server. Made by `open_pool`; `run` may be called from many tasks at once."""

    launcher: Launcher
    cache: Cache
    permits: Permits
    spares: int = SPARES
    rates: Rates = field(default_factory=lambda: Rates(time.monotonic_ns))
    turns: Turns = field(default_factory=Turns)
    _spare: deque[Cell] = field(default_factory=deque)
    _bound: deque[tuple[str, Cell]] = field(default_factory=deque)
    _wanted: anyio.Event = field(default_factory=anyio.Event)

    def knows(self, source: BinarySource) -> bool:
        """Whether a call of this binary would wait for no compile and no load."""
        return self.launcher.knows(source.binary)

    async def prepare(self, source: BinarySource) -> None:
        """Have a binary compiled and loaded, so that no call of it waits.

        Raises:
            BinaryError: it cannot be compiled.
            PlatformError: the cache's folder is not ours alone.
            LaunchError: no process could be started.

        """
        for each in (*_STARTERS, source):
            if not self.launcher.knows(each.binary):
                await self.launcher.load(each.binary, await self.cache.open(each))

    async def run(self, job: Job) -> Run:
        """Run one job to its outcome, whatever a guest, a cell or the zygote does.

        A cancellation kills the cell, then goes on. Raises what `prepare` raises, but LaunchError.
        """
        limits = job.limits
        if limits.rate is not None:
            busy = self.rates.count(job.tool, limits.rate)
            if busy is not None:
                return Run(outcome=busy)
        try:
            async with self.permits.hold(
                job.tool, concurrency=limits.concurrency, queue=limits.queue
            ):
                return await self._run_in(await self._take(job), job)
        except Full as full:
            if limits.rate is not None:
                self.rates.take_back(job.tool)
            return Run(outcome=full.busy)
        except LaunchError as error:
            return Run(outcome=CellLost(reason=str(error), may_pass=error.may_pass))

    async def _run_in(self, cell: Cell, job: Job) -> Run:
        started, answer = time.perf_counter(), None
        try:
            with self.turns.of(cell), anyio.move_on_after(job.limits.wall_time_ms / 1000):
                answer = await self._ask(cell, job)
            if answer is not None:
                outcome, usage = read_answer(answer, job), read_usage(answer, job.limits)
            else:
                cell.kill()
                outcome = TimedOut(limit="wall_time", limit_ms=job.limits.wall_time_ms)
                usage = _usage_of(await _reaped(cell))
        except (ChannelClosed, FrameError):
            end = await _reaped(cell)
            outcome, usage = read_end(end, job.limits), _usage_of(end)
        finally:
            self._give_back(cell, job, answer)
        return Run(
            outcome=outcome,
            cell="tool" if job.binding else "call",
            walls=cell.layers,
            walls_missing=tuple(f"{layer}: {why}" for layer, why in cell.missing.items()),
            usage=replace(usage, wall_time_ms=(time.perf_counter() - started) * 1000),
        )

    async def _ask(self, cell: Cell, job: Job) -> Answer:
        binary = job.source.binary
        if binary not in cell.knows:  # it was forked before the binary was loaded
            await cell.channel.send(Load(binary=binary), (await self.cache.open(job.source),))
            cell.knows.add(binary)
        if cell.walled:
            await cell.channel.send(make_call(job, None, cell.calls_left))
        elif job.binding is None:
            await cell.channel.send(make_call(job, job.mounts, cell.calls_left))
        else:
            with job.binding.open_whole() as whole:
                await cell.channel.send(make_call(job, whole, cell.calls_left))
        cell.walled = True
        match await cell.channel.receive():
            case Answer() as answer:
                return answer
            case frame:
                msg = f"a cell says no {type(frame).__name__}"
                raise FrameError(msg)

    async def _take(self, job: Job) -> Cell:
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
        while self._spare:
            cell = self._spare.popleft()
            if len(self._spare) <= self.spares // 2:
                self._wanted.set()
            if cell.alive:
                return cell
            cell.close()
        return (await self._launch(1))[0]

    async def _launch(self, count: int) -> list[Cell]:
        for attempt in range(_TRIES):
            try:
                for starter in _STARTERS:
                    await self.prepare(starter)
                return await self.launcher.launch(count)
            except LaunchError:
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError  # the loop returns or raises

    def _give_back(self, cell: Cell, job: Job, answer: Answer | None) -> None:
        """Keep a tool-bound cell that may take more calls; end any other.

        Ending is killing: a cell that answered leaves by itself, unless something in it decided
        otherwise.
        """
        cell.calls_left -= 1
        fit = answer is not None and answer.end in _MAY_GO_ON
        if job.binding is None or not fit or cell.gave_way or cell.calls_left < 1:
            cell.close()
            return
        self._bound.append((job.binding.identity, cell))
        if len(self._bound) > IDLE_BOUND:
            self._bound.popleft()[1].close()

    async def keep_spares(self) -> None:
        """Keep warm cells ready. What goes wrong here goes wrong again, and louder, in a call."""
        while True:
            self._wanted = anyio.Event()
            try:
                while len(self._spare) < self.spares:
                    self._spare += await self._launch(self.spares - len(self._spare))
            except (LaunchError, PreopenError):
                pass
            await self._wanted.wait()

    def close(self) -> None:
        """Kill every cell and whatever launches them."""
        for cell in [*self._spare, *(cell for _, cell in self._bound)]:
            cell.close()
        self._spare.clear()
        self._bound.clear()
        self.launcher.close()
        self.cache.close()


@asynccontextmanager
async def open_pool(
    launcher: ZygoteLauncher | SpawnLauncher, cache: Cache, *, cells: int, spares: int = SPARES
) -> AsyncIterator[Pool]:
    """Open a pool of at most `cells` calls at once; at the end every process of it is gone."""
    async with anyio.create_task_group() as tasks:
        launcher.tasks = tasks
        pool = Pool(launcher, cache, Permits(cells), spares)
        tasks.start_soon(pool.keep_spares)
        tasks.start_soon(pool.turns.keep)
        try:
            yield pool
        finally:
            pool.close()
            tasks.cancel_scope.cancel()


async def _reaped(cell: Cell) -> End:
    with anyio.move_on_after(_REAP_SECONDS):
        return await cell.ended()
    return End()


def _usage_of(end: End) -> Usage:
    return Usage(cpu_time_ms=end.cpu_ms, peak_memory_bytes=end.max_rss_bytes, memory_of="process")
