"""What calls used of their limits → advice."""

import pytest

from preopen.capability import Limits
from preopen.outcome import Usage
from preopen.trust.learning_limits import advise_limits
from trust.school import call

MIB = 1 << 20


def advice(
    limits: Limits, usage: Usage, outcome: str = "Returned", ceilings: dict[str, int] | None = None
) -> list[str]:
    """Return the advice after one call."""
    return [*advise_limits([call(usage=usage, outcome=outcome)], limits, ceilings or {})]


@pytest.mark.parametrize(("used", "lines"), [(15 * MIB, 1), (16 * MIB, 0), (40 * MIB, 0)])
def test_a_limit_is_spoken_of_only_above_four_times_what_was_used(used: int, lines: int) -> None:
    """Issue: where the present one is more than four times what was used."""
    said = advice(Limits(memory_bytes=64 * MIB), Usage(peak_memory_bytes=used))

    assert lines == len(said)
    assert all('memory = "32MiB" leaves room' in line for line in said)


def test_a_little_less_of_little_is_not_worth_a_line() -> None:
    """Ours: another machine needs as much; no limit is advised below its least."""
    small = Limits(memory_bytes=8 * MIB, wall_time_ms=2000, output_bytes=64 << 10)

    assert [] == advice(small, Usage(peak_memory_bytes=1, wall_time_ms=0.2, bytes_out=1))


def test_the_size_of_a_whole_process_says_nothing_of_a_guest() -> None:
    """Ours: where the guest's own memory was not read, there is nothing to say of it."""
    usage = Usage(peak_memory_bytes=MIB, memory_of="process")

    assert [] == advice(Limits(), usage)


@pytest.mark.parametrize(
    ("outcome", "usage", "expected"),
    [
        ("OutputOverflow", Usage(bytes_out=1 << 20), 'limits.output: … try output = "2MiB"'),
        ("TimedOut", Usage(wall_time_ms=10_001), 'limits.wall_time: … try wall_time = "20s"'),
        ("TimedOut", Usage(wall_time_ms=9_000), ""),  # by CPU time
    ],
)
def test_a_limit_that_was_hit_is_doubled(outcome: str, usage: Usage, expected: str) -> None:
    """Issue: or where it was hit."""
    said = [line.replace("a call reached it;", "…") for line in advice(Limits(), usage, outcome)]

    assert ([expected] if expected else []) == said


def test_no_advice_goes_above_the_operators_ceiling() -> None:
    """Ours: a manifest above it is refused."""
    usage = Usage(wall_time_ms=10_001)

    low = advice(Limits(), usage, "TimedOut", {"wall_time": 15_000})
    none = advice(Limits(), usage, "TimedOut", {"wall_time": 10_000})
    assert ['limits.wall_time: a call reached it; try wall_time = "15s"'] == low
    assert ["limits.wall_time: a call reached it, and the operator's ceiling is no higher"] == none


def test_a_call_that_touched_no_cell_used_nothing() -> None:
    """Ours: its zeros are no measurement."""
    assert [] == advice(Limits(), Usage(), "Denied")
