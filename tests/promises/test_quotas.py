"""`[quota]` of `preopen.toml`: what a tool may use in an hour and in a day, by calls in real cells.

Each call is one of a server of its own: what counts is what the file holds.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preopen.cells.pool import Pool
from promises.harness import call, manifest, probe, said
from promises.network import Ask, operator, sent, tool
from web import serving

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

BODY = 3000


def sides(of_key: str, granted: object, withheld: object) -> Iterator[Any]:
    """Yield a line per hour and per day, each with a quota for two calls and with one for one.

    The second value says how many of two calls begin.
    """
    for key in (f"{of_key}_per_hour", f"{of_key}_per_day"):
        for side, most, begin in (("granted", granted, 2), ("withheld", withheld, 1)):
            yield pytest.param(f"{key} = {most}", begin, marks=keeps(f"policy:quota.*.{key}", side))


@pytest.mark.parametrize(("line", "begin"), [*sides("calls", 2, 1)])
async def test_calls_begin_until_the_quota_and_no_further(
    pool: Pool, tree: Path, kind: str, line: str, begin: int
) -> None:
    """Issue: calls per hour and per day of a tool; what is denied touches no cell."""
    policy = operator(tree, more=f"[quota.probe]\n{line}\n")
    text = manifest(probe(kind), "env", "X")
    receipts = [(await call(pool, policy, text)).receipt for _ in range(2)]

    denied = ["Denied"] * (2 - begin)
    assert ["Returned"] * begin + denied == [receipt.outcome for receipt in receipts]
    assert ["call"] * begin + ["none"] * len(denied) == [receipt.cell for receipt in receipts]


@pytest.mark.parametrize(("line", "begin"), [*sides("bytes_out", '"1MiB"', BODY)])
async def test_what_requests_carried_out_is_counted_and_denies_the_next_call(
    pool: Pool, tree: Path, line: str, begin: int
) -> None:
    """Issue: bytes out per hour and per day; bodies are counted, and what else carries data."""
    async with serving() as web:
        table = f"[quota.probe]\n{line}\n"
        policy = operator(tree, private=[web.origin], more=table)
        asks = [Ask(allow=web.origin, keys={"methods": ["POST"]})]
        text = tool("post", web.origin, str(BODY), asks=asks)
        answers = [await sent(pool, policy, text) for _ in range(2)]

    assert [BODY] * begin == [len(each.body) for each in web.arrived]
    outcomes = ["Returned"] * begin + ["Denied"] * (2 - begin)
    assert outcomes == [answer.receipt.outcome for answer in answers]


@pytest.mark.parametrize(("most", "begin"), [(400, 1), (10_000, 2)])
async def test_urls_count_as_what_goes_out(pool: Pool, tree: Path, most: int, begin: int) -> None:
    """Ours: what has no body still tells whoever listens; a quota blind to that would be none."""
    async with serving() as web:
        policy = operator(
            tree, private=[web.origin], more=f"[quota.probe]\nbytes_out_per_day = {most}\n"
        )
        text = tool("get", f"{web.origin}/{'x' * 1000}", asks=[Ask(allow=web.origin)])
        for _ in range(2):
            await sent(pool, policy, text)

    assert begin == len(web.arrived)


async def test_requests_beyond_those_that_a_receipt_lists_count(pool: Pool, tree: Path) -> None:
    """Ours: a receipt has room for 200; a tool could hide what it sends behind those."""
    async with serving() as web:
        policy = operator(
            tree, private=[web.origin], more='[quota."*"]\nbytes_out_per_hour = 210000\n'
        )
        urls = [f"{web.origin}/{'x' * 900}"] * 240
        text = tool("get", *urls, asks=[Ask(allow=web.origin)])
        answer = await sent(pool, policy, text)
        denied = await sent(pool, policy, text)

    assert 40 == answer.receipt.left_out
    assert 240 == len(web.arrived)
    assert "probe has sent " in said(denied)  # of 200 it would be 189200 bytes
