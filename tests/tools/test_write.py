"""`write`: a file created or overwritten, whole or not at all, in the shape that it had."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tools.desk import Desk, each_kept_encoding
from tools.disk import small_disk

pytestmark = pytest.mark.anyio

LEFTOVER = "0123456789abcdef"  # as a call names its file in the workshop
ODD_NAMES = [
    "two words.txt",
    "a 'quoted' \"name\".txt",
    "line\nbreak.txt",
    "-rf",
    "--help",
    "{path}",
    ".hidden",
    "*.txt",
    unicodedata.normalize("NFC", "größe.txt"),
    unicodedata.normalize("NFD", "größe.txt"),
    "日本語.txt",
    "n" * 255,
    "ü" * 127,
]


@pytest.fixture
def full_disk(desk: Desk) -> Iterator[Path]:
    """Mount a small file system into the desk's folder."""
    with small_disk(desk.folder / "disk") as folder:
        yield folder


def tree(folder: Path) -> set[str]:
    """Return all that is below a folder."""
    return {str(entry.relative_to(folder)) for entry in folder.rglob("*")}


async def test_new_file_is_created_with_its_folders(desk: Desk) -> None:
    """Issue: parents created; says created, and bytes."""
    said = await desk.says("write", path=desk.path("new/deep/a.txt"), content="größe\n")

    assert said == f"created {desk.path('new/deep/a.txt')}: 8 bytes\n"
    assert (desk.folder / "new/deep/a.txt").read_text() == "größe\n"
    assert tree(desk.folder) == {"new", "new/deep", "new/deep/a.txt"}


async def test_overwritten_file_is_told_by_a_diff(desk: Desk) -> None:
    """Issue: says overwritten, bytes, and a short diff."""
    file = desk.put("a.txt", "one\ntwo\nthree\n")
    said = await desk.says("write", path=desk.path("a.txt"), content="one\n2\nthree\n")

    assert said == (
        f"overwrote {desk.path('a.txt')}: 12 bytes, before 14\n"
        "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    )
    assert file.read_text() == "one\n2\nthree\n"


async def test_long_diff_is_cut(desk: Desk) -> None:
    """Ours: a model pays for every token; 20 000 lines that all differ are told in 61."""
    desk.put("a.txt", "old line\n" * 20_000)
    said = await desk.says("write", path=desk.path("a.txt"), content="new line\n" * 20_000)

    assert said.endswith("more lines of diff]\n")
    assert len(said.splitlines()) == 62


async def test_same_content_is_not_written_again(desk: Desk) -> None:
    """Ours: a file that holds just this already keeps its time."""
    file = desk.put("a.txt", "same\n")
    before = file.stat()
    said = await desk.says("write", path=desk.path("a.txt"), content="same\n")

    assert said == f"{desk.path('a.txt')} holds just this already: 5 bytes unchanged\n"
    assert (before.st_ino, before.st_mtime_ns) == (file.stat().st_ino, file.stat().st_mtime_ns)


@pytest.mark.parametrize("content", ["", "\n", "no line end", "a\x01b"])
async def test_content_is_written_byte_for_byte(content: str, desk: Desk) -> None:
    """Issue: hard cases; empty files, no final newline."""
    for _ in range(2):
        await desk.says("write", path=desk.path("a.txt"), content=content)
        assert (desk.folder / "a.txt").read_bytes() == content.encode()
        desk.put("a.txt", "something else")


async def test_nul_is_refused(desk: Desk) -> None:
    """Issue: hard cases, NUL. No text holds one, and every tool would take the file for binary."""
    said = await desk.refuses("write", path=desk.path("a.txt"), content="a\0b")

    assert '"content" holds a NUL' in said
    assert tree(desk.folder) == set()


async def test_line_of_5_mb_is_written(desk: Desk) -> None:
    """Issue: hard cases, a 5 MB line. The diff shows the part of it that changed."""
    old = "x" * 2_500_000 + "old" + "y" * 2_500_000
    file = desk.put("a.txt", old[:3_000_000])
    said = await desk.says("write", path=desk.path("a.txt"), content=old)
    assert file.read_text() == old
    assert len(said) < 1500

    desk.put("a.txt", old[1_000_000:4_000_000])
    new = old[1_000_000:4_000_000].replace("old", "new")
    said = await desk.says("write", path=desk.path("a.txt"), content=new)
    assert "xxold" in said
    assert "xxnew" in said


async def test_crlf_is_kept_and_lf_too(desk: Desk) -> None:
    """Issue: line ends kept where it overwrites."""
    crlf = desk.put("crlf.txt", b"one\r\ntwo\r\n")
    lf = desk.put("lf.txt", b"one\ntwo\n")
    said = await desk.says("write", path=desk.path("crlf.txt"), content="one\n2\nthree")
    await desk.says("write", path=desk.path("lf.txt"), content="one\n2\nthree")

    assert crlf.read_bytes() == b"one\r\n2\r\nthree"
    assert lf.read_bytes() == b"one\n2\nthree"
    assert "; CRLF line ends kept\n@@ -1,2 +1,3 @@\n one\n-two\n+2\n+three\n" in said


async def test_crlf_of_a_large_file_is_kept(desk: Desk) -> None:
    """Issue: line ends kept, also where the old file is too large for a diff."""
    file = desk.put("a.txt", b"a line of some length\r\n" * 250_000)
    said = await desk.says("write", path=desk.path("a.txt"), content="one\ntwo\n")

    assert file.read_bytes() == b"one\r\ntwo\r\n"
    assert said.endswith("; CRLF line ends kept\n")


@each_kept_encoding
async def test_encoding_is_kept(encoding: str, mark: bytes, name: str, desk: Desk) -> None:
    """Ours: whatever else reads the file goes on reading it."""
    file = desk.put("a.txt", mark + "größe: alt\r\n".encode(encoding))
    said = await desk.says("write", path=desk.path("a.txt"), content="größe: neu €\n")

    assert file.read_bytes() == mark + "größe: neu €\r\n".encode(encoding)
    assert f"{name} kept" in said


async def test_character_that_latin_1_lacks_makes_utf_8(desk: Desk) -> None:
    """Ours: nothing that was asked for is lost, and the change of encoding is said."""
    file = desk.put("a.txt", "größe\n".encode("latin-1"))
    said = await desk.says("write", path=desk.path("a.txt"), content="größe → 1\n")

    assert file.read_text() == "größe → 1\n"
    assert "now UTF-8" in said


@pytest.mark.parametrize("old", [b"\x89PNG\r\n\x1a\n\0\0\0\r", b"\xff\xfe\0", bytes(range(256))])
async def test_binary_is_overwritten_without_a_diff(old: bytes, desk: Desk) -> None:
    """Issue: hard cases, binary data."""
    file = desk.put("a.bin", old)
    said = await desk.says("write", path=desk.path("a.bin"), content="text\n")

    assert file.read_text() == "text\n"
    assert said == f"overwrote {desk.path('a.bin')}: 5 bytes, before {len(old)}\n"


async def test_broken_utf_8_is_overwritten(desk: Desk) -> None:
    """Issue: hard cases, broken UTF-8; its line ends count like any file's."""
    file = desk.put("a.txt", "äöüß\r\n".encode() * 3 + b"\xff\r\n")
    said = await desk.says("write", path=desk.path("a.txt"), content="neu\n")

    assert file.read_bytes() == b"neu\r\n"
    assert "-\ufffd\n" in said


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_odd_name_is_the_files_name(name: str, desk: Desk) -> None:
    """Issue: hard cases, names. Created, then overwritten; nothing else appears."""
    await desk.says("write", path=desk.path(name), content="one")
    await desk.says("write", path=desk.path(name), content="two")

    assert {name: "two"} == {each.name: each.read_text() for each in desk.folder.iterdir()}


async def test_both_normal_forms_are_two_files(desk: Desk) -> None:
    """Issue: Unicode in both normal forms: names are bytes, as the file system has them."""
    for form, name in (("NFC", "\u00e9"), ("NFD", "e\u0301")):
        await desk.says("write", path=desk.path(name), content=form)

    assert {"NFC", "NFD"} == {each.read_text() for each in desk.folder.iterdir()}


async def test_name_cannot_forge_a_line_of_the_result(desk: Desk) -> None:
    """Ours: a line break in a name is escaped where the name is shown."""
    said = await desk.says("write", path=desk.path("a\ncreated b"), content="")

    assert said == f'created "{desk.name}/a\\ncreated b": 0 bytes\n'


async def test_every_spelling_of_a_path_is_the_same_file(desk: Desk) -> None:
    """Issue: a path given relative, absolute, with `./`, `..` inside."""
    file = desk.put("a.txt", "0")
    spellings = [
        desk.path("a.txt"),
        f"./{desk.name}//./a.txt",
        f"{desk.name}/sub/../a.txt",
        str(file),
    ]
    (desk.folder / "sub").mkdir()
    for number, path in enumerate(spellings, start=1):
        said = await desk.says("write", path=path, content=str(number))
        assert said.startswith(f"overwrote {desk.path('a.txt')}: ")
        assert file.read_text() == str(number)


@pytest.mark.parametrize("path", ["~/a.txt", "/a.txt", "../a.txt", "", "."])
async def test_path_that_is_no_file_of_the_workspace_is_refused(path: str, desk: Desk) -> None:
    """Issue: `~`; and pairs: what is outside, or is no file, is withheld."""
    await desk.refuses("write", path=path, content="x")


async def test_named_folder_is_not_open_for_writing(desk: Desk, named_folder: Path) -> None:
    """Issue: only the reading tools ask for the operator's other folders."""
    said = await desk.refuses("write", path=str(named_folder / "a.txt"), content="x")

    assert said.startswith("Denied")
    assert tree(named_folder) == set()


async def test_folder_is_no_file(desk: Desk) -> None:
    """Issue: a sentence that helps."""
    desk.put("sub/a.txt", "a")
    said = await desk.refuses("write", path=desk.path("sub"), content="x")
    assert f"{desk.path('sub')} is a folder: name a file in it" in said

    for path in ("sub/a.txt/", "sub/a.txt/b.txt"):
        said = await desk.refuses("write", path=desk.path(path), content="x")
        assert "to be a folder, which it is not" in said
    assert tree(desk.folder) == {"sub", "sub/a.txt"}


async def test_link_inside_is_written_through(desk: Desk) -> None:
    """Issue: a symlink inside the grant is written through to its target."""
    file = desk.put("real/a.txt", "old")
    (desk.folder / "link").symlink_to("real/a.txt")
    (desk.folder / "folder").symlink_to("real")
    await desk.says("write", path=desk.path("link"), content="by the link")
    assert file.read_text() == "by the link"

    await desk.says("write", path=desk.path("folder/a.txt"), content="by the folder")
    assert file.read_text() == "by the folder"
    assert (desk.folder / "link").is_symlink()
    assert (desk.folder / "folder").is_symlink()


async def test_link_to_nothing_makes_its_target(desk: Desk) -> None:
    """Issue: hard cases, dangling symlinks: inside, the target is what is meant."""
    (desk.folder / "link").symlink_to("new/target.txt")
    said = await desk.says("write", path=desk.path("link"), content="x")

    assert said == f"created {desk.path('new/target.txt')}: 1 byte\n"
    assert (desk.folder / "link").is_symlink()
    assert (desk.folder / "new/target.txt").read_text() == "x"


@pytest.mark.parametrize("target", ["{outside}", "{outside}/new.txt", "../../../../out", "link"])
async def test_link_outward_or_in_a_circle_is_refused(
    target: str, desk: Desk, tmp_path: Path
) -> None:
    """Issue: hard cases, symlinks outward and in a circle: nothing is written anywhere."""
    (tmp_path / "file.txt").write_text("untouched")
    (desk.folder / "link").symlink_to(target.format(outside=tmp_path))
    for path in ("link", "link/file.txt"):
        said = await desk.refuses("write", path=desk.path(path), content="x")
        assert said.startswith("Denied")

    assert (tmp_path / "file.txt").read_text() == "untouched"
    assert tree(tmp_path) == {"file.txt"}


async def test_file_is_replaced_by_another_one(desk: Desk) -> None:
    """Issue: atomic (beside, fsync, rename): who has the old file open keeps the old content."""
    file = desk.put("a.txt", "old")
    with file.open() as held:
        await desk.says("write", path=desk.path("a.txt"), content="new")
        assert held.read() == "old"

    assert tree(desk.folder) == {"a.txt"}


@pytest.mark.parametrize("content", ["", "short", "longer than what was there before"])
async def test_hard_linked_file_stays_one_file(content: str, desk: Desk) -> None:
    """Issue: a hard-linked file is rewritten in place, and the result says so."""
    file = desk.put("a.txt", "before, here")
    (desk.folder / "b.txt").hardlink_to(file)
    said = await desk.says("write", path=desk.path("a.txt"), content=content)

    assert (desk.folder / "b.txt").read_text() == content
    assert "in place, not atomically: it has 2 hard links" in said


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o664])
async def test_mode_is_kept(mode: int, desk: Desk) -> None:
    """Issue: an executable script stays executable."""
    file = desk.put("run.sh", "#!/bin/sh\necho old\n")
    file.chmod(mode)
    said = await desk.says("write", path=desk.path("run.sh"), content="#!/bin/sh\necho new\n")

    assert file.stat().st_mode & 0o7777 == mode
    assert file.read_text().endswith("new\n")
    assert "in place" not in said


@pytest.mark.parametrize("mode", [0o444, 0o200, 0o000])
async def test_file_that_may_not_be_read_and_written_is_refused(mode: int, desk: Desk) -> None:
    """Issue: hard cases, unreadable files; a read-only one is meant to stay as it is."""
    file = desk.put("a.txt", "old")
    file.chmod(mode)
    said = await desk.refuses("write", path=desk.path("a.txt"), content="new")

    assert "permission denied" in said
    file.chmod(0o644)
    assert file.read_text() == "old"


async def test_folder_that_takes_no_new_files(desk: Desk) -> None:
    """Ours: an old file can be rewritten there, not atomically; a new one is refused."""
    file = desk.put("sub/a.txt", "old")
    file.parent.chmod(0o555)
    said = await desk.says("write", path=desk.path("sub/a.txt"), content="new")
    refused = await desk.refuses("write", path=desk.path("sub/b.txt"), content="new")
    file.parent.chmod(0o755)

    assert "in place, not atomically: its folder takes no new files" in said
    assert "permission denied" in refused
    assert (file.read_text(), tree(file.parent)) == ("new", {"a.txt"})


async def test_full_disk_leaves_everything_as_it_was(desk: Desk, full_disk: Path) -> None:
    """Issue: hard cases, a full disk: said, nothing lost, nothing left behind."""
    (full_disk / "a.txt").write_text("old")
    (full_disk / "linked.txt").write_text("old")
    (full_disk / "link.txt").hardlink_to(full_disk / "linked.txt")
    before = tree(full_disk)
    for name in ("a.txt", "linked.txt", "new.txt", "new/deep/b.txt"):
        path = desk.path(f"disk/{name}")
        said = await desk.refuses("write", path=path, content="x" * 100_000)
        assert f"{path}: no space is left on the disk" in said

    assert tree(full_disk) == before
    assert (full_disk / "a.txt").read_text() == (full_disk / "linked.txt").read_text() == "old"
    await desk.says("write", path=desk.path("disk/a.txt"), content="fits")


async def test_litter_is_cleared_and_nothing_else(desk: Desk) -> None:
    """Issue: no litter that the next call does not clear, also by one that has nothing to write."""
    workshop = desk.folder / ".preopen-tmp"
    desk.put("a.txt", "same")
    for name in (LEFTOVER, f"{LEFTOVER}=b.txt", f"{LEFTOVER}/folder/c.txt"):
        desk.put(f".preopen-tmp/{name}", "left by a killed call")
        await desk.says("write", path=desk.path("a.txt"), content="same")
        assert not workshop.exists()

    desk.put(".preopen-tmp/notes.txt", "somebody's own")
    await desk.says("write", path=desk.path("a.txt"), content="new")
    assert tree(workshop) == {"notes.txt"}


async def test_something_else_that_is_named_like_the_workshop(desk: Desk) -> None:
    """Ours: the message says what is in the way."""
    desk.put(".preopen-tmp", "a file")
    said = await desk.refuses("write", path=desk.path("a.txt"), content="x")

    assert ".preopen-tmp beside it is no folder: remove it" in said
    assert tree(desk.folder) == {".preopen-tmp"}


async def test_calls_at_once_into_one_new_folder_all_come_through(desk: Desk) -> None:
    """Ours: an agent writes the files of a new package in one go."""
    names = [f"new/{number % 3}/{number}.txt" for number in range(12)]
    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(_write, desk, name, name)

    for name in names:
        assert (desk.folder / name).read_text() == name
    assert not [entry for entry in tree(desk.folder) if ".preopen" in entry]


async def test_calls_at_once_of_one_file_leave_one_of_the_contents(desk: Desk) -> None:
    """Ours: one after the other, each whole."""
    contents = [f"{number}\n" * 10_000 for number in range(8)]
    async with anyio.create_task_group() as tasks:
        for content in contents:
            tasks.start_soon(_write, desk, "a.txt", content)

    assert (desk.folder / "a.txt").read_text() in contents
    assert tree(desk.folder) == {"a.txt"}


async def _write(desk: Desk, name: str, content: str) -> None:
    await desk.says("write", path=desk.path(name), content=content)


async def test_missing_path_that_is_meant_to_be_a_folder_becomes_no_file(desk: Desk) -> None:
    """Ours: a slash at the end says what was meant."""
    said = await desk.refuses("write", path=desk.path("new/"), content="x")

    assert said == f"write failed: {desk.path('new/')} names a folder: name a file in it"
    assert [] == list(desk.folder.iterdir())
