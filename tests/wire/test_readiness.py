"""Whether a descriptor can be read, on real sockets and the loops that preopen runs in."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import TypeAlias

import anyio
import pytest

from preopen.wire.readiness import Readiness

pytestmark = pytest.mark.anyio

Pair: TypeAlias = tuple[socket.socket, socket.socket]


@pytest.fixture(
    params=[("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each test in the loop of the shell, and in the one of `serve`."""
    return request.param


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Give two connected sockets."""
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        yield here, there


@pytest.fixture
def readiness(pair: Pair) -> Iterator[Readiness]:
    """Watch the first of them."""
    with closing(Readiness(pair[0].fileno())) as watched:
        yield watched


async def test_it_waits_for_what_comes_again_and_again(pair: Pair, readiness: Readiness) -> None:
    """Ours: between two askings nothing is registered anew."""
    here, there = pair
    with anyio.fail_after(20):
        for sent in (b"one", b"two", b"three"):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(readiness.wait)
                await anyio.wait_all_tasks_blocked()
                there.send(sent)
            assert here.recv(16) == sent
        there.close()
        await readiness.wait()  # an end can be read, too
        assert here.recv(16) == b""


async def test_nobody_is_told_of_what_was_read_already(pair: Pair, readiness: Readiness) -> None:
    """Ours: an event that was on its way had the server read standard input, which blocked it."""
    here, there = pair
    for _ in range(20):
        there.send(b"x")
        await readiness.wait()
        here.recv(16)
        with anyio.move_on_after(0.005) as quiet:
            await readiness.wait()
        assert quiet.cancelled_caught


async def test_what_comes_unasked_does_not_keep_the_loop_awake(
    pair: Pair, readiness: Readiness
) -> None:
    """Threat model: a cell between two calls that talks all the same."""
    here, there = pair
    there.send(b"asked")
    await readiness.wait()
    for _ in range(10):  # the loop looks at its descriptors
        await anyio.sleep(0.001)
    loop = asyncio.get_running_loop()
    assert not loop.remove_reader(here.fileno())
    with anyio.fail_after(20):
        await readiness.wait()  # it is still there


async def test_closing_wakes_who_waits_and_lets_nobody_wait_again(
    pair: Pair, readiness: Readiness
) -> None:
    """anyio.notify_closing: ClosedResourceError."""
    here, _ = pair
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait_until_closed, readiness)
        await anyio.wait_all_tasks_blocked()
        readiness.close()
    await _wait_until_closed(readiness)
    assert not asyncio.get_running_loop().remove_reader(here.fileno())
    readiness.close()


async def _wait_until_closed(readiness: Readiness) -> None:
    with anyio.fail_after(20), pytest.raises(anyio.ClosedResourceError):
        await readiness.wait()


async def test_one_that_gives_up_leaves_the_next_one_its_turn(
    pair: Pair, readiness: Readiness
) -> None:
    """Ours: a call that is cancelled while it waits for its cell."""
    _, there = pair
    with anyio.move_on_after(0.01):
        await readiness.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(readiness.wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await readiness.wait()
        there.send(b"now")


def test_it_can_be_closed_when_no_loop_runs(pair: Pair, readiness: Readiness) -> None:
    """Ours: the shell closes a launcher after its loop."""
    _, there = pair
    there.send(b"x")
    anyio.run(readiness.wait)
    readiness.close()
    readiness.close()
