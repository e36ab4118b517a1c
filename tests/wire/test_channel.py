import os
import threading
from collections.abc import Callable

import anyio
import pytest

from preopen.wire.async_channel import AsyncChannel
from preopen.wire.channel import Channel, ChannelClosed, open_pair
from preopen.wire.frames import Answer, Binary, Fork, Forked, Frame, Load

pytestmark = pytest.mark.anyio
BINARY = Binary(sha256="ab" * 32, kind="module", stack_bytes=1)


def in_thread(act: Callable[[], None]) -> threading.Thread:
    """Run the blocking end of a pair beside the loop."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


async def test_frames_and_their_descriptors_stay_together_in_one_read() -> None:
    """Ours: two frames that come in one read, only the second with descriptors."""
    here, there = open_pair()
    sender, receiver = Channel(here), AsyncChannel(there, max_descriptors=2)
    reading, writing = os.pipe()
    sender.send(Fork(first=1, count=1))
    sender.send(Forked(cell=2, pid=3), (reading, writing))
    sender.send(Fork(first=9, count=1))
    got: list[Frame] = []
    taken = []
    with anyio.fail_after(5):
        for _ in range(3):
            got.append(await receiver.receive())
            taken.append(receiver.taken)

    assert [Fork(first=1, count=1), Forked(cell=2, pid=3), Fork(first=9, count=1)] == got
    assert [0, 2, 0] == [len(each) for each in taken]
    os.write(writing, b"x")
    assert os.read(taken[1][0], 1) == b"x"
    for descriptor in (*taken[1], reading, writing):
        os.close(descriptor)
    sender.close()
    receiver.close()


async def test_large_frame_comes_whole_through_small_buffers() -> None:
    """Ours: 20 MB of output in one answer."""
    here, there = open_pair()
    sender, receiver = Channel(here), AsyncChannel(there)
    answer = Answer(end="exited", stdout=b"x" * 20_000_000, stderr=b"y")
    thread = in_thread(lambda: sender.send(answer))
    with anyio.fail_after(10):
        got = await receiver.receive()
    thread.join(5)

    assert answer == got
    sender.close()
    receiver.close()


async def test_descriptors_of_a_cell_never_arrive() -> None:
    """Ours: a cell that sends descriptors cannot fill the server's table."""
    here, there = open_pair()
    sender, receiver = Channel(here), AsyncChannel(there)
    before = len(os.listdir("/proc/self/fd"))
    sender.send(Load(binary=BINARY), (0,) * 10)
    with anyio.fail_after(5):
        await receiver.receive()

    assert receiver.taken == ()
    assert before == len(os.listdir("/proc/self/fd"))
    sender.close()
    receiver.close()


async def test_end_of_the_peer_is_channel_closed_both_ways() -> None:
    """Ours: within a frame or between frames."""
    here, there = open_pair()
    channel = AsyncChannel(there)
    here.sendall(b"\x00\x00")
    here.close()
    with anyio.fail_after(5), pytest.raises(ChannelClosed):
        await channel.receive()
    with anyio.fail_after(5), pytest.raises(ChannelClosed):
        await channel.send(Fork(first=9, count=1))
    channel.close()


async def test_closing_wakes_the_task_that_waits() -> None:
    """Ours: the pool closes a cell's channel under whoever waits for it."""
    here, there = open_pair()
    channel = AsyncChannel(there)
    ended = anyio.Event()

    async def wait() -> None:
        with pytest.raises(ChannelClosed):
            await channel.receive()
        ended.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            channel.close()
            await ended.wait()
    here.close()


def test_a_channel_is_closed_where_no_loop_runs() -> None:
    """Ours: nobody can wait for it there, and its peer sees the end."""
    here, there = open_pair()
    channel = AsyncChannel(there)
    channel.close()
    channel.close()
    assert here.recv(1) == b""
    here.close()


def test_channel_tells_whether_something_waits_in_it() -> None:
    """Ours: a frame that was not read, one that came with another, and the end; else nothing."""
    here, there = open_pair()
    sender, receiver = Channel(here), Channel(there)
    assert not receiver.has_more()

    sender.send_all([(Fork(first=1, count=1), ()), (Fork(first=2, count=1), ())])
    assert receiver.has_more()
    receiver.receive()
    assert receiver.has_more()  # in memory: the socket has nothing any more
    receiver.receive()
    assert not receiver.has_more()

    sender.close()
    assert receiver.has_more()
    with pytest.raises(ChannelClosed):
        receiver.receive()
    receiver.close()


@pytest.mark.parametrize("size", [0, 1, (16 << 10) - 100, 16 << 10, 256 << 10, (1 << 20) + 1])
def test_frame_of_any_length_is_followed_by_the_next(size: int) -> None:
    """Ours: what is asked of the socket depends on the frame that has begun."""
    here, there = open_pair()
    sender, receiver = Channel(here), Channel(there)
    frames: list[Frame] = [Answer(end="exited", stdout=b"x" * size), Fork(first=1, count=1)]
    thread = in_thread(lambda: sender.send_all([(frame, ()) for frame in frames]))

    assert frames == [receiver.receive(), receiver.receive()]
    thread.join(5)
    sender.close()
    receiver.close()
