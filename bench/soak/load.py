"""The load: paced honest workers, and beside them so many hostile calls for each honest one."""

import itertools
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field

import anyio

from bench.soak import honest, hostile
from bench.soak.client import Client
from bench.soak.grounds import KINDS, Grounds
from bench.soak.samples import take_sample
from bench.soak.verdict import Phase

WORKERS = 4  # as the parallel calls of one turn of an agent
PAUSE_S = 0.05  # between two calls of a worker: latency is compared at the same offered load
HOSTILE_AT_ONCE = 24  # three quarters of the 32 cells: the rest is a call's way in
SAMPLE_S = 1.0
MAX_WRONG = 20  # that are told; what goes wrong once may go wrong ten thousand times


@dataclass(slots=True)
class Load:
    """One phase of load upon one server. `share` is that of hostile calls, 0 to below 1."""

    client: Client
    grounds: Grounds
    phase: Phase
    share: float
    ends_at: float
    sample_s: float = SAMPLE_S
    _due: float = 0.0
    _done: bool = False
    _asked: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Load the server until the phase ends and every call has its answer."""
        async with anyio.create_task_group() as tasks:
            if self.share:
                tasks.start_soon(self._be_hostile)
            tasks.start_soon(self._sample)
            async with anyio.create_task_group() as workers:
                for worker in range(WORKERS):
                    workers.start_soon(self._be_honest, worker)
            self._done = True
            self._asked.set()

    @property
    def _over(self) -> bool:
        return time.monotonic() >= self.ends_at

    async def _be_honest(self, worker: int) -> None:
        for number in itertools.count(worker, WORKERS):
            if self._over:
                return
            name, calls, act = honest.ACTS[(number // WORKERS) % len(honest.ACTS)]
            started = time.perf_counter()
            problem = await _watched(act(self.client, self.grounds, number))
            took = (time.perf_counter() - started) * 1000 / calls
            self.phase.took_ms += [took] * calls
            self.phase.honest += calls
            if problem:
                self._tell(f"{name} was answered wrongly: {problem}")
            self._due += calls * self.share / (1 - self.share)
            self._asked.set()
            await anyio.sleep(PAUSE_S)

    async def _be_hostile(self) -> None:
        places = anyio.Semaphore(HOSTILE_AT_ONCE)
        attacks = itertools.cycle([(a, kind) for a in hostile.ATTACKS for kind in KINDS])
        async with anyio.create_task_group() as tasks:
            while not self._done:
                asked = self._asked = anyio.Event()
                while self._due >= 1:
                    self._due -= 1
                    await places.acquire()
                    tasks.start_soon(self._attack, *next(attacks), places)
                if not self._done:
                    await asked.wait()

    async def _attack(self, attack: hostile.Attack, kind: str, places: anyio.Semaphore) -> None:
        try:
            end = await _watched(attack.act(self.client, kind))
        finally:
            places.release()
        row = f"{attack.name}: {end}"
        self.phase.hostile[row] = self.phase.hostile.get(row, 0) + 1
        if end not in attack.ends:
            self._tell(f"{kind} that {attack.name} ended otherwise than it may: {end}")

    async def _sample(self) -> None:
        started = time.monotonic()
        while not self._over:
            pid, at_s = self.client.process.pid, time.monotonic() - started
            sample = take_sample(pid, at_s=at_s, files=self.grounds.files())
            self.phase.samples.append(sample)
            self.grounds.clear_scratch()
            await anyio.sleep(self.sample_s)

    def _tell(self, fault: str) -> None:
        if len(self.phase.wrong) < MAX_WRONG:
            self.phase.wrong.append(fault)


async def _watched(act: Awaitable[str]) -> str:
    try:
        return await act
    except TimeoutError:
        return "no answer"
