"""Names: what was checked is what is dialled, whatever the resolver says next."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, ip_address

import anyio
import pytest
from anyio.abc import SocketAttribute

from egress.street import attended, exchange, far, fetch, plain, refused, request, saying, ticket
from preopen.egress import sockets
from preopen.egress.sockets import Address

pytestmark = pytest.mark.anyio


class Dns:
    """A DNS server of the test's own, over UDP: each question gets the next of `answers`."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.questions = 0
        self.port = 0

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """Ask it, as a resolver does (RFC 1035, 4)."""
        del port
        name = b"".join(b"%c%b" % (len(part), part.encode()) for part in host.split(".")) + b"\0"
        query = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1)
        async with await anyio.create_connected_udp_socket("127.0.0.1", self.port) as client:
            await client.send(query)
            reply = await client.receive()
        count = struct.unpack_from(">H", reply, 6)[0]
        return tuple(IPv4Address(reply[len(query) + 16 * n + 12 :][:4]) for n in range(count))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Dns"]:
        """Serve on loopback."""
        async with (
            await anyio.create_udp_socket(socket.AF_INET, local_host="127.0.0.1") as server,
            anyio.create_task_group() as group,
        ):
            self.port = server.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's

            async def serve() -> None:
                async for query, peer in server:
                    self.questions += 1
                    rows = [ip_address(text).packed for text in self.answers.pop(0).split()]
                    head = struct.pack(">6H", 7, 0x8180, 1, len(rows), 0, 0)
                    found = b"".join(struct.pack(">3HIH", 0xC00C, 1, 1, 0, 4) + row for row in rows)
                    await server.sendto(head + query[12:] + found, *peer)

            group.start_soon(serve)
            yield self
            group.cancel_scope.cancel()


async def test_a_name_that_leads_elsewhere_after_the_check_is_dialled_where_it_was_checked() -> (
    None
):
    """Design §10: DNS rebinding. The name is looked up once; nothing between asks again."""
    heads: list[bytes] = []
    async with (
        Dns("127.0.0.1", "127.0.0.2").serving() as dns,
        far(saying(plain(b"a"), heads)) as port,
    ):
        url = f"http://rebound.example:{port}"
        async with attended(url, resolve=dns.resolve) as attendance:
            path = await ticket(attendance, url)
            got = await exchange(attendance, request(path))

    assert (200, 1, 1) == (got.status, dns.questions, len(heads))
    assert attendance.requests[0].address == "127.0.0.1"


async def test_a_name_that_turns_forbidden_is_denied_at_the_next_ask() -> None:
    """Design §10: each request is checked from the top."""
    async with (
        Dns("127.0.0.1", "169.254.169.254", "127.0.0.1 169.254.169.254").serving() as dns,
        far(saying(plain(b"a"))) as port,
    ):
        url = f"http://rebound.example:{port}"
        async with attended(url, resolve=dns.resolve) as attendance:
            got = await fetch(attendance, url)
            first, second = await refused(attendance, url), await refused(attendance, url)

    assert (200, "HTTP-request-denied", "HTTP-request-denied") == (got.status, first, second)


async def test_the_next_checked_address_is_tried_where_the_first_refuses() -> None:
    """RFC 8305: a name with a dead address still answers."""
    async with Dns("127.0.0.3 127.0.0.1").serving() as dns, far(saying(plain(b"a"))) as port:
        url = f"http://two.example:{port}"
        async with attended(url, resolve=dns.resolve) as attendance:
            got = await fetch(attendance, url)

    assert (200, "127.0.0.1") == (got.status, attendance.requests[0].address)


async def test_the_systems_resolver_knows_localhost() -> None:
    """Ours: the resolver of the product; each address once."""
    found = await sockets.look_up("localhost", 80)

    assert found
    assert all(address.is_loopback for address in found)
    assert len(set(found)) == len(found)


async def test_the_systems_resolver_says_what_it_does_not_know() -> None:
    """RFC 6761, 6.4: no name below `invalid` exists."""
    with pytest.raises(OSError, match=r".+"):
        await sockets.look_up("name.invalid", 80)
