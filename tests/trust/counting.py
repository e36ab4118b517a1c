"""Entry point: one more server on a state folder, which calls a tool until its quota is used up.

    python -m trust.counting FILE TOOL CALLS_PER_HOUR CLOCK

Says how many calls were let in after the first, and what the next one was told.
"""

import sys

import anyio

from preopen.outcome import Denial
from preopen.policy.quotas import Quota, QuotaPolicy
from preopen.trust.quotas import Quotas
from trust.calls import counting


async def first_call(quotas: Quotas, tool: str) -> None:
    """Make one call that lasts until a line is said, so that every server has one at once."""
    async with counting(quotas, tool) as count:
        if isinstance(count, Denial):
            raise TypeError(count)
        sys.stdout.write("inside\n")
        sys.stdout.flush()
        sys.stdin.readline()


async def calls_until_denied(quotas: Quotas, tool: str) -> tuple[int, Denial]:
    """Return how many calls were let in, and what the next one was told."""
    calls = 0
    while True:
        async with counting(quotas, tool) as count:
            if isinstance(count, Denial):
                return calls, count
            calls += 1


def main(file: str, tool: str, calls_per_hour: str, clock: str) -> None:
    """Call, and say what was let in after the first call."""
    quota = Quota(calls_per_hour=int(calls_per_hour))
    policy = QuotaPolicy(file=file, quotas={tool: quota})
    quotas = Quotas(policy=policy, clock=lambda: float(clock))
    anyio.run(first_call, quotas, tool)
    quotas = Quotas(policy=policy, clock=lambda: float(clock))
    calls, denial = anyio.run(calls_until_denied, quotas, tool)
    sys.stdout.write(f"{calls} {denial.reason}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
