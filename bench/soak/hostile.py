"""Hostile calls, each with the ends that it may have; what has another end got further than it may.

Each act is tried by both kinds of binary in turn.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bench.soak.client import Client

# Names of outcomes in a receipt. "Returned" is right where a guest lives to be told "no".
Ends: TypeAlias = frozenset[str]
Act: TypeAlias = Callable[[Client, str], Awaitable[str]]  # the kind of binary → how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way to do harm."""

    name: str
    act: Act
    ends: Ends


def end_of(answer: dict[str, Any]) -> str:
    """Return the outcome of an answer's receipt, or the code of an error."""
    if "error" in answer:
        return f"error {answer['error']['code']}"
    outcome = str(answer["result"]["_meta"]["preopen/receipt"]["outcome"])
    if outcome == "CellLost":  # of which no row speaks: why it was lost is what one wants to know
        return f"{outcome}: {answer['result']['content'][0]['text']}"
    return outcome


def _probe(name: str, tool: str, *words: str, ends: Sequence[str]) -> Attack:
    async def act(client: Client, kind: str) -> str:
        return end_of(await client.call(f"{tool}_{kind}", words=list(words)))

    return Attack(name=name, act=act, ends=frozenset(ends) | {"Busy"})


async def _cancelled(client: Client, kind: str) -> str:
    await client.call_and_cancel(f"brief_{kind}", 0.2, words=["spin", ""])
    return "taken back"


async def _garbage(client: Client, kind: str) -> str:
    line = b'{"jsonrpc":"2.0","id":' if kind == "module" else b"[" * 5000 + b"\xff"
    before = client.refusals
    await client.write(line + b"\n")
    answer = await client.ask("ping")  # by its answer that of the line has come
    return "refused" if client.refusals > before and "result" in answer else "unanswered"


async def _unknown(client: Client, kind: str) -> str:
    return end_of(await client.call(f"no_such_{kind}", words=[]))


async def _bad_arguments(client: Client, kind: str) -> str:
    return end_of(await client.call(f"brief_{kind}", words={"not": "a list"}, more=1e300))


async def _outside(client: Client, kind: str) -> str:
    way = "/etc/hostname" if kind == "module" else "src/../../config/../../../../etc/hostname"
    return end_of(await client.call("read", path=way))


FILES: Final = [word for number in range(100) for word in ("write", f"scratch/many{number}")]

ATTACKS: Final[Sequence[Attack]] = (
    _probe("spins", "brief", "spin", "", ends=["TimedOut"]),
    _probe("sleeps", "brief", "sleep", "60000", ends=["TimedOut"]),
    _probe("takes memory", "hog", "grow", "4096", ends=["Returned", "Trapped", "TimedOut"]),
    # Beside others like it a flood may be out of time before it is out of room.
    _probe("floods stdout", "brief", "flood", "stdout", ends=["OutputOverflow", "TimedOut"]),
    _probe("floods stderr", "brief", "flood", "stderr", ends=["TimedOut", "Returned", "Trapped"]),
    _probe("recurses", "brief", "recurse", "", ends=["Trapped"]),
    _probe("panics", "brief", "panic", "", ends=["Trapped"]),
    _probe("many files", "litter", *FILES, ends=["Returned", "TimedOut"]),
    _probe("big file", "litter", "fill", "scratch/big", ends=["Returned", "TimedOut"]),
    _probe(
        "many descriptors",
        "litter",
        "create",
        "scratch/one",
        "open",
        "scratch/one",
        ends=["Returned", "TimedOut"],
    ),
    _probe("lies", "liar", "print", '{"count":NaN}', ends=["InvalidResult"]),
    Attack(name="outside", act=_outside, ends=frozenset({"Denied"})),
    Attack(name="bad arguments", act=_bad_arguments, ends=frozenset({"InvalidArguments"})),
    Attack(name="unknown tool", act=_unknown, ends=frozenset({"error -32602"})),
    Attack(name="garbage", act=_garbage, ends=frozenset({"refused"})),
    Attack(name="cancelled", act=_cancelled, ends=frozenset({"taken back"})),
)
