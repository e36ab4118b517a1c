"""Calls that count, by a clock that a test sets, for the tests of this room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from preopen.outcome import Denial
from preopen.policy.quotas import Quota, QuotaPolicy
from preopen.trust.quotas import Count, Quotas

NOW = 30_000_000  # minutes since the epoch: a day in 2027


class Clock:
    """A clock that a test sets, in minutes."""

    def __init__(self) -> None:
        self.minute = NOW

    def __call__(self) -> float:
        """Return the last tenth of a second of the minute."""
        return self.minute * 60.0 + 59.9


def quotas(file: Path, clock: Clock, **tools: Quota) -> Quotas:
    named = {("*" if name == "every" else name): quota for name, quota in tools.items()}
    return Quotas(policy=QuotaPolicy(file=str(file), quotas=named), clock=clock)


@asynccontextmanager
async def counting(quotas: Quotas, tool: str) -> AsyncIterator[Count | Denial]:
    """Count one call while it runs, or say why it may not begin."""
    count = await quotas.begin(tool)
    try:
        yield count
    finally:
        if isinstance(count, Count):
            await quotas.end(tool, count)


async def call(quotas: Quotas, tool: str, *, sent: int = 0, began: bool = True) -> Denial | None:
    """Make one call that sends so many bytes; return the Denial of one that may not begin."""
    async with counting(quotas, tool) as count:
        if isinstance(count, Denial):
            return count
        count.bytes_out, count.began = sent, began
    return None


async def denied(quotas: Quotas, tool: str) -> Denial:
    """Return what a call that may not begin is told."""
    denial = await call(quotas, tool)
    assert denial is not None
    return denial
