"""Rows of the section *hogs*: taking more than one's share, of this call or of the machine."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import anyio

from preopen.selftest.asking import Ask, Seen, Stop, Who
from preopen.selftest.files import READ, WRITE
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.judging import Judge, counted, done, ended, refused, says
from preopen.selftest.row import Fight, Row, by, on_each

_Limits: TypeAlias = Mapping[str, str | int]
SHORT: Final = {"wall_time": "300ms"}
SLOW: Final[dict[str, str | int]] = {"wall_time": "30s", "cpu_time": "30s"}
_FLOOD: Final = 12  # calls at once, where one may run and two may wait


def _row(
    name: str,
    tries: str,
    attack: Ask,
    judge: Judge,
    *stops: Stop,
    control: str,
    allowed: Fight,
    who: Who = Who.GUESTS,
) -> Row:
    return Row(
        id=f"hogs/{name}",
        tries=tries,
        who=who,
        stopped_by=stops,
        attack=by(attack, judge),
        control=control,
        allowed=allowed,
    )


def _time() -> list[Row]:
    quick = by(Ask(words=("sleep", "5"), limits={"wall_time": "5s"}), done())
    ends = "a guest that is quick enough ends well"

    def row(
        name: str,
        tries: str,
        *words: str,
        stops: tuple[Stop, ...],
        grant: str = "",
        guest: str = "",
    ) -> Row:
        limits: Mapping[str, str] = SHORT | ({"cpu_time": "1s"} if Stop.RLIMITS in stops else {})
        ask = Ask(words=words, limits=limits, grant=grant, guest=guest)
        who = Who.MODULE if guest else Who.GUESTS
        judge = ended("TimedOut", "wall_time")
        return _row(name, tries, ask, judge, *stops, control=ends, allowed=quick, who=who)

    both = (Stop.WALL_TIME, Stop.RLIMITS)
    return [
        row("spin", "compute without end", "spin", "2600", stops=both),
        row("sleep", "sleep in a host call", "sleep", "1500", stops=(Stop.WALL_TIME,)),
        row("start", "compute in the start function", stops=both, guest="selftest/start"),
        row(
            *("many-files", "make files without end", "litter", "sub"),
            stops=(Stop.WALL_TIME,),
            grant=WRITE,
        ),
    ]


def _computing() -> list[Row]:
    short: _Limits = SLOW | {"cpu_time": "1s"}
    return [
        _row(
            "cpu-time",
            "compute on where the clock would allow it",
            # So long that a busy machine gives it a second; a quiet one ends it after that.
            Ask(words=("spin", "8000"), limits=short),
            ended("TimedOut", "cpu_time"),
            Stop.RLIMITS,
            control="a guest that sleeps as long uses no CPU time",
            allowed=by(Ask(words=("sleep", "1100"), limits=short), done()),
        ),
        _row(
            "fuel",
            "compute on where both clocks would allow it",
            Ask(words=("spin", "2600"), limits=SLOW | {"fuel": 1_000_000}),
            ended("OutOfFuel", "fuel"),
            Stop.FUEL,
            control="with fuel enough it ends well",
            allowed=by(Ask(words=("spin", "20"), limits=SLOW | {"fuel": 10**12}), done()),
        ),
    ]


SMALL: Final = {"memory": "64MiB"}
LARGE: Final = {"memory": "768MiB"}
ROOM: Final = {"output": "64KiB", "stderr": "16KiB"}
FITS: Final = by(Ask(words=("pour", "32"), limits=ROOM), done())
_MEMORY: Final = (Stop.STORE, Stop.RLIMITS)


def _declared() -> list[Row]:
    def guest(name: str, tries: str, wat: str, *stops: Stop, who: Who = Who.MODULE) -> Row:
        return _row(
            name,
            tries,
            Ask(guest=f"selftest/{wat}", limits=SMALL),
            ended("Trapped"),
            *stops,
            control="a guest that takes 40 MiB gets them",
            allowed=by(Ask(words=("grow", "40"), limits=SMALL), done()),
            who=who,
        )

    return [
        guest("declared-memory", "declare 512 MiB at once", "memory", *_MEMORY),
        guest("memories", "take three memories, each within the limit", "memories", *_MEMORY),
        guest(
            "memories-component",
            "take three in three instances of a component",
            "memories",
            Stop.RLIMITS,
            who=Who.COMPONENT,
        ),
    ]


def _grown() -> list[Row]:
    return [
        _row(
            "grow",
            "grow its memory past the limit",
            Ask(words=("grow", "200"), limits=SMALL),
            refused(),
            *_MEMORY,
            control="it grows under a larger one",
            allowed=by(Ask(words=("grow", "200"), limits=LARGE), done("200")),
        ),
        _row(
            "instances",
            "be made of more instances than the limit",
            Ask(guest="selftest/memories", limits=LARGE | {"instances": 2}),
            ended("Trapped"),
            Stop.STORE,
            control="with the limit raised they are made",
            allowed=by(Ask(guest="selftest/memories", limits=LARGE), ended("Returned")),
            who=Who.COMPONENT,
        ),
        _row(
            "native-grow",
            "take memory from the system",
            Ask(words=("grow", "200"), limits=SMALL),
            refused(),
            Stop.RLIMITS,
            control="native code gets what was granted",
            allowed=by(Ask(words=("grow", "64"), limits=SMALL), done()),
            who=Who.NATIVE,
        ),
    ]


def _tables_and_stack() -> list[Row]:
    def row(name: str, tries: str, stop: Stop, low: _Limits, high: _Limits) -> Row:
        guest = f"selftest/{name}"
        return _row(
            name,
            tries,
            Ask(guest=guest, limits=low),
            ended("Trapped"),
            stop,
            control="with the limit raised it runs",
            allowed=by(Ask(guest=guest, limits=high), ended("Returned")),
            who=Who.MODULE,
        )

    return [
        row("table", "declare two million elements", Stop.STORE, {}, {"table_elements": 3_000_000}),
        row("tables", "declare twenty tables", Stop.STORE, {}, {"tables": 30}),
        row("deep", "recurse deeply", Stop.STACK, {"stack": "512KiB"}, {"stack": "2MiB"}),
    ]


def _output() -> list[Row]:
    both = (Stop.STDOUT, Stop.FRAME)
    whole = "what fits is returned whole"
    over = ended("OutputOverflow", "output")

    return [
        _row(
            "flood-stdout",
            "write more to stdout than the limit",
            Ask(words=("pour", "3000"), limits=ROOM),
            over,
            *both,
            control=whole,
            allowed=FITS,
        ),
        _row(
            "drip",
            "write it a byte at a time",
            Ask(words=("drip", "96"), limits=ROOM),
            over,
            *both,
            control=whole,
            allowed=FITS,
        ),
        _row(
            "flood-both",
            "write to both streams",
            Ask(words=("pour-stderr", "3000", "pour", "3000"), limits=ROOM),
            over,
            *both,
            control=whole,
            allowed=FITS,
        ),
    ]


def _kept() -> list[Row]:
    return [
        _row(
            "flood-stderr",
            "have the host keep more of stderr than the cell has memory",
            Ask(words=("pour-stderr", "200000"), limits={"memory": "16MiB", "wall_time": "60s"}),
            done(),
            Stop.STDERR,
            control="the end of stderr is told where a guest fails",
            allowed=by(
                Ask(words=("warn", "the reason", "exit", "1")), ended("Exited", "the reason")
            ),
        ),
        _row(
            "overrun",
            "answer with more than the limit, past all counting in the cell",
            Ask(words=("overrun", "3000"), limits=ROOM),
            ended("OutputOverflow", "output"),
            Stop.FRAME,
            control="an answer that fits is taken",
            allowed=FITS,
            who=Who.NATIVE,
        ),
    ]


def _files() -> list[Row]:
    size, more = {"file_size": "1MiB"}, {"file_size": "16MiB"}

    def big(who: Who, name: str, tries: str) -> Row:
        ask = Ask(words=("inflate", "big"), grant=WRITE, limits=size)
        allowed = Ask(words=("inflate", "big"), grant=WRITE, limits=more)
        return _row(
            name,
            tries,
            ask,
            counted(1 << 20, 1 << 20),
            Stop.RLIMITS,
            control="under a larger limit it is written whole",
            allowed=by(allowed, counted(4 << 20, 4 << 20)),
            who=who,
        )

    return [
        big(Who.GUESTS, "big-file", "write a file past file_size"),
        big(Who.NATIVE, "native-big-file", "do so natively"),
        _row(
            "descriptors",
            "open files without end",
            Ask(words=("open", "a.txt"), grant=READ, limits={"open_files": 64}),
            counted(1, 63),
            Stop.RLIMITS,
            control="under a larger limit there are more",
            allowed=by(
                Ask(words=("open", "a.txt"), grant=READ, limits={"open_files": 200}),
                counted(100, 1 << 20),
            ),
        ),
    ]


def _machine() -> list[Row]:
    def row(name: str, tries: str, act: str, thing: str, *stops: Stop) -> Row:
        return _row(
            f"native-{name}",
            tries,
            Ask(words=(act, thing), grant=READ),
            refused(),
            *stops,
            control="native code may compute, and read what was granted",
            allowed=by(Ask(words=("spin", "1", "read", "a.txt"), grant=READ), done("this is a")),
            who=Who.NATIVE,
        )

    # The kernel's own check asks whether the other one has more capabilities: root's server has.
    by_root = (Stop.SECCOMP, Stop.CAPABILITIES)
    return [
        row("fork", "make a process", "fork", "-", Stop.SECCOMP),
        row("execute", "run a program", "execute", "/bin/sh", Stop.SECCOMP, Stop.LANDLOCK),
        row("raise-limits", "raise its own limits", "raise-limits", "-", Stop.RLIMITS),
        row("untie", "outlive the server", "untie", "-", Stop.SECCOMP),
        row("signal", "signal the server", "signal", "@server", Stop.SECCOMP, Stop.LANDLOCK_SCOPE),
        row("limit", "set the server's limits", "limit", "@server", Stop.SECCOMP),
        row("slow", "set the server's priority", "slow", "@server", *by_root),
        row("pin", "bind the server to a processor", "pin", "@server", *by_root),
    ]


async def _flood_of_calls(camp: Camp, who: Who) -> Seen:
    """Call one tool many times at once: those past its queue are answered at once."""
    ask = Ask(words=("sleep", "100"), limits={"concurrency": 1, "queue": 2})

    async def fight(ground: Ground) -> Seen:
        outcomes: list[str] = []

        async def one() -> None:
            outcomes.append((await ground.call(ask)).receipt.outcome)

        async with anyio.create_task_group() as tasks:
            for _ in range(_FLOOD):
                tasks.start_soon(one)
        busy = outcomes.count("Busy")
        return Seen(holds=busy == _FLOOD - 3, saw=f"{busy} of {_FLOOD} calls were answered Busy")

    return await on_each(camp, who, fight)


_QUEUE: Final = Row(
    id="hogs/queue",
    tries="fill a tool's queue",
    who=Who.MODULE,
    stopped_by=(Stop.QUEUE,),
    attack=_flood_of_calls,
    control="calls that fit in it wait and are answered",
    allowed=by(Ask(words=("sleep", "5"), limits={"concurrency": 1, "queue": 2}), says(": done")),
)

ROWS: Final = (
    *_time(),
    *_computing(),
    *_declared(),
    *_grown(),
    *_tables_and_stack(),
    *_output(),
    *_kept(),
    *_files(),
    *_machine(),
    _QUEUE,
)
