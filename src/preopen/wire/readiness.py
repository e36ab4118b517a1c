"""Whether a descriptor can be read, asked again and again. One task asks at a time.

`anyio.wait_readable` registers a descriptor anew each time, in some eight system calls: a call of a
tool-bound cell, which waits twice, took 40 µs longer. Here it stays registered while it is quiet.
What comes while nobody asks ends that, or a cell that talks unasked would keep the loop awake.
"""

import asyncio
import select
from contextlib import suppress

import anyio


class Readiness:
    """Watches a descriptor that stays the caller's, who closes this first."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._asking: asyncio.Future[bool] | None = None
        self._registered: asyncio.AbstractEventLoop | None = None
        self._closed = False
        # An event may be on its way to us while what it tells of is read: who asks again then would
        # be told of that, and a read that blocks would hold the loop.
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    async def wait(self) -> None:
        """Wait until a read would not block; an end and an error are such, too.

        Raises:
            BusyResourceError: another task waits.
            ClosedResourceError: this was closed, before or meanwhile.

        """
        if self._closed:
            raise anyio.ClosedResourceError
        if self._asking is not None:
            raise anyio.BusyResourceError("reading from")
        loop = asyncio.get_running_loop()
        self._asking = loop.create_future()
        try:
            if self._registered is None:
                loop.add_reader(self._descriptor, self._answer)
                self._registered = loop
            may_read = await self._asking
        finally:
            self._asking = None
        if not may_read:
            raise anyio.ClosedResourceError

    def _answer(self) -> None:
        if self._asking is None:
            self._unregister()
        elif not self._asking.done() and self._poll.poll(0):
            self._asking.set_result(True)

    def _unregister(self) -> None:
        loop, self._registered = self._registered, None
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and its registrations with it
                loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Watch no more, and wake who waits. May be called again, and when no loop runs."""
        self._closed = True
        self._unregister()
        if self._asking is not None and not self._asking.done():
            self._asking.set_result(False)
