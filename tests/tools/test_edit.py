"""`edit`: exact texts replaced, all of them or none; a miss says what the file has instead."""

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tools.desk import Desk, each_kept_encoding
from tools.disk import small_disk

pytestmark = pytest.mark.anyio

CODE = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"
COMBINATORS = {"oneOf", "anyOf", "allOf", "not", "if"}


@pytest.fixture
def full_disk(desk: Desk) -> Iterator[Path]:
    """Mount a small file system into the desk's folder."""
    with small_disk(desk.folder / "disk") as folder:
        yield folder


def change(old: str, new: str, **more: object) -> dict[str, object]:
    """Return one edit's arguments."""
    return {"old_string": old, "new_string": new, **more}


async def test_one_edit_at_the_root(desk: Desk) -> None:
    """Issue: the three at the root for one edit; answers with a unified diff."""
    file = desk.put("a.py", CODE)
    said = await desk.says("edit", path=desk.path("a.py"), **change("return 2", "return 3"))

    assert said == (
        f"edited {desk.path('a.py')}\n@@ -5,2 +5,2 @@\n def two():\n-    return 2\n+    return 3\n"
    )
    assert file.read_text() == CODE.replace("return 2", "return 3")


async def test_edits_apply_in_order(desk: Desk) -> None:
    """Issue: `edits`; each to the result of the one before; one diff for all."""
    file = desk.put("a.py", CODE)
    edits = [
        change("def one", "def first"),
        change("first():\n    return 1", "first():\n    return 0"),
        change("    return", "\treturn", replace_all=True),
    ]
    said = await desk.says("edit", path=desk.path("a.py"), edits=edits)

    assert file.read_text() == "def first():\n\treturn 0\n\n\ndef two():\n\treturn 2\n"
    assert said == (
        f"edited {desk.path('a.py')}: 4 places\n"
        "@@ -1,3 +1,3 @@\n-def one():\n-    return 1\n+def first():\n+\treturn 0\n \n"
        "@@ -5,2 +5,2 @@\n def two():\n-    return 2\n+\treturn 2\n"
    )


async def test_edits_are_all_made_or_none(desk: Desk) -> None:
    """Issue: all or nothing. Each edit that fails is told, so that one more call does."""
    file = desk.put("a.py", CODE)
    edits = [change("return 1", "return 0"), change("return 4", ""), change("return", "")]
    said = await desk.refuses("edit", path=desk.path("a.py"), edits=edits)

    assert file.read_text() == CODE
    assert "edits[1].old_string is not in" in said
    assert "edits[2].old_string is in" in said
    assert said.endswith("None of the 3 edits was made.")


async def test_edits_that_undo_one_another_write_nothing(desk: Desk) -> None:
    """Ours: said, and no error."""
    file = desk.put("a.py", CODE)
    before = file.stat().st_ino
    edits = [change("return 1", "return 9"), change("return 9", "return 1")]
    said = await desk.says("edit", path=desk.path("a.py"), edits=edits)

    assert "is unchanged" in said
    assert file.stat().st_ino == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "nothing to do: give old_string and new_string, or several in edits"),
        ({"old_string": "a"}, 'new_string is missing; "" would delete old_string'),
        ({"new_string": "a"}, "old_string is missing"),
        ({"replace_all": True}, "old_string is missing"),
        ({"edits": [change("a", "b")], **change("a", "b")}, "not both"),
        ({"edits": [change("a", "b")], "replace_all": True}, "edits or replace_all, not both"),
        ({"edits": []}, "edits: expected"),
        ({"edits": [{"old_string": "a"}]}, "edits[0].new_string: missing"),
        ({"edits": [change("a", "b", count=1)]}, "count"),
        (change("", "a"), 'old_string is empty: give the text to replace; "write" fills'),
        (change("def one", "def one"), "are the same"),
        (change("():\n", "():\r\n"), "are the same (line ends do not count, they are kept)"),
        (change("one", "a\0b"), "new_string holds a NUL"),
    ],
)
async def test_arguments_that_do_not_go_together_are_told(
    arguments: dict[str, object], told: str, desk: Desk
) -> None:
    """Issue: exactly one of the two forms, and an edit that changes something."""
    file = desk.put("a.py", CODE)
    said = await desk.refuses("edit", path=desk.path("a.py"), **arguments)

    assert told in said
    assert file.read_text() == CODE


async def test_schema_has_no_combinator_at_its_root(desk: Desk) -> None:
    """Design §7: some clients drop a tool that has one."""
    tools = {tool.name: tool for tool in (await desk.client.list_tools()).tools}

    assert not COMBINATORS & tools["edit"].input_schema.keys()
    assert tools["edit"].input_schema["required"] == ["path"]


async def test_double_match_shows_both_places(desk: Desk) -> None:
    """Issue: a double match shows both places, and the way to make it unique."""
    file = desk.put("a.py", CODE)
    said = await desk.refuses("edit", path=desk.path("a.py"), **change("    return", ""))

    assert said == (
        f"old_string is in {desk.path('a.py')} 2 times: add text around it that only one place "
        "has, or set replace_all=true to replace all.\n"
        "1\tdef one():\n2\t    return 1\n3\t\n5\tdef two():\n6\t    return 2"
    )
    assert file.read_text() == CODE


async def test_replace_all_replaces_every_place(desk: Desk) -> None:
    """Issue: unique unless `replace_all`; a diff however many there are."""
    file = desk.put("a.txt", "x = x + x\n" * 10_000)
    said = await desk.says("edit", path=desk.path("a.txt"), **change("x", "yy", replace_all=True))

    assert file.read_text() == "yy = yy + yy\n" * 10_000
    assert said.startswith(f"edited {desk.path('a.txt')}: 30000 places\n@@ -1,")
    assert len(said.splitlines()) == 82


@pytest.mark.parametrize(
    ("file", "old", "told"),
    [
        (
            "if x:\n\treturn 1\n",
            "if x:\n    return 1",
            "2\t\treturn 1\nline 2 is indented by 1 tab, in old_string by 4 spaces",
        ),
        ("a = 1  \nb = 2\n", "a = 1\nb", "line 1 ends with 2 spaces, in old_string with nothing"),
        ("a =\u00a01\n", "a = 1", "has 1 no-break space (U+00A0) where old_string has 1 space"),
        (
            "say('hi')\n",
            "say(\u2018hi\u2019)",
            'where old_string has "\u2018hi\u2019" (U+2018 U+2019)',
        ),
        ("getName()\n", "getname()", 'line 1 has "getName" where old_string has "getname"'),
        ("caf\u00e9 au lait\n", "cafe\u0301 au lait", '"caf\u00e9" (U+00E9) where old_string has'),
        ("one\n\n\ntwo\nthree\n", "one\n\ntwo\nthree\n", "a blank one, is not in old_string"),
        ("total = first + 1\n", "total = frist + 1", '"first" where old_string has "frist"'),
        ("a = 1\nlast = 2", "last = 2\n", "ends the file without a line end"),
        ("a\u200bb = 1\n", "ab = 1", "zero-width space"),
        ("x = 'a\\n'\n", "x = 'a\n'", "1\tx = 'a\\n'"),
    ],
)
async def test_miss_shows_the_nearest_lines_and_what_differs(
    file: str, old: str, told: str, desk: Desk
) -> None:
    """Issue: a miss shows the nearest lines and what differs, whitespace named."""
    desk.put("a.txt", file)
    said = await desk.refuses("edit", path=desk.path("a.txt"), **change(old, "new"))

    assert said.startswith(f"old_string is not in {desk.path('a.txt')}. The nearest line")
    assert told in said


@pytest.mark.parametrize(
    ("old", "told"),
    [
        (
            "2\t    return 1\n3\t",
            'with read\'s numbers ("12\\t"): leave them out. What is meant is at line 2.',
        ),
        ("one():\\n    return 1", "escaped once too often"),
        ("class Three(Base): pass", "Nothing there is much like it."),
    ],
)
async def test_miss_by_a_slip_is_told_as_that(old: str, told: str, desk: Desk) -> None:
    """Ours: what models do to a text that they copy."""
    desk.put("a.py", CODE)
    assert told in await desk.refuses("edit", path=desk.path("a.py"), **change(old, "new"))


async def test_edit_that_was_made_before_is_recognised(desk: Desk) -> None:
    """Ours: an agent that got no answer tries again."""
    desk.put("a.py", CODE)
    again = change("def one():\n    return 1", "def first():\n    return 1")
    await desk.says("edit", path=desk.path("a.py"), **again)
    said = await desk.refuses("edit", path=desk.path("a.py"), **again)

    assert "But new_string is, at line 1: perhaps this was done before." in said


async def test_text_that_an_edit_before_has_changed_is_told(desk: Desk) -> None:
    """Issue: each to the result of the one before."""
    desk.put("a.py", CODE)
    edits = [change("return 1", "return 0"), change("return 1", "return 5")]
    said = await desk.refuses("edit", path=desk.path("a.py"), edits=edits)

    assert "It was, before an edit in front of this one changed that place." in said


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        (b"a\r\nb\r\n", change("a\nb\n", "x\ny\nz\n"), b"x\r\ny\r\nz\r\n"),
        (b"a\r\nb\r\n", change("b\r\n", "c\r\n"), b"a\r\nc\r\n"),
        (b"a\nb", change("b", "b\nc"), b"a\nb\nc"),
        (b"a\nb\n", change("b\n", "b"), b"a\nb"),
        (b"a\r\nb\nc\r\nd\n", change("a\nb\nc\nd", "a\nB\nc\nd"), b"a\r\nB\nc\r\nd\n"),
        (b"a\rb\r\r\nc\n", change("c", "d"), b"a\rb\r\r\nd\n"),
        (b"\ta\n  \tb  \n", change("a", "c"), b"\tc\n  \tb  \n"),
    ],
)
async def test_line_ends_tabs_and_the_last_line_are_kept(
    before: bytes, edit: dict[str, object], after: bytes, desk: Desk
) -> None:
    """Issue: CRLF, tabs and final newline kept; a mixed file keeps every line that it had."""
    file = desk.put("a.txt", before)
    await desk.says("edit", path=desk.path("a.txt"), **edit)

    assert file.read_bytes() == after


@each_kept_encoding
async def test_encoding_is_kept(encoding: str, mark: bytes, name: str, desk: Desk) -> None:
    """Ours: texts are what `read` shows; whatever else reads the file goes on reading it."""
    file = desk.put("a.txt", mark + "größe: alt\r\nein €\r\n".encode(encoding))
    said = await desk.says("edit", path=desk.path("a.txt"), **change("größe: alt\n", "Größe\n"))

    assert file.read_bytes() == mark + "Größe\r\nein €\r\n".encode(encoding)
    assert said.startswith(f"edited {desk.path('a.txt')}: CRLF line ends kept; {name} kept\n")
    assert "-größe: alt\n+Größe\n" in said


async def test_character_that_the_encoding_lacks_is_refused(desk: Desk) -> None:
    """Issue: all that no edit touches stays as it is: another encoding would change it."""
    file = desk.put("a.txt", "größe\n".encode("latin-1"))
    said = await desk.refuses("edit", path=desk.path("a.txt"), **change("größe", "→"))

    assert 'is Latin-1, which has no "→"' in said
    assert file.read_bytes() == "größe\n".encode("latin-1")


async def test_broken_utf_8_is_kept(desk: Desk) -> None:
    """Issue: hard cases, broken UTF-8: what no edit touches stays, byte for byte."""
    broken = "äöü äöü\n".encode() + b"\xff\xfe \xe2\x82\n"
    file = desk.put("a.txt", broken + b"end\n")
    said = await desk.says("edit", path=desk.path("a.txt"), **change("end", "END"))

    assert file.read_bytes() == broken + b"END\n"
    assert "-end\n+END\n" in said


@pytest.mark.parametrize(
    "data", [b"\x7fELF\x02\x01\x01\0\0", b"\xff\xfe\0\xd8a\0", b"a\0" * 3 + b"\0"]
)
async def test_binary_is_refused(data: bytes, desk: Desk) -> None:
    """Issue: hard cases, binary data and NUL."""
    file = desk.put("a.bin", data)
    said = await desk.refuses("edit", path=desk.path("a.bin"), **change("E", "F"))

    assert "is no text" in said
    assert file.read_bytes() == data


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("missing.txt", 'does not exist: "write" makes new files'),
        ("no/such/folder.txt", 'does not exist: "write" makes new files'),
        ("empty.txt", 'The file is empty: "write" fills it.'),
        ("sub", "is a folder: name a file in it"),
        ("sub/a.txt/", "to be a folder, which it is not"),
        ("sub/a.txt/b", "to be a folder, which it is not"),
        ("dangling", 'does not exist: "write" makes new files'),
        ("outward", "Denied"),
        ("circle", "Denied"),
    ],
)
async def test_what_cannot_be_edited_is_told(path: str, told: str, desk: Desk) -> None:
    """Issue: a sentence that helps; nothing is made or changed."""
    desk.put("empty.txt")
    desk.put("sub/a.txt", "a")
    (desk.folder / "dangling").symlink_to("nowhere.txt")
    (desk.folder / "outward").symlink_to("/etc/hostname")
    (desk.folder / "circle").symlink_to("circle")
    before = {entry.name for entry in desk.folder.rglob("*")}
    said = await desk.refuses("edit", path=desk.path(path), **change("a", "b"))

    assert told in said
    assert {entry.name for entry in desk.folder.rglob("*")} == before


@pytest.mark.parametrize("mode", [0o444, 0o200, 0o000])
async def test_file_that_may_not_be_read_and_written_is_refused(mode: int, desk: Desk) -> None:
    """Issue: hard cases, unreadable files; a read-only one is meant to stay as it is."""
    file = desk.put("a.txt", "old")
    file.chmod(mode)
    said = await desk.refuses("edit", path=desk.path("a.txt"), **change("old", "new"))

    assert "permission denied" in said
    file.chmod(0o644)
    assert file.read_text() == "old"


async def test_link_inside_is_edited_through(desk: Desk) -> None:
    """Issue: a symlink inside the grant is written through to its target."""
    file = desk.put("real/a.txt", "old")
    (desk.folder / "link").symlink_to("real/a.txt")
    said = await desk.says("edit", path=desk.path("link"), **change("old", "new"))

    assert said.startswith(f"edited {desk.path('real/a.txt')}\n")
    assert file.read_text() == "new"
    assert (desk.folder / "link").is_symlink()


async def test_hard_linked_file_stays_one_file(desk: Desk) -> None:
    """Issue: a hard-linked file is rewritten in place, and the result says so."""
    file = desk.put("a.txt", "old text")
    (desk.folder / "b.txt").hardlink_to(file)
    said = await desk.says("edit", path=desk.path("a.txt"), **change("old", "quite new"))

    assert (desk.folder / "b.txt").read_text() == "quite new text"
    assert "in place, not atomically: it has 2 hard links" in said


async def test_executable_stays_executable(desk: Desk) -> None:
    """Issue: a rename loses the mode, so the cell puts it back."""
    file = desk.put("run.sh", "#!/bin/sh\necho old\n")
    file.chmod(0o755)
    await desk.says("edit", path=desk.path("run.sh"), **change("old", "new"))

    assert file.stat().st_mode & 0o7777 == 0o755
    assert os.access(file, os.X_OK)


@pytest.mark.parametrize(
    "name", ["two words", "a\nb", "-n", "--", "'q' \"u\"", "gr\u00f6\u00dfe", "gro\u0308\u00dfe"]
)
async def test_odd_name_is_the_files_name(name: str, desk: Desk) -> None:
    """Issue: hard cases, names."""
    file = desk.put(name, "old")
    await desk.says("edit", path=desk.path(name), **change("old", "new"))

    assert [file] == list(desk.folder.iterdir())
    assert file.read_text() == "new"


async def test_full_disk_leaves_the_file_as_it_was(desk: Desk, full_disk: Path) -> None:
    """Issue: hard cases, a full disk: said, nothing lost, nothing left behind."""
    (full_disk / "a.txt").write_text("old")
    path = desk.path("disk/a.txt")
    said = await desk.refuses("edit", path=path, **change("old", "x" * 100_000))

    assert said == f"{path}: no space is left on the disk"
    assert ["a.txt"] == [entry.name for entry in full_disk.iterdir()]
    assert (full_disk / "a.txt").read_text() == "old"


async def test_line_of_5_mb(desk: Desk) -> None:
    """Issue: hard cases, a 5 MB line: found, or what is near it; shown where it matters."""
    words = [f"word{number}" for number in range(600_000)]
    file = desk.put("a.js", ",".join(words))
    said = await desk.says("edit", path=desk.path("a.js"), **change("word300000,", "new,"))
    assert len(said) < 1500
    assert "word299999,word300000" in said
    assert "word299999,new" in said
    words[300_000] = "new"
    assert file.read_text() == ",".join(words)

    miss = change("word400000, word400001, word400002", "")
    said = await desk.refuses("edit", path=desk.path("a.js"), **miss)
    assert "1\t…" in said
    assert "word400000,word400001" in said
    assert len(said) < 1500


async def test_file_of_100_mb(desk: Desk) -> None:
    """Issue: hard cases, a 100 MB file: two edits far apart, and the lines nearest to a miss."""
    filler = ("0123456789 abcdefghijklmnopqrstuvwxyz" * 2 + "\n") * 1_340_000
    file = desk.put("a.txt", f"the first line\nthe second line\n{filler}the last line\n")
    assert file.stat().st_size > 100_000_000
    edits = [change("the first line\n", "1\n"), change("the last line\n", "3\n")]
    said = await desk.says("edit", path=desk.path("a.txt"), edits=edits)

    assert file.read_text() == f"1\nthe second line\n{filler}3\n"
    assert [row for row in said.splitlines() if row.startswith("@@")] == [
        "@@ -1,2 +1,2 @@",
        "@@ -1340002,2 +1340002,2 @@",
    ]
    miss = change("\nthe  second line\n", "")
    said = await desk.refuses("edit", path=desk.path("a.txt"), **miss)
    assert said.endswith(
        '\n2\tthe second line\nline 2 has 1 space where old_string has 2 spaces, after "the"'
    )


async def test_file_beyond_the_limit_is_refused(desk: Desk) -> None:
    """Ours: the limit is said, and the file is not read first."""
    file = desk.put("a.txt", "old")
    os.truncate(file, 200 << 20)
    said = await desk.refuses("edit", path=desk.path("a.txt"), **change("old", "new"))

    assert said == f"{desk.path('a.txt')} has 200M: edit takes files up to 128M"


async def test_edits_at_once_of_one_file_all_land(desk: Desk) -> None:
    """Ours: agents send several edits of a file at once; none may undo another."""
    count = 12
    file = desk.put("a.txt", "".join(f"line {number} old\n" for number in range(count)))

    async def edit(number: int) -> None:
        one = change(f"line {number} old", f"line {number} new")
        await desk.says("edit", path=desk.path("a.txt"), **one)

    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            for number in range(count):
                tasks.start_soon(edit, number)
        assert file.read_text().count("new") == count
        assert [file] == list(desk.folder.iterdir())
        file.write_text(file.read_text().replace("new", "old"))


async def test_outside_of_the_workspace_is_withheld(desk: Desk, named_folder: Path) -> None:
    """Issue: write access is the workspace's alone."""
    file = named_folder / "a.txt"
    file.write_text("old")
    said = await desk.refuses("edit", path=str(file), **change("old", "new"))

    assert said.startswith("Denied")
    assert file.read_text() == "old"
