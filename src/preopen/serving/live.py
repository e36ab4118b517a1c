"""A server whose tools follow their files: reloads, what clients hear of them, what is prepared."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from preopen.cells.pool import Pool
from preopen.policy.policy import Policy
from preopen.serving.announcing import Announcer
from preopen.serving.current import Current
from preopen.serving.invocation import Invoke
from preopen.serving.listing import events_between
from preopen.serving.preparing import Preparer
from preopen.serving.recording import Recorder
from preopen.serving.registry import Registry
from preopen.serving.reload import Reloader
from preopen.serving.server import INSTRUCTIONS, PreopenServer, make_server
from preopen.serving.sources import Sources
from preopen.serving.watching import look_whenever_touched


@asynccontextmanager
async def open_live(
    pool: Pool,
    policy: Policy,
    registry: Registry,
    sources: Sources,
    make_invoke: Callable[[Policy], Invoke],
    *,
    recorder: Recorder,
) -> AsyncIterator[PreopenServer]:
    """Give a server that begins with this policy and registry, and then follows `sources`."""
    announcer = Announcer()

    async def swapped(old: Current, new: Current) -> None:
        pool.require(new.policy.required_layers)
        recorder.adopt(new.policy.auditing)
        preparer.begin()
        # In a thread: of a hundred tools it takes as long as some calls.
        await announcer.tell(await anyio.to_thread.run_sync(events_between, old, new))

    reloader = Reloader(
        sources=sources,
        current=Current(policy=policy, registry=registry, invoke=make_invoke(policy)),
        make_invoke=make_invoke,
        holds=pool.holds,
        swapped=swapped,
    )
    preparer = Preparer(pool, lambda: reloader.current)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(preparer.run)
        tasks.start_soon(look_whenever_touched, reloader.wanted, reloader.look)
        preparer.begin()
        yield make_server(
            lambda: reloader.current,
            instructions=INSTRUCTIONS,
            announcer=announcer,
            recorder=recorder,
        )
        tasks.cancel_scope.cancel()
