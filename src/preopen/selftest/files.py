"""Rows of the section *files*: reading and changing what no grant opens."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from preopen.selftest.asking import SECRET, Ask, Seen, Stop, Who
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.judging import done, refused, says
from preopen.selftest.row import Before, Row, by, on_each

READ: Final = '[[directory]]\nhost = "${workspace}"\naccess = "read"\n'
WRITE: Final = READ.replace("read", "write")
DOCS: Final = '[[directory]]\nhost = "${docs}"\naccess = "read"\n'
NARROW: Final = READ + 'narrow_to = "path"\n'
BOTH: Final = (Stop.WASI, Stop.LANDLOCK)

# Verb → the object it takes, what it is called, and who stops it where only reading is granted.
_VERBS: Final[Mapping[str, tuple[str, str, tuple[Stop, ...]]]] = {
    "write": ("a.txt", "overwrite a file", BOTH),
    "append": ("a.txt", "append to a file", BOTH),
    "truncate": ("a.txt", "cut a file short", (Stop.WASI, Stop.LANDLOCK_TRUNCATE)),
    "create": ("new.txt", "create a file", BOTH),
    "mkdir": ("new", "make a folder", BOTH),
    "rmdir": ("empty", "remove a folder", BOTH),
    "unlink": ("b.txt", "remove a file", BOTH),
    "rename": ("b.txt", "rename a file", BOTH),
    "link": ("b.txt", "link a file to a second name", BOTH),
    "symlink": ("a.txt>new-link", "make a symlink", BOTH),
    # Landlock has no right for times: native code can set them (docs/threat-model.md).
    "utime": ("a.txt", "set a file's times", (Stop.WASI,)),
}


def _row(
    name: str,
    tries: str,
    attack: Ask,
    allowed: Ask,
    *,
    stops: tuple[Stop, ...] = BOTH,
    who: Who = Who.GUESTS,
    control: str,
    works: str = "",
    before: Before | None = None,
) -> Row:
    return Row(
        id=f"files/{name}",
        tries=tries,
        who=who,
        stopped_by=stops,
        attack=by(attack, refused(len(attack.words) // 2 or 1), before),
        control=control,
        allowed=by(allowed, done(works), before),
    )


def _reading() -> list[Row]:
    inside = Ask(words=("read", "sub/c.txt"), grant=READ)
    granted = "a file of the granted folder is read"

    def row(name: str, tries: str, path: str, before: Before | None = None) -> Row:
        ask = Ask(words=("read", path), grant=READ)
        return _row(name, tries, ask, inside, control=granted, works="this is c", before=before)

    return [
        row("dot-dot", 'leave the grant by ".."', "../secret.txt"),
        row("dot-dot-inside", 'leave it by ".." behind a folder of it', "sub/../../secret.txt"),
        row("absolute", "read by an absolute path", "@top/secret.txt"),
        row("system-file", "read a file of the system", "/etc/passwd"),
        row("proc-environ", "read its process's environment in /proc", "/proc/self/environ"),
        row("symlink-to-file", "follow a planted symlink to a file", "out", _plant_links),
        row(
            "symlink-to-folder",
            "follow a planted symlink to a folder",
            "up/secret.txt",
            _plant_links,
        ),
        row("symlink-absolute", "follow a planted absolute symlink", "absolute", _plant_links),
        row("symlink-chain", "follow a chain of symlinks", "first", _plant_links),
        _row(
            "no-grant",
            "read the workspace without a grant",
            Ask(words=("read", "@work/a.txt")),
            Ask(words=("read", "@work/a.txt"), grant=READ),
            control="the same file is read with the grant",
            works="this is a",
        ),
        _row(
            "list-outside",
            "list the folder above the grant",
            Ask(words=("ls", ".."), grant=READ),
            Ask(words=("ls", "."), grant=READ),
            control="the granted folder is listed",
            works="a.txt,b.txt",
        ),
    ]


def _plant_links(ground: Ground) -> None:
    work = ground.work
    (work / "out").symlink_to("../secret.txt")
    (work / "up").symlink_to("..")
    (work / "absolute").symlink_to(ground.top / "secret.txt")
    (work / "first").symlink_to("second")
    (work / "second").symlink_to("up/secret.txt")


def _arguments() -> list[Row]:
    stops = (Stop.ARGUMENTS, *BOTH)
    allowed = by(
        Ask(words=("read",), grant=NARROW, arguments={"path": "sub/c.txt"}), done("this is c")
    )

    def row(name: str, tries: str, path: str, before: Before | None = None) -> Row:
        ask = Ask(words=("read",), grant=NARROW, arguments={"path": path})
        judge = says(without=SECRET, outcome="Denied")
        return Row(
            id=f"files/{name}",
            tries=tries,
            who=Who.GUESTS,
            stopped_by=stops,
            attack=by(ask, judge, before),
            control="an argument that names a file inside is read",
            allowed=allowed,
        )

    return [
        row("argument-dot-dot", 'name a file outside in an argument, by ".."', "../secret.txt"),
        row("argument-absolute", "name one by its absolute path", "@top/secret.txt"),
        row("argument-symlink", "name a planted symlink that leads out", "out", _plant_links),
    ]


def _narrowed() -> list[Row]:
    mine = {"path": "a.txt"}

    def row(name: str, tries: str, *words: str) -> Row:
        return Row(
            id=f"files/{name}",
            tries=tries,
            who=Who.GUESTS,
            stopped_by=(Stop.LANDLOCK,),
            attack=by(
                Ask(words=(*words, "read"), grant=NARROW, arguments=mine),
                says("read a.txt: done", without=f"{' '.join(words)}: done"),
            ),
            control="the file that the call names is read",
            allowed=by(Ask(words=("read",), grant=NARROW, arguments=mine), done("this is a")),
        )

    return [
        row(
            "narrowed-sibling",
            "read the sibling of the one file that a call names",
            "read",
            "b.txt",
        ),
        row("narrowed-list", "list the folder of that file", "ls", "."),
        row("narrowed-below", "read below the folder of that file", "read", "sub/c.txt"),
    ]


def _writing() -> list[Row]:
    return [
        _row(
            f"read-only-{verb}",
            f"{name} where only reading is granted",
            Ask(words=(verb, thing), grant=READ),
            Ask(words=(verb, thing), grant=WRITE),
            stops=stops,
            control="it is done where writing is granted",
        )
        for verb, (thing, name, stops) in _VERBS.items()
    ]


def _planting() -> list[Row]:
    return [
        _row(
            "write-outside",
            'write outside of a folder granted to write, by ".."',
            Ask(words=("write", "../secret.txt"), grant=WRITE),
            Ask(words=("write", "a.txt"), grant=WRITE),
            control="a file inside is written",
        ),
        Row(
            id="files/guests-symlink",
            tries="make a symlink that leads out, and read through it",
            who=Who.GUESTS,
            stopped_by=BOTH,
            attack=by(
                Ask(words=("symlink", "../secret.txt>trap", "read", "trap"), grant=WRITE),
                says("symlink ", "read trap: ", without="read trap: done"),
            ),
            control="one that stays inside is made and followed",
            allowed=by(
                Ask(words=("symlink", "a.txt>trap", "read", "trap"), grant=WRITE),
                done("this is a"),
            ),
        ),
        Row(
            id="files/swap",
            tries="read on while a folder of the grant is swapped for a symlink that leads out",
            who=Who.GUESTS,
            stopped_by=BOTH,
            attack=_lurk_while_swapped,
            control="the folder's own file is read meanwhile",
            allowed=by(Ask(words=("lurk", "sub/c.txt"), grant=READ), done("this is c")),
        ),
    ]


def _moving() -> list[Row]:
    two = WRITE + DOCS

    def move(name: str, tries: str, thing: str) -> Row:
        inside = Ask(words=("move", "b.txt>sub/moved.txt"), grant=two)
        control = "a file moves within the folder granted to write"
        return _row(name, tries, Ask(words=("move", thing), grant=two), inside, control=control)

    def bind(name: str, tries: str, thing: str, grant: str) -> Row:
        inside = Ask(words=("bind", "a.txt>sub/mine.txt"), grant=grant)
        control = "a second name is given inside of the granted folder"
        return _row(name, tries, Ask(words=("bind", thing), grant=grant), inside, control=control)

    stolen, planted = "@docs/d.txt>stolen.txt", "a.txt>@docs/planted.txt"
    kept = "give a file granted to read a name where writing is granted"
    return [
        move("rename-in", "move a file out of a folder granted to read", stolen),
        move("rename-out", "move a file into a folder granted to read", planted),
        bind("hard-link-in", kept, "@docs/d.txt>mine.txt", two),
        bind(
            "hard-link-outside",
            "give a file outside a name inside",
            "../secret.txt>mine.txt",
            WRITE,
        ),
    ]


async def _lurk_while_swapped(camp: Camp, who: Who) -> Seen:
    async def fight(ground: Ground) -> Seen:
        (ground.top / "outside/c.txt").write_text(f"{SECRET}\n")
        over = threading.Event()
        swapper = threading.Thread(target=_swap, args=(ground.work, over))
        swapper.start()
        try:
            answer = await ground.call(Ask(words=("lurk", "sub/c.txt"), grant=READ))
        finally:
            over.set()
            swapper.join()
        return says(": done", without=SECRET)(answer)

    return await on_each(camp, who, fight)


def _swap(work: Path, over: threading.Event) -> None:
    """Have `sub` be the folder and a symlink to one outside, in turn, until it is over."""
    (work / "link").symlink_to("../outside")
    while not over.wait(0.001):
        (work / "sub").rename(work / "aside")
        (work / "link").rename(work / "sub")
        over.wait(0.001)
        (work / "sub").rename(work / "link")
        (work / "aside").rename(work / "sub")


def _native() -> list[Row]:
    def row(
        name: str, tries: str, *words: str, stop: Stop = Stop.LANDLOCK, grant: str = READ
    ) -> Row:
        allowed = ("write", "a.txt") if grant == WRITE else ("read", "a.txt")
        return _row(
            f"native-{name}",
            tries,
            Ask(words=words, grant=grant),
            Ask(words=allowed, grant=grant),
            stops=(stop,),
            who=Who.NATIVE,
            control=f"native code may {allowed[0]} what was granted",
        )

    outside = "@top/secret.txt"
    return [
        row("read", "read a file outside", "read", outside),
        row("list", "list a folder outside", "ls", "@top"),
        row("write", "overwrite a file granted to read", "write", "a.txt"),
        row("create", "create a file where reading is granted", "create", "new.txt"),
        row("unlink", "remove a file granted to read", "unlink", "b.txt"),
        row("write-outside", "write outside of a grant to write", "write", outside, grant=WRITE),
        row("fifo", "make a fifo where writing is granted", "fifo", "new", grant=WRITE),
        row(
            "truncate", "cut a file outside short", "truncate", outside, stop=Stop.LANDLOCK_TRUNCATE
        ),
        row("chmod", "change the mode of a file outside", "chmod", outside, stop=Stop.SECCOMP),
        row("attribute", "set an attribute of one", "attribute", outside, stop=Stop.SECCOMP),
        row("watch", "watch the names of a folder outside", "watch", "@top", stop=Stop.SECCOMP),
    ]


ROWS: Final = (
    *_reading(),
    *_arguments(),
    *_narrowed(),
    *_writing(),
    *_planting(),
    *_moving(),
    *_native(),
)
