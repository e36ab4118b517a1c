"""Runs jobs in cells: permits, spare cells, deadlines, and the kill that ends a call.

A call's wall time counts from the moment that its cell is asked: waiting for a permit and compiling
are not the guest's.
"""

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from preopen.cells.cache import BinarySource, Cache
from preopen.cells.gate import gate_source
from preopen.cells.handle import Cell, End
from preopen.cells.job import Attended, Job, Run, make_call
from preopen.cells.launch import Launcher, SpawnLauncher, ZygoteLauncher
from preopen.cells.permits import Full, Permits
from preopen.cells.rate import Rates
from preopen.cells.supply import SPARES, STARTER_SOURCES, Supply
from preopen.cells.turns import Turns
from preopen.cells.verdict import read_answer, read_end, read_usage
from preopen.cells.zygote import LaunchError
from preopen.layer import Layer
from preopen.outcome import CellLost, TimedOut, Usage
from preopen.wire.channel import ChannelClosed
from preopen.wire.codec import FrameError
from preopen.wire.frames import Answer, Ask, Load

_REAP_SECONDS = (
    2  # a killed process is reaped within a millisecond; past this the verdict does without
)
# Spare cells with a network: fewer calls want one, and each has a namespace that costs 2 ms.
NETWORK_SPARES = 4


@dataclass(slots=True, eq=False)
class Pool:
    """The cells of one server. Made by `open_pool`; `run` may be called from many tasks at once."""

    plain: Supply
    network: Supply
    cache: Cache
    permits: Permits
    rates: Rates = field(default_factory=lambda: Rates(time.monotonic_ns))
    turns: Turns = field(default_factory=Turns)

    @property
    def launcher(self) -> Launcher:
        """Launches the cells without a network: what it learns of the wall holds for all."""
        return self.plain.launcher

    def _supply(self, source: BinarySource) -> Supply:
        return self.network if source.networked else self.plain

    def knows(self, source: BinarySource) -> bool:
        """Whether a call of this binary would wait for no compile and no load."""
        return self._supply(source).knows(_sources(source))

    async def prepare(self, source: BinarySource) -> None:
        """Have a binary compiled and loaded, so that no call of it waits.

        Raises:
            BinaryError: it cannot be compiled.
            PlatformError: the cache's folder is not ours alone.
            LaunchError: no process could be started.

        """
        await self._supply(source).prepare(_sources(source))

    def holds(self, source: BinarySource) -> bool:
        """Whether a call of this binary would need its bytes no more: it is compiled."""
        return self.cache.holds(source.binary)

    def require(self, layers: frozenset[Layer]) -> None:
        """Hand out no cell from now on where one of these layers of the wall is missing."""
        self.plain.require(layers)
        self.network.require(layers)

    async def retire(self, keep: Iterable[BinarySource]) -> None:
        """Give up binaries that no tool has any more: memory, descriptors, a part of each fork.

        A call that is on its way with one has it found on disk again.
        """
        kept = {each.binary for source in keep for each in _sources(source)}
        await self.plain.retire(kept)
        await self.network.retire(kept)
        self.cache.retire(kept | {each.binary for each in STARTER_SOURCES})

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
            await self.permits.take(job.tool, concurrency=limits.concurrency, queue=limits.queue)
            try:
                return await self._run_in(await self._supply(job.source).take(job), job)
            finally:
                self.permits.give_back(job.tool)
        except Full as full:
            if limits.rate is not None:
                self.rates.take_back(job.tool)
            return Run(outcome=full.busy)
        except LaunchError as error:
            return Run(outcome=CellLost(reason=str(error), may_pass=error.may_pass))

    async def _run_in(self, cell: Cell, job: Job) -> Run:
        started, answer = time.perf_counter(), None
        try:
            with anyio.move_on_after(job.limits.wall_time_ms / 1000):
                answer = await self._ask(cell, job)
            if answer is not None:
                usage = read_usage(answer, job.limits, _ms_since(started))
                outcome = read_answer(answer, job)
            else:
                cell.kill()
                outcome = TimedOut(limit="wall_time", limit_ms=job.limits.wall_time_ms)
                usage = _usage_of(await _reaped(cell), started)
        except (ChannelClosed, FrameError):
            end = await _reaped(cell)
            outcome, usage = read_end(end, job.limits), _usage_of(end, started)
        finally:
            self._supply(job.source).give_back(cell, job, answer)
        return Run(
            outcome=outcome,
            cell="tool" if job.binding else "call",
            walls=cell.layers,
            walls_missing=tuple(f"{layer}: {why}" for layer, why in cell.missing.items()),
            usage=usage,
        )

    async def _ask(self, cell: Cell, job: Job) -> Answer:
        for each in _sources(job.source):
            if each.binary not in cell.knows:  # it was forked before the binary was loaded
                async with self.cache.lend(each) as compiled:
                    await cell.channel.send(Load(binary=each.binary), (compiled,))
                cell.knows.add(each.binary)
        try:
            if job.attend is None:
                await self._send(cell, job, port=0)
                return await _answer_of(cell, None)
            async with job.attend(await cell.listen()) as attended:
                await self._send(cell, job, port=attended.port)
                return await _answer_of(cell, attended)
        finally:
            self.turns.end(cell)

    async def _send(self, cell: Cell, job: Job, *, port: int) -> None:
        """Send a call; the first that a cell gets has the wall with it."""
        if cell.walled:
            await cell.channel.send(make_call(job, None, cell.calls_left, port))
        elif job.binding is None:
            await cell.channel.send(make_call(job, job.mounts, cell.calls_left, port))
        else:
            with job.binding.open_whole() as whole:
                await cell.channel.send(make_call(job, whole, cell.calls_left, port))
        cell.walled = True
        self.turns.begin(cell)  # while it works already: a question to the kernel takes its time

    def close(self) -> None:
        """Kill every cell and whatever launches them."""
        self.plain.close()
        self.network.close()
        self.cache.close()


@asynccontextmanager
async def open_pool(
    launcher: ZygoteLauncher | SpawnLauncher, cache: Cache, *, cells: int, spares: int = SPARES
) -> AsyncIterator[Pool]:
    """Open a pool of at most `cells` calls at once; at the end every process of it is gone."""
    async with anyio.create_task_group() as tasks:
        beside = launcher.with_network()
        launcher.tasks = beside.tasks = tasks
        pool = Pool(
            plain=Supply(launcher, cache, spares),
            network=Supply(beside, cache, min(spares, NETWORK_SPARES), lazy=True),
            cache=cache,
            permits=Permits(cells),
        )
        tasks.start_soon(pool.plain.keep_spares)
        tasks.start_soon(pool.network.keep_spares)
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


def _usage_of(end: End, started: float) -> Usage:
    return Usage(
        wall_time_ms=_ms_since(started),
        cpu_time_ms=end.cpu_ms,
        peak_memory_bytes=end.max_rss_bytes,
        memory_of="process",
    )


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


async def _answer_of(cell: Cell, attended: Attended | None) -> Answer:
    """Return a cell's answer; what it asks until then is answered by who attends the call."""
    while True:
        match await cell.channel.receive():
            case Answer() as answer:
                return answer
            case Ask() as ask if attended is not None:
                await cell.channel.send(await attended.answer(ask))
            case frame:
                msg = f"a cell says no {type(frame).__name__}"
                raise FrameError(msg)


def _sources(source: BinarySource) -> tuple[BinarySource, ...]:
    """Return what a cell must have loaded for a call of this binary."""
    if not source.networked:
        return (source,)
    return source, gate_source(source.binary)
