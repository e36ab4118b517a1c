"""The limits of a call, computed; `test_wall_layers.py` shows that they bind."""

import resource
from collections.abc import Mapping

from preopen.sandbox.rlimits import SLACK_BYTES, limits_for

MIB = 1 << 20


def decide(
    *, used_s: float = 0.0, data: int = 20 * MIB, left: int = 0
) -> Mapping[int, tuple[int, int]]:
    return limits_for(
        cpu_used_s=used_s,
        data_used_bytes=data,
        cpu_seconds=10,
        memory_bytes=64 * MIB,
        file_size_bytes=16 * MIB,
        open_files=256,
        calls_left=left,
    )


def test_cpu_time_is_counted_from_what_was_used_rounded_down() -> None:
    """Design §5, cpu_time: soft = used so far, rounded down, + limit; hard = soft + 1."""
    assert decide(used_s=2.9)[resource.RLIMIT_CPU] == (12, 13)


def test_memory_is_counted_from_what_is_there_with_slack_for_the_host() -> None:
    """Design §3: RLIMIT_DATA = VmData now + memory + 4 MiB."""
    expected = (20 + 64 + 4) * MIB
    assert decide()[resource.RLIMIT_DATA] == (expected, expected)


def test_the_other_limits_leave_nothing_above_them() -> None:
    """Design §5: file_size and open_files; and no core file."""
    limits = decide(left=9)
    assert limits[resource.RLIMIT_FSIZE] == (16 * MIB, 16 * MIB)
    assert limits[resource.RLIMIT_NOFILE] == (256, 256)
    assert limits[resource.RLIMIT_CORE] == (0, 0)


def test_hard_limits_never_have_to_be_raised_for_a_later_call() -> None:
    """Ours: nobody without privileges can; each call has all of its time, and the slack."""
    used, data = 0.99, 20 * MIB
    _, cpu_hard = decide(left=99)[resource.RLIMIT_CPU]
    _, data_hard = decide(left=99)[resource.RLIMIT_DATA]
    for left in reversed(range(99)):
        used, data = used + 10, 20 * MIB + SLACK_BYTES * (left % 2)
        limits = decide(used_s=used, data=data, left=left)
        assert limits[resource.RLIMIT_CPU][1] <= cpu_hard
        assert limits[resource.RLIMIT_DATA][0] <= data_hard
        cpu_hard = limits[resource.RLIMIT_CPU][1]
