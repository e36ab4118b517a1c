"""What else listens on this machine while attacks are fought: a datagram's end, two Unix sockets.

Each answers "pong" to whatever it is sent.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import SocketStream, UDPSocket

from preopen.selftest.site import GONE, LOOPBACK

PATH: Final = "talk"  # below the camp's folder, outside of every grant
PONG: Final = b"pong"


@asynccontextmanager
async def open_talkers(top: Path, port: int) -> AsyncIterator[None]:
    """Listen by UDP on this port of loopback, at a path and under the abstract name of the port."""
    async with AsyncExitStack() as stack:
        datagrams = await anyio.create_udp_socket(local_host=LOOPBACK, local_port=port)
        await stack.enter_async_context(datagrams)
        listeners = [
            await stack.enter_async_context(await anyio.create_unix_listener(path))
            for path in (str(top / PATH), f"\0{abstract_name(port)}")
        ]
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(_answer_datagrams, datagrams)
        for each in listeners:
            tasks.start_soon(each.serve, _answer)
        yield
        tasks.cancel_scope.cancel()


def abstract_name(port: int) -> str:
    """Return the name, without its NUL, of the abstract socket beside this port."""
    return f"preopen-selftest-{port}"


async def _answer_datagrams(datagrams: UDPSocket) -> None:
    async for _, sender in datagrams:
        await datagrams.sendto(PONG, *sender)


async def _answer(stream: SocketStream) -> None:
    async with stream:
        try:
            await stream.receive()
            await stream.send(PONG)
        except GONE:
            return
