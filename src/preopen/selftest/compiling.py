"""Rows of the section *hogs*: binaries that harm whoever compiles them, and no cell."""

from dataclasses import replace
from typing import Final

from preopen.selftest import bombs
from preopen.selftest.asking import Ask, Seen, Stop, Who
from preopen.selftest.ground import Camp
from preopen.selftest.judging import done, ended
from preopen.selftest.row import Fight, Row, by

# Under the bounds of `compiler.py`, and far enough from them on a machine of any speed: 4 s of CPU
# time where it has 1, and 300 MB where it has 128 MiB.
_LONG: Final = bombs.much_code(400)
_WIDE: Final = bombs.nested_loops(3500)


def _row(name: str, tries: str, binary: bytes, found: str, stop: Stop, *, small: bytes) -> Row:
    attack = by(Ask(binary=binary, level="none"), ended("Uncompilable", found))
    return Row(
        id=f"hogs/compile-{name}",
        tries=tries,
        who=Who.BINARY,
        stopped_by=(stop,),
        attack=_and_then_serve(attack),
        control="a small binary of that kind is compiled and runs",
        allowed=by(Ask(binary=small, level="none"), ended("Returned")),
    )


def _and_then_serve(attack: Fight) -> Fight:
    """Look that the server, which has had it compiled, answers the next call of another tool."""
    served = by(Ask(words=("spin", "1")), done())

    async def fight(camp: Camp, who: Who) -> Seen:
        seen = await attack(camp, who)
        after = await served(camp, Who.MODULE)
        return seen if after.holds else replace(after, saw=f"{seen.saw}; then {after.saw}")

    return fight


ROWS: Final = (
    _row(
        "time",
        "take the compiler's time",
        _LONG,
        "more CPU time than a compiler may have",
        Stop.RLIMITS,
        small=bombs.much_code(2),
    ),
    _row(
        "memory",
        "take the compiler's memory",
        _WIDE,
        "memory",
        Stop.RLIMITS,
        small=bombs.nested_loops(50),
    ),
    _row(
        "no-code",
        "be no wasm behind headers that are",
        bombs.no_code(),
        "wasmtime cannot compile it",
        Stop.COMPILER,
        small=bombs.much_code(1),
    ),
)
