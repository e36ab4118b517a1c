"""Rows of the section *leaks*: learning what belongs to the server, the user or another call."""

from typing import Final

from preopen.selftest.asking import SECRET, Ask, Seen, Stop, Who
from preopen.selftest.files import BOTH, READ
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.judging import counted, done, refused, said, says, shown
from preopen.selftest.row import Fight, Row, by, on_each

VARIABLE: Final = '[environment]\nGIVEN = { from = "PREOPEN_SELFTEST" }\n'
NAMED: Final = (
    '[[directory]]\nhost = "${workspace}"\nguest = "/data"\naccess = "read"\nnarrow_to = "path"\n'
)
MARK: Final = "a-mark-of-this-test"
READS: Final = by(Ask(words=("read", "a.txt"), grant=READ), done("this is a"))


def _environment() -> list[Row]:
    given = by(Ask(words=("env", "GIVEN"), grant=VARIABLE), done("granted"))
    alone = says("environ -: done", without="PATH=")
    return [
        Row(
            id="leaks/environment",
            tries="read the server's environment",
            who=Who.GUESTS,
            stopped_by=(Stop.WASI, Stop.START),
            attack=by(Ask(words=("environ", "-")), alone),
            control="a granted variable is there",
            allowed=given,
        ),
        Row(
            id="leaks/native-environment",
            tries="read it from the cell's own environment",
            who=Who.NATIVE,
            stopped_by=(Stop.START,),
            attack=by(Ask(words=("environ", "-")), alone),
            control="the settings of libraries are there",
            allowed=by(Ask(words=("env", "TOKIO_WORKER_THREADS")), done("done 1")),
        ),
    ]


def _input() -> list[Row]:
    empty = says("stdin -: done", without=SECRET)
    return [
        Row(
            id="leaks/stdin",
            tries="read the server's standard input",
            who=Who.GUESTS,
            stopped_by=(Stop.WASI, Stop.START),
            attack=by(Ask(words=("stdin", "-")), empty),
            control="the call's own input is there",
            allowed=by(Ask(words=("stdin", "-"), stdin="hello"), done("hello")),
        ),
        Row(
            id="leaks/native-stdin",
            tries="read it from the cell's own descriptor",
            who=Who.NATIVE,
            stopped_by=(Stop.START,),
            attack=by(Ask(words=("stdin", "-")), empty),
            control="the call's own input is there",
            allowed=by(Ask(words=("own-stdin", "-"), stdin="hello"), done("hello")),
        ),
    ]


def _held() -> list[Row]:
    return [
        Row(
            id="leaks/native-descriptors",
            tries="read files that the server has open",
            who=Who.NATIVE,
            stopped_by=(Stop.START,),
            attack=by(Ask(words=("descriptors", "-")), says(": done", without=SECRET)),
            control="a granted file is read",
            allowed=READS,
        ),
        Row(
            id="leaks/native-sockets",
            tries="hold a socket of another cell's, or of the zygote's",
            who=Who.NATIVE,
            stopped_by=(Stop.OWN_SOCKET,),
            attack=by(Ask(words=("sockets", "-")), counted(1, 1)),
            control="it answers by its own",
            allowed=READS,
        ),
    ]


def _calls() -> list[Row]:
    both = ("remember", MARK, "recall", MARK)
    return [
        Row(
            id="leaks/native-previous-call",
            tries="find what the call before left in its process",
            who=Who.NATIVE,
            stopped_by=(Stop.FRESH_CELL,),
            attack=_find_after(calls_per_cell=1),
            control="within one call it is found",
            allowed=by(Ask(words=both), says("recall", ": done found")),
        ),
        Row(
            id="leaks/previous-call",
            tries="find it in the memory of a cell that serves a hundred calls",
            who=Who.GUESTS,
            stopped_by=(Stop.WASI,),
            attack=_find_after(calls_per_cell=100),
            control="within one call it is found",
            allowed=by(Ask(words=both), says("recall", ": done found")),
        ),
    ]


def _find_after(*, calls_per_cell: int) -> Fight:
    async def fight(camp: Camp, who: Who) -> Seen:
        async def one(ground: Ground) -> Seen:
            leave = Ask(words=("remember", MARK), calls_per_cell=calls_per_cell)
            find = Ask(words=("recall", MARK), calls_per_cell=calls_per_cell)
            left = await ground.call(leave)
            answer = await ground.call(find)
            found = said(answer)
            holds = ": done" in said(left) and found.strip().endswith("done not found")
            return Seen(holds=holds, saw=shown(answer))

        return await on_each(camp, who, one)

    return fight


def _others() -> list[Row]:

    def row(
        name: str, tries: str, words: tuple[str, str], *stops: Stop, who: Who = Who.GUESTS
    ) -> Row:
        return Row(
            id=f"leaks/{name}",
            tries=tries,
            who=who,
            stopped_by=stops,
            attack=by(Ask(words=words, grant=READ), refused()),
            control="a granted file is read",
            allowed=READS,
        )

    line = ("read", "/proc/@server/cmdline")
    memory = ("memory", "@server")
    return [
        row("command-line", "read the server's command line", line, *BOTH),
        row("scratch", "list the folder of other programs' scratch files", ("ls", "@temp"), *BOTH),
        row(
            "native-command-line",
            "read the server's command line",
            line,
            Stop.LANDLOCK,
            who=Who.NATIVE,
        ),
        row(
            "native-memory",
            "open the server's memory",
            memory,
            *(Stop.LANDLOCK, Stop.NAMESPACES, Stop.CAPABILITIES),
            who=Who.NATIVE,
        ),
        row("native-scratch", "list that folder", ("ls", "@temp"), Stop.LANDLOCK, who=Who.NATIVE),
    ]


def _messages() -> list[Row]:
    inside = Ask(words=("read",), grant=NAMED, arguments={"path": "a.txt"})

    def row(name: str, tries: str, path: str) -> Row:
        ask = Ask(words=("read",), grant=NAMED, arguments={"path": path})
        return Row(
            id=f"leaks/{name}",
            tries=tries,
            who=Who.MODULE,
            stopped_by=(Stop.MESSAGES,),
            attack=by(ask, says("/data", without="/work", outcome="Denied")),
            control="the file is read by the name that the guest knows",
            allowed=by(inside, done("this is a")),
        )

    return [
        row("denied-path", "learn from a denial where its folder is on the host", "../b.txt"),
        row("bad-path", "learn it from a path that leads on from a file", "a.txt/b"),
    ]


ROWS: Final = (*_environment(), *_input(), *_held(), *_calls(), *_others(), *_messages())
