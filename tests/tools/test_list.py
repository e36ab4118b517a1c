"""`list`: a folder as a tree with sizes, and what it leaves out counted."""

import os
import queue
import threading
from pathlib import Path

import pytest

from tools.desk import Desk

pytestmark = pytest.mark.anyio


async def test_tree_has_sizes_and_folders_first(desk: Desk) -> None:
    """Issue: a tree with sizes, folders first."""
    desk.put("b.txt", "x" * 1536)
    desk.put("a.txt", "abc")
    desk.put("zoo/in/deep.txt")
    desk.put("zoo/ape", "x" * 20_000)

    assert await desk.says("list", path=desk.name) == (
        f"{desk.name}/\n zoo/\n  in/\n  ape 20K\n a.txt 3B\n b.txt 1.5K\n"
    )


async def test_depth_says_how_many_levels(desk: Desk) -> None:
    """Issue: `depth` (1 = the folder's own entries). Ours: 2 by default, 100 at most."""
    desk.put("/".join(["d"] * 120 + ["f"]))

    async def levels(**arguments: int) -> int:
        lines = (await desk.says("list", path=desk.name, **arguments)).splitlines()
        assert lines[1:] == [" " * level + "d/" for level in range(1, len(lines))]
        return len(lines) - 1

    assert await levels(depth=1) == 1
    assert await levels() == 2
    assert await levels(depth=100) == 100
    assert "depth: expected at most 100" in await desk.refuses("list", path=desk.name, depth=101)


async def test_hidden_entries_are_counted_or_shown(desk: Desk) -> None:
    """Issue: `hidden`. Ours: git's own folder is folded even then."""
    desk.put(".env", "secret")
    desk.put(".git/config", "x")
    desk.put("a.txt", "abc")

    async def tree(**arguments: bool) -> str:
        return (await desk.says("list", path=desk.name, **arguments)).removeprefix(desk.name)

    assert await tree() == "/ [2 hidden]\n a.txt 3B\n"
    assert await tree(hidden=True) == "/ [1 ignored: .git/]\n .env 6B\n a.txt 3B\n"
    assert await tree(hidden=True, no_ignore=True) == (
        "/\n .git/\n  config 1B\n .env 6B\n a.txt 3B\n"
    )


async def test_ignored_entries_are_folded_with_their_count(desk: Desk) -> None:
    """Issue: ignored ones folded with their count; `no_ignore` shows them."""
    desk.put(".gitignore", "*.o\nbuild/\n")
    desk.put(".ignore", "*.tmp\n")
    desk.put(".git/info/exclude", "mine\n")
    desk.put("build/out.txt")
    desk.put("mine", "abc")
    for name in ("a.o", "b.o", "c.o", "d.tmp", "e.tmp", "kept.c"):
        desk.put(name)

    shown = await desk.says("list", path=desk.name)
    whole = await desk.says("list", path=desk.name, no_ignore=True)

    assert shown == (
        f"{desk.name}/ [3 hidden, 7 ignored: a.o b.o build/ c.o d.tmp …]\n kept.c 0B\n"
    )
    assert whole == (
        f"{desk.name}/ [3 hidden]\n build/\n  out.txt 0B\n a.o 0B\n b.o 0B\n c.o 0B\n"
        " d.tmp 0B\n e.tmp 0B\n kept.c 0B\n mine 3B\n"
    )


async def test_ignore_files_above_the_folder_count(desk: Desk) -> None:
    """Issue: the ignore files of parent folders decide what they show; nearer ones come first."""
    desk.put(".gitignore", "*.log\n/sub/deep/only\n")
    desk.put("sub/.gitignore", "!kept.log\n")
    for name in ("a.log", "kept.log", "only", "other"):
        desk.put(f"sub/deep/{name}")

    assert await desk.says("list", path=desk.path("sub/deep")) == (
        f"{desk.name}/sub/deep/ [2 ignored: a.log only]\n kept.log 0B\n other 0B\n"
    )


async def test_ignored_folder_that_is_named_is_shown(desk: Desk) -> None:
    """Ours: who names it wants to see it."""
    desk.put(".gitignore", "node_modules/\n")
    desk.put("node_modules/pkg/index.js", "x")

    assert await desk.says("list", path=desk.path("node_modules")) == (
        f"{desk.name}/node_modules/\n pkg/\n  index.js 1B\n"
    )


async def test_limit_cuts_the_depths_first_and_says_so(desk: Desk) -> None:
    """Issue: `limit`. Ours: what lies higher is what a model looks at first."""
    for folder in ("a", "b"):
        for name in ("1", "2", "3"):
            desk.put(f"{folder}/{name}")
    desk.put("c")

    async def tree(limit: int) -> str:
        said = await desk.says("list", path=desk.name, limit=limit)
        return said.removeprefix(f"{desk.name}/\n")

    end = "reached: raise it, or list a folder by its path]\n"
    assert await tree(2) == f" a/\n b/\n [1 more]\n[limit of 2 {end}"
    assert await tree(3) == f" a/\n b/\n c 0B\n[limit of 3 {end}"
    assert await tree(4) == f" a/\n  1 0B\n  [2 more]\n b/\n c 0B\n[limit of 4 {end}"
    assert await tree(9) == " a/\n  1 0B\n  2 0B\n  3 0B\n b/\n  1 0B\n  2 0B\n  3 0B\n c 0B\n"


async def test_result_stays_below_the_output_limit(desk: Desk) -> None:
    """Ours: 10 000 names of 255 bytes, 2.5 MB, would end the call at its limit of 1 MiB."""
    for number in range(2500):
        desk.put(f"{number:0255}")

    said = await desk.says("list", path=desk.name, limit=10_000)

    assert len(said) < 600_000
    assert said.endswith("more]\n[cut after 512K: list a folder by its path]\n")


async def test_empty_folder_is_a_good_result(desk: Desk) -> None:
    """Issue: empty is a good result that says so."""
    (desk.folder / "sub").mkdir()

    assert await desk.says("list", path=desk.path("sub")) == f"{desk.name}/sub/ [empty]\n"
    assert await desk.says("list", path=desk.name) == f"{desk.name}/\n sub/ [empty]\n"


async def test_path_is_the_workspace_by_default(desk: Desk) -> None:
    """Ours: no path is the whole workspace, and its root is "."."""
    said = await desk.says("list", depth=1)

    assert said.startswith("./\n")
    assert f"\n {desk.name}/\n" in said


async def test_file_and_nothing_have_their_sentences(desk: Desk) -> None:
    """Ours: a file is no error; a missing folder names the nearest that exists."""
    desk.put("sub/a.txt", "abc")

    assert await desk.says("list", path=desk.path("sub/a.txt")) == (
        f"{desk.name}/sub/a.txt 3B (a file)\n"
    )
    said = await desk.refuses("list", path=desk.path("sub/no/such"))
    assert f"{desk.name}/sub/no/such does not exist; the folder {desk.name}/sub does" in said


async def test_links_are_shown_and_not_followed(desk: Desk, tmp_path: Path) -> None:
    """Issue: symlinks inside, outward, dangling and in a circle. A circle ends."""
    desk.put("sub/a.txt", "abc")
    targets: dict[str, str | Path] = {
        "absolute": tmp_path,
        "circle": "circle",
        "dangling": "nowhere",
        "inside": "sub",
        "outward": "../../..",
        "sub/up": "..",
    }
    for name, target in targets.items():
        (desk.folder / name).symlink_to(target)

    assert await desk.says("list", path=desk.name, depth=100) == (
        f"{desk.name}/\n sub/\n  a.txt 3B\n  up -> ..\n absolute -> /…\n circle -> circle\n"
        " dangling -> nowhere\n inside -> sub\n outward -> ../../..\n"
    )


async def test_names_take_one_line_each(desk: Desk) -> None:
    """Issue: names with spaces, quotes, newlines, leading dashes, Unicode in both normal forms."""
    names = ["-rf", "a b", 'it\'s "q"', "two\nlines", "tab\t", "é", "e\u0301", "\u202egnp", "日本"]
    for name in names:
        desk.put(name)

    said = await desk.says("list", path=desk.name)

    shown = {"two\nlines": '"two\\nlines"', "tab\t": '"tab\\t"', "\u202egnp": '"\\u{202e}gnp"'}
    assert sorted(said.splitlines()[1:]) == sorted(f" {shown.get(n, n)} 0B" for n in names)


async def test_closed_folder_does_not_close_the_others(desk: Desk) -> None:
    """Issue: unreadable folders. A cell has no capability, so modes bind even root's."""
    desk.put("open/a.txt", "abc")
    desk.put("closed/b.txt", "abc")
    (desk.folder / "closed").chmod(0)
    os.mkfifo(desk.folder / "pipe")

    try:
        assert await desk.says("list", path=desk.name) == (
            f"{desk.name}/\n closed/ [cannot be read: permission denied]\n open/\n  a.txt 3B\n"
            " pipe [no regular file]\n"
        )
        assert "ermission denied" in await desk.refuses("list", path=desk.path("closed"))
    finally:
        (desk.folder / "closed").chmod(0o700)


async def test_name_that_is_no_utf8_is_said_to_be_there(desk: Desk) -> None:
    """Ours: WASI tells no such name, and nobody should take its folder for an empty one."""
    desk.put("sub/a.txt")
    (desk.folder / "odd").mkdir()
    os.close(os.open(os.fsencode(desk.folder / "odd") + b"/\xff", os.O_CREAT))

    assert await desk.says("list", path=desk.name) == (
        f"{desk.name}/\n odd/ [1 not named in UTF-8]\n sub/\n  a.txt 0B\n"
    )


async def test_fifty_thousand_files_are_counted(desk: Desk) -> None:
    """Issue: 50 000 files in one tree, 20 000 of them in one folder."""
    for number in range(100):
        (desk.folder / f"d{number:02}").mkdir()
    for number in range(30_000):
        (desk.folder / f"d{number % 100:02}" / f"{number:05}").touch()
    for number in range(20_000):
        (desk.folder / f"{number:05}").touch()

    said = await desk.says("list", path=desk.name)
    deep = await desk.says("list", path=desk.path("d07"), limit=10_000)
    wide = await desk.says("list", path=desk.name, depth=1, limit=10_000)

    assert said.startswith(f"{desk.name}/\n d00/\n d01/\n")
    assert " [19600 more]\n[limit of 500 reached" in said
    assert len(deep.splitlines()) == 301
    assert " 09899 0B\n [10100 more]\n[limit of 10000 reached" in wide


async def test_folder_that_changes_meanwhile_is_some_state_of_it(desk: Desk) -> None:
    """Ours: a build makes and removes files in a folder while it is listed.

    Preview 1 fails a whole folder when an entry is gone between its name and its status.
    """
    for number in range(50):
        desk.put(f"kept{number}")
    bursts: queue.Queue[int] = queue.Queue()

    def change() -> None:
        while burst := bursts.get():
            for number in range(burst):
                file = desk.folder / f"made{number % 7}"
                file.touch()
                file.unlink()

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for burst in range(1, 200, 4):
            bursts.put(burst)
            assert (await desk.says("list", path=desk.name)).count(" kept") == 50
    finally:
        bursts.put(0)
        changer.join()
