"""When the cache is tidied: at a start, and then once a day. What goes is `cells/pruning.py`'s."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from anyio.abc import TaskGroup

from preopen.errors import Fault, PlatformError
from preopen.serving import preparing
from preopen.serving.invocation import Answer
from preopen.serving.preparing import Preparer
from serving.values import make_answer, make_current

if TYPE_CHECKING:
    from preopen.cells.pool import Pool

pytestmark = pytest.mark.anyio


class Counted:
    """Stands where a pool and its cache would, and counts what is asked of them."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.retired = 0
        self.tidied = 0
        self.cache = self

    async def retire(self, _keep: Iterable[object]) -> None:
        """Go through the tools."""
        self.retired += 1

    async def tidy(self) -> tuple[()]:
        """Remove nothing."""
        self.tidied += 1
        if self.broken:
            raise PlatformError(Fault(place="/cache", found="not yours", write="chmod"))
        return ()


async def until(counted: Counted, **least: int) -> None:
    """Wait until so much was asked for."""
    with anyio.fail_after(10):
        while any(getattr(counted, name) < number for name, number in least.items()):
            await anyio.sleep(0.01)


async def preparing_with(counted: Counted, tasks: TaskGroup) -> Preparer:
    """Start one that has nothing to prepare, as at a start."""

    async def nobody_calls(*_: object) -> Answer:
        return make_answer()

    served = make_current(invoke=nobody_calls)
    made = Preparer(pool=cast("Pool", counted), current=lambda: served)
    made.begin()
    tasks.start_soon(made.run)
    return made


async def test_a_day_after_the_start_the_cache_is_tidied_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours: an idle server is the one that runs for weeks, and nobody edits a file there."""
    monkeypatch.setattr(preparing, "_DAY", 0.05)
    counted = Counted()
    async with anyio.create_task_group() as tasks:
        await preparing_with(counted, tasks)
        await until(counted, tidied=3)
        tasks.cancel_scope.cancel()

    assert 1 == counted.retired


async def test_within_a_day_the_cache_is_tidied_once_however_often_tools_change() -> None:
    """Ours: an author saves a file a hundred times, and each look goes through every file."""
    counted = Counted()
    async with anyio.create_task_group() as tasks:
        made = await preparing_with(counted, tasks)
        for number in range(1, 4):
            await until(counted, retired=number, tidied=1)
            made.begin()
        await until(counted, retired=4)
        tasks.cancel_scope.cancel()

    assert 1 == counted.tidied


async def test_a_cache_that_cannot_be_tidied_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: each call says what is wrong with the folder; the next day may be better."""
    monkeypatch.setattr(preparing, "_DAY", 0.05)
    counted = Counted(broken=True)
    async with anyio.create_task_group() as tasks:
        await preparing_with(counted, tasks)
        await until(counted, tidied=2)
        tasks.cancel_scope.cancel()
