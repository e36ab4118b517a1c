from dataclasses import dataclass

import pytest

from preopen.cells.rate import WINDOW_NS, Rates
from preopen.outcome import Busy

MS = 10**6
SECOND = 1000 * MS


@dataclass(slots=True)
class Clock:
    """A clock that stands until it is set."""

    now: int = 7 * SECOND

    def __call__(self) -> int:
        """Return the moment, in nanoseconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(clock)


def test_call_above_the_rate_is_busy_until_the_oldest_leaves_the_minute(
    rates: Rates, clock: Clock
) -> None:
    """Issue: `rate` ends in Busy, with when to retry: true milliseconds."""
    assert rates.count("a", 2) is None
    clock.now += 20 * SECOND
    assert rates.count("a", 2) is None
    clock.now += 15 * SECOND

    assert rates.count("a", 2) == Busy(limit="rate", limit_value=2, retry_after_ms=25_000)


def test_who_waits_as_long_as_was_said_is_let_in_and_a_moment_sooner_is_not(
    rates: Rates, clock: Clock
) -> None:
    """Ours: the time is rounded up, so that it is never a promise that is broken."""
    rates.count("a", 1)
    clock.now += 10 * SECOND + 1
    busy = rates.count("a", 1)
    assert busy is not None
    assert busy.retry_after_ms == 50_000

    clock.now += busy.retry_after_ms * MS - 2
    early = rates.count("a", 1)
    assert early is not None
    assert early.retry_after_ms == 1
    clock.now += 1
    assert rates.count("a", 1) is None


def test_call_that_was_refused_does_not_count(rates: Rates, clock: Clock) -> None:
    """Issue: an agent that asks too often is not shut out for longer."""
    rates.count("a", 1)
    for _ in range(59):
        clock.now += SECOND
        assert rates.count("a", 1) is not None
    clock.now += SECOND

    assert rates.count("a", 1) is None


def test_no_minute_sees_more_calls_than_the_rate(rates: Rates, clock: Clock) -> None:
    """Ours: the reason for a window; a bucket would let twice as many through at its start."""
    let_in = []
    for _ in range(600):
        if rates.count("a", 5) is None:
            let_in.append(clock.now)
        clock.now += 777 * MS

    most = max(sum(begin <= each < begin + WINDOW_NS for each in let_in) for begin in let_in)
    assert most == 5
    assert len(let_in) > 5


def test_rate_of_one_tool_is_no_other_tools(rates: Rates) -> None:
    """Design §5: calls per minute of one tool."""
    assert rates.count("a", 1) is None
    assert rates.count("b", 1) is None
    assert rates.count("a", 1) is not None


def test_call_that_is_taken_back_leaves_its_place(rates: Rates) -> None:
    """Ours: a call that found the queue full was never let in."""
    rates.count("a", 1)
    rates.take_back("a")

    assert rates.count("a", 1) is None


def test_lower_rate_counts_the_calls_that_were_let_in_before(rates: Rates, clock: Clock) -> None:
    """Ours: when to retry is right although more calls are remembered than the rate now allows."""
    for _ in range(3):
        assert rates.count("a", 3) is None
        clock.now += SECOND

    assert rates.count("a", 1) == Busy(limit="rate", limit_value=1, retry_after_ms=59_000)
