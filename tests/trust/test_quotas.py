"""Quotas: what a tool used counts in every server, after a restart, and by any clock."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from preopen.outcome import Denial
from preopen.policy.policy import Policy
from preopen.policy.quotas import KEYS, Quota, QuotaPolicy
from preopen.policy.workspace_file import narrow_policy
from preopen.trust.quotas import HOUR, Count, Quotas, Spent, judge
from preopen.trust.usage import DAY, Used
from trust.calls import NOW, Clock, call, counting, denied, quotas
from trust.counting import calls_until_denied

pytestmark = pytest.mark.anyio


def used(*amounts: tuple[int, int]) -> tuple[Used, ...]:
    """Return calls, and as many bytes, by how many minutes ago."""
    return tuple(Used(minute=NOW - ago, calls=n, bytes_out=n) for ago, n in amounts)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("amounts", "wait"),
    [
        ([], None),
        ([(0, 9)], None),
        ([(0, 10)], 0),
        ([(0, 25)], 0),
        ([(7, 4), (3, 5)], None),
        ([(7, 4), (3, 6)], 7),  # once the four are forgotten six are left
        ([(7, 1), (3, 12)], 3),  # twelve are too many on their own
    ],
)
def test_a_window_is_full_at_its_quota_and_has_room_once_enough_is_forgotten(
    key: str, amounts: list[tuple[int, int]], wait: int | None
) -> None:
    """Issue: calls and bytes per hour and day; a denial says when there is room again."""
    span = HOUR if key.endswith("hour") else DAY
    found = judge(Quota(**{key: 10}), used(*amounts), NOW)

    if wait is None:
        assert found is None
    else:
        total = sum(n for _, n in amounts)
        assert found == Spent(key=key, limit=10, used=total, wait=span + 1 - wait)


@pytest.mark.parametrize("key", KEYS)
def test_a_minute_counts_as_long_as_a_moment_of_it_may_lie_in_the_window(key: str) -> None:
    """Ours: no hour and no day, wherever it begins, sees more than its quota."""
    span = HOUR if key.endswith("hour") else DAY
    quota = Quota(**{key: 1})

    assert judge(quota, used((span, 1)), NOW) is not None
    assert judge(quota, used((span + 1, 1)), NOW) is None


def test_of_several_full_windows_the_one_that_is_full_longest_is_told() -> None:
    """Ours: who is told to wait for the hour would be denied by the day again."""
    found = judge(Quota(calls_per_hour=1, calls_per_day=1), used((0, 1)), NOW)

    assert found is not None
    assert found.key == "calls_per_day"


def test_a_tool_without_a_quota_is_not_judged() -> None:
    """Ours: None means that nobody counts."""
    assert judge(Quota(), used((0, 1 << 60)), NOW) is None


async def test_calls_within_the_quota_begin_and_one_more_does_not(file: Path, clock: Clock) -> None:
    """Issue: calls per hour and tool; the Denial says which, how much, until when, and the line."""
    held = quotas(file, clock, fetch=Quota(calls_per_hour=3))

    assert [await call(held, "fetch") for _ in range(3)] == [None] * 3
    assert await denied(held, "fetch") == Denial(
        target="fetch",
        reason="fetch has been called 3 times in the last hour, and its quota is"
        " calls_per_hour = 3; there is room again in 1 hour and 1 minute",
        allow="write calls_per_hour = 6 under [quota.fetch] in preopen.toml",
    )
    clock.minute += HOUR
    assert "there is room again in 1 minute" in (await denied(held, "fetch")).reason
    clock.minute += 1
    assert await call(held, "fetch") is None


async def test_bytes_that_went_out_deny_the_next_call_and_not_the_one_that_sends(
    file: Path, clock: Clock
) -> None:
    """Issue: bytes out per hour and day; they are known once the call has ended."""
    held = quotas(file, clock, fetch=Quota(bytes_out_per_day=4096))

    assert await call(held, "fetch", sent=4095) is None
    assert await call(held, "fetch", sent=5000) is None
    denial = await denied(held, "fetch")
    assert "has sent 9095B in the last day, and its quota is bytes_out_per_day = 4KiB" in (
        denial.reason
    )
    assert denial.allow == (
        'write bytes_out_per_day = "18190B" under [quota.fetch] in preopen.toml'
    )


async def test_quota_that_the_workspace_lowered_is_told_with_the_workspace_s_file(
    file: Path, clock: Clock
) -> None:
    """Issue: the operator's line would not help; one that stands as it was is the operator's."""
    mine = QuotaPolicy(
        file=str(file),
        quotas={"*": Quota(calls_per_hour=9), "http": Quota(calls_per_hour=1)},
    )
    policy = Policy(workspace="/w", quotas=mine)
    for table in ({"*": {"calls_per_hour": 1}}, {"fetch": {"calls_per_day": 9}}):
        policy = narrow_policy(
            policy, {"quota": table}, "/w/preopen.toml", users_file="mine", locate=str
        )
    theirs = "/w/preopen.toml, the workspace's own file, and start preopen anew"
    held = Quotas(policy=policy.quotas, clock=clock)

    assert [await call(held, tool) for tool in ("fetch", "read", "http")] == [None] * 3
    assert [(await denied(held, tool)).allow for tool in ("fetch", "read", "http")] == [
        f"write calls_per_hour = 2 under [quota.fetch] in {theirs}",
        f'write calls_per_hour = 2 under [quota."*"] in {theirs}',
        "write calls_per_hour = 2 under [quota.http] in preopen.toml",
    ]


async def test_each_tool_has_its_own_count_of_a_quota_for_every_tool(
    file: Path, clock: Clock
) -> None:
    """Issue: quotas are per tool; a table of its own replaces that of every tool."""
    held = quotas(file, clock, every=Quota(calls_per_hour=1), http=Quota(calls_per_hour=2))

    assert [await call(held, tool) for tool in ("fetch", "read", "http", "http")] == [None] * 4
    assert [(await denied(held, tool)).allow for tool in ("fetch", "http")] == [
        'write calls_per_hour = 2 under [quota."*"] in preopen.toml',
        "write calls_per_hour = 4 under [quota.http] in preopen.toml",
    ]


async def test_a_call_that_touched_no_cell_is_no_call(file: Path, clock: Clock) -> None:
    """Ours: what was turned away at the door, as busy, has used nothing."""
    held = quotas(file, clock, fetch=Quota(calls_per_hour=1))

    assert await call(held, "fetch", began=False) is None
    assert await call(held, "fetch") is None
    assert await call(held, "fetch") is not None


async def test_a_call_that_is_cancelled_has_sent_what_it_sent(file: Path, clock: Clock) -> None:
    """Ours: a client that takes its calls back in time would send without end."""
    held = quotas(file, clock, fetch=Quota(bytes_out_per_hour=1))
    with anyio.CancelScope() as scope:
        async with counting(held, "fetch") as count:
            assert isinstance(count, Count)
            count.bytes_out = 100
            scope.cancel()
            await anyio.sleep_forever()

    assert "has sent 100B" in (await denied(held, "fetch")).reason


async def test_a_restart_forgets_nothing(file: Path, clock: Clock) -> None:
    """Issue: kept across restarts."""
    quota = Quota(calls_per_day=2)
    assert await call(quotas(file, clock, fetch=quota), "fetch") is None
    assert await call(quotas(file, clock, fetch=quota), "fetch") is None
    assert await call(quotas(file, clock, fetch=quota), "fetch") is not None


@pytest.mark.timeout(60)
def test_three_servers_at_once_never_exceed_a_quota(file: Path, clock: Clock) -> None:
    """Issue: shared by servers that run at once; the count is exact."""
    command = [sys.executable, "-m", "trust.counting", str(file), "fetch", "60", str(clock())]
    tests = str(Path(__file__).resolve().parent.parent)
    servers = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": tests},
            text=True,
        )
        for _ in range(3)
    ]
    for server in servers:
        assert server.stdout is not None
        assert server.stdout.readline() == "inside\n"
    said = []
    for server in servers:
        assert server.stdin is not None
        server.stdin.write("\n")
        server.stdin.flush()
    for server in servers:
        out, _ = server.communicate(timeout=50)
        said.append(out.partition(" "))

    assert 3 + sum(int(calls) for calls, _, _ in said) == 60
    assert all("its quota is calls_per_hour = 60" in reason for _, _, reason in said)


async def test_calls_at_once_in_one_server_never_exceed_a_quota(file: Path, clock: Clock) -> None:
    """Issue: counted at the start of a call, so that those that still run count."""
    held = quotas(file, clock, fetch=Quota(calls_per_hour=5))
    denials: list[Denial] = []
    inside = 0
    all_decided = anyio.Event()

    async def one() -> None:
        nonlocal inside
        async with counting(held, "fetch") as count:
            if isinstance(count, Denial):
                denials.append(count)
            else:
                inside += 1
            if inside + len(denials) == 12:
                all_decided.set()
            await all_decided.wait()

    with anyio.fail_after(15):
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(one)

    assert (inside, len(denials)) == (5, 7)


async def test_a_clock_that_is_set_back_grants_nothing(file: Path, clock: Clock) -> None:
    """Ours: what was used must not look as if it were still to come; the Denial says why."""
    held = quotas(file, clock, fetch=Quota(calls_per_hour=2))
    assert await call(held, "fetch") is None
    clock.minute -= 2 * DAY
    assert await call(held, "fetch") is None
    denial = await denied(held, "fetch")
    assert "there is room again in 49 hours and 1 minute" in denial.reason
    assert "this machine's clock was 48 hours ahead before" in denial.reason
    assert denial.allow.endswith(f", or remove {file}: counting then begins at zero")
    clock.minute = NOW + HOUR + 1
    assert await call(held, "fetch") is None


async def test_bytes_that_could_not_be_written_down_count_at_the_next_call(
    file: Path, clock: Clock
) -> None:
    """Ours: a file that fails at the right moment makes nothing unsent."""
    held = quotas(file, clock, fetch=Quota(bytes_out_per_hour=100))
    async with counting(held, "fetch") as count:
        assert isinstance(count, Count)
        count.bytes_out = 100
        file.chmod(0o644)
    file.chmod(0o600)

    assert "has sent 100B" in (await denied(held, "fetch")).reason
    assert "has sent 100B" in (await denied(held, "fetch")).reason  # and once


async def test_calls_of_one_server_are_let_in_until_the_quota(file: Path, clock: Clock) -> None:
    """Ours: the control of the servers that run at once."""
    calls, _ = await calls_until_denied(quotas(file, clock, x=Quota(calls_per_hour=4)), "x")
    assert calls == 4


def test_quotas_without_a_file_are_none() -> None:
    """Ours: what nothing could hold is no value."""
    with pytest.raises(ValueError, match="absolute file"):
        QuotaPolicy(quotas={"fetch": Quota(calls_per_hour=1)})
