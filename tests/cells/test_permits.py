import anyio
import pytest

from preopen.cells.permits import Full, Permits

pytestmark = pytest.mark.anyio


class Holders:
    """Calls that hold a permit until they are told to let go; `began` is the order of starts."""

    def __init__(self, permits: Permits) -> None:
        self.permits = permits
        self.began: list[str] = []
        self.full: list[str] = []
        self.busy: list[tuple[str, int]] = []
        self.gates: dict[str, anyio.Event] = {}

    async def hold(self, name: str, tool: str, concurrency: int = 2, queue: int = 9) -> None:
        """Hold one permit of a tool until `release(name)`."""
        self.gates[name] = anyio.Event()
        try:
            await self.permits.take(tool, concurrency=concurrency, queue=queue)
        except Full as full:
            self.full.append(name)
            self.busy.append((full.busy.limit, full.busy.limit_value))
            return
        try:
            self.began.append(name)
            await self.gates[name].wait()
        finally:
            self.permits.give_back(tool)

    async def release(self, name: str) -> None:
        """Let one go, and let the others notice."""
        self.gates[name].set()
        await settle()


async def settle() -> None:
    """Let every task run until it waits."""
    await anyio.wait_all_tasks_blocked()


async def test_tool_runs_at_most_its_own_concurrency() -> None:
    """Design §5: `concurrency`; the third waits, and starts when one ends."""
    holders = Holders(Permits(32))
    async with anyio.create_task_group() as tasks:
        for name in ("a1", "a2", "a3"):
            tasks.start_soon(holders.hold, name, "a")
        await settle()
        assert ["a1", "a2"] == holders.began
        await holders.release("a1")
        assert ["a1", "a2", "a3"] == holders.began
        tasks.cancel_scope.cancel()
    assert holders.permits.running == 0


async def test_full_queue_answers_at_once() -> None:
    """Design §5: `queue` → Busy."""
    holders = Holders(Permits(32))
    async with anyio.create_task_group() as tasks:
        for name in ("a1", "a2", "a3"):
            tasks.start_soon(holders.hold, name, "a", 1, 1)
        await settle()
        assert (["a1"], ["a3"]) == (holders.began, holders.full)
        tasks.cancel_scope.cancel()


async def test_endless_calls_of_some_tools_leave_a_place_for_another() -> None:
    """Design §5: shared so that one tool's endless calls never starve another."""
    holders = Holders(Permits(8))
    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(holders.hold, f"a{number}", "a", 8)
            tasks.start_soon(holders.hold, f"b{number}", "b", 8)
        await settle()
        assert holders.permits.running == 6
        tasks.start_soon(holders.hold, "c", "c")
        await settle()
        assert "c" in holders.began
        tasks.cancel_scope.cancel()


async def test_free_permit_goes_to_the_tool_that_runs_the_fewest() -> None:
    """Ours: b waits longer than a's second, and runs nothing."""
    holders = Holders(Permits(2))
    async with anyio.create_task_group() as tasks:
        for name, tool in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b")):
            tasks.start_soon(holders.hold, name, tool, 3)
            await settle()
        assert ["a1", "a2"] == holders.began
        await holders.release("a1")
        assert ["a1", "a2", "b1"] == holders.began
        tasks.cancel_scope.cancel()


async def test_cancelled_waiter_leaves_no_trace() -> None:
    """Ours: its place in the queue and its permit go to the next."""
    holders = Holders(Permits(32))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holders.hold, "a1", "a", 1)
        await settle()
        async with anyio.create_task_group() as quitters:
            quitters.start_soon(holders.hold, "a2", "a", 1)
            await settle()
            quitters.cancel_scope.cancel()
        tasks.start_soon(holders.hold, "a3", "a", 1)
        await settle()
        await holders.release("a1")
        assert ["a1", "a3"] == holders.began
        await holders.release("a3")
    assert holders.permits.running == 0


@pytest.mark.parametrize(
    ("total", "concurrency", "limit", "value"),
    [(2, 9, "cells", 2), (32, 2, "queue", 1), (2, 2, "queue", 1)],
)
async def test_busy_names_the_limit_that_is_used_up(
    total: int, concurrency: int, limit: str, value: int
) -> None:
    """Issue: `queue` where the tool's own calls are too many, `cells` where all tools' are."""
    holders = Holders(Permits(total))
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(holders.hold, f"a{number}", "a", concurrency, 1)
        await settle()
        assert ["a3"] == holders.full
        tasks.cancel_scope.cancel()
    assert [(limit, value)] == holders.busy


async def test_other_tools_calls_use_the_total_up() -> None:
    """Design §6: `cells` is counted over all tools."""
    holders = Holders(Permits(2))
    async with anyio.create_task_group() as tasks:
        for tool in ("a", "b", "c"):
            tasks.start_soon(holders.hold, tool, tool, 2, 0)
        await settle()
        assert (["a", "b"], ["c"]) == (holders.began, holders.full)
        assert [("cells", 2)] == holders.busy
        await holders.release("a")
        tasks.start_soon(holders.hold, "c", "c", 2, 0)
        await settle()
        assert "c" in holders.began
        tasks.cancel_scope.cancel()
