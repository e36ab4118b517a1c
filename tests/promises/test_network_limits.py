"""`limits.request_bytes`, `response_bytes`, `requests`: how much a call may send, and at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio.lowlevel
import pytest

from preopen.cells.pool import Pool
from preopen.egress.gateway import Attendance, Gateway
from preopen.egress.rule import CallEgress
from preopen.policy.policy import Policy
from preopen.serving.attending import make_gateway
from preopen.serving.invocation import make_invoker
from promises.harness import invoke, offer, said
from promises.network import Ask, lines, operator, sent, tool
from web import Arrived, serving

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

LONG = 200_000


@keeps("limits.request_bytes", "granted")
async def test_body_as_long_as_its_limit_arrives(pool: Pool, tree: Path) -> None:
    """Design §5: `request_bytes`, of one request's body."""
    async with serving() as web:
        asks = [Ask(allow=web.origin, keys={"methods": ["POST"]})]
        text = tool("post", web.origin, str(LONG), asks=asks, request_bytes=LONG)
        await sent(pool, operator(tree, private=[web.origin]), text)

    assert [(LONG, True)] == [(len(each.body), each.whole) for each in web.arrived]


@keeps("limits.request_bytes", "withheld")
async def test_body_that_is_longer_never_comes_to_its_end(pool: Pool, tree: Path) -> None:
    """Design §5: the gateway counts as it passes; the receipt says which limit, the text how."""
    async with serving() as web:
        asks = [Ask(allow=web.origin, keys={"methods": ["POST"]})]
        text = tool("post", web.origin, str(LONG), asks=asks, request_bytes=LONG - 1)
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    assert [] == [each for each in web.arrived if each.whole or len(each.body) >= LONG]
    assert ["request_bytes"] == [request.limit for request in answer.receipt.requests]
    assert "its body is longer than request_bytes = " in said(answer)


@keeps("limits.response_bytes", "granted")
async def test_answer_as_long_as_its_limit_is_read(pool: Pool, tree: Path) -> None:
    """Design §5: `response_bytes`, of one answer's body."""
    async with serving(lambda _: b"x" * LONG) as web:
        text = tool("download", web.origin, asks=[Ask(allow=web.origin)], response_bytes=LONG)
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    assert [(200, LONG)] == [(line["status"], line["bytes"]) for line in lines(answer)]
    assert [LONG] == [request.response_bytes for request in answer.receipt.requests]


@keeps("limits.response_bytes", "withheld")
async def test_answer_that_is_longer_does_not_reach_the_guest(pool: Pool, tree: Path) -> None:
    """Design §5: one that says its length is refused whole; the receipt says which limit."""
    async with serving(lambda _: b"x" * LONG) as web:
        text = tool("download", web.origin, asks=[Ask(allow=web.origin)], response_bytes=LONG - 1)
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    assert [True] == [line.get("bytes", 0) < LONG for line in lines(answer)]
    assert ["response_bytes"] == [request.limit for request in answer.receipt.requests]
    assert "its answer is longer than response_bytes = " in said(answer)


@keeps("limits.response_bytes", "withheld")
async def test_answer_of_unsaid_length_is_cut_at_its_limit(pool: Pool, tree: Path) -> None:
    """Design §10: a body that is cut ends in an error, so that it is no short file to the guest."""
    async with serving(lambda _: b"x" * LONG, chunked=True) as web:
        text = tool("download", web.origin, asks=[Ask(allow=web.origin)], response_bytes=LONG - 1)
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    assert [True] == ["error" in line for line in lines(answer)]
    assert ["response_bytes"] == [request.limit for request in answer.receipt.requests]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Gateway):
    """The product's gateway; a test sees how many requests its calls have asked for."""

    attended: list[Attendance] = field(default_factory=list)

    @asynccontextmanager
    async def attend(self, egress: CallEgress, listener: int | None) -> AsyncIterator[Attendance]:
        """Serve one call, as a Gateway does."""
        async with Gateway.attend(self, egress, listener) as attendance:
            self.attended.append(attendance)
            yield attendance

    def asked(self) -> int:
        """Return how many requests were asked for."""
        return sum(len(each.requests) for each in self.attended)


def watched(policy: Policy) -> Watched:
    """Return the gateway of a policy, watched."""
    gateway = make_gateway(policy)
    return Watched(resolve=gateway.resolve, trust=gateway.trust)


@pytest.mark.parametrize(
    ("requests", "arrive"),
    [
        pytest.param(3, 3, marks=keeps("limits.requests", "granted")),
        pytest.param(2, 2, marks=keeps("limits.requests", "withheld")),
    ],
)
async def test_requests_in_flight_are_as_many_as_their_limit(
    pool: Pool, tree: Path, requests: int, arrive: int
) -> None:
    """Design §5: three at once; none is answered before all were asked for and those arrived."""
    gateways: list[Watched] = []

    async def until_all_are_there(_arrived: Arrived) -> None:
        while gateways[0].asked() < 3 or len(web.arrived) < arrive:
            await anyio.lowlevel.checkpoint()

    async with serving(before=until_all_are_there) as web:
        policy = operator(tree, private=[web.origin])
        gateways.append(watched(policy))
        text = tool("many", web.origin, "3", asks=[Ask(allow=web.origin)], requests=requests)
        invoker = replace(make_invoker(pool, policy), gateway=gateways[0])
        answer = await invoke(invoker, offer(text, policy))

    assert arrive == len(web.arrived)
    limits = [request.limit for request in answer.receipt.requests]
    assert [""] * arrive + ["requests"] * (3 - arrive) == limits
    assert ("as many are in flight as there may be, requests = 2" in said(answer)) == (arrive == 2)
