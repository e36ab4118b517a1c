"""`read`: numbered lines of a text, images, and a sentence for everything else."""

import base64
import os
import threading
import zlib
from pathlib import Path

import pytest
from mcp_types import ImageContent

from tools.desk import Desk, text_of

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0" + zlib.compress(b"\0\0")


def numbered(count: int, *, first: int = 1) -> str:
    """Return lines `line N` as `read` shows them."""
    return "".join(f"{n}\tline {n}\n" for n in range(first, first + count))


def lines(count: int) -> str:
    """Return a text of so many lines."""
    return "".join(f"line {n}\n" for n in range(1, count + 1))


async def test_lines_are_numbered(desk: Desk) -> None:
    """Issue: numbered lines."""
    desk.put("a.txt", "one\ntwo\n")

    assert await desk.says("read", path=desk.path("a.txt")) == "1\tone\n2\ttwo\n"


async def test_window_says_what_lies_behind_it(desk: Desk) -> None:
    """Issue: caps that say what was left out and how to get it; the end needs no words."""
    desk.put("a.txt", lines(10))

    async def window(**arguments: int) -> str:
        return await desk.says("read", path=desk.path("a.txt"), **arguments)

    assert await window(offset=3, limit=2) == (
        numbered(2, first=3) + "[lines 3-4 of 10; offset=5 for the rest]\n"
    )
    assert await window(offset=9, limit=1) == (
        numbered(1, first=9) + "[line 9 of 10; offset=10 for the rest]\n"
    )
    assert numbered(2, first=9) == await window(offset=9, limit=2)
    assert numbered(2, first=9) == await window(offset=9)


async def test_two_thousand_lines_unless_more_are_asked_for(desk: Desk) -> None:
    """Issue: 2 000 lines by default; `limit` goes up to at least 10 000."""
    desk.put("a.txt", lines(10_001))

    short = await desk.says("read", path=desk.path("a.txt"))
    long = await desk.says("read", path=desk.path("a.txt"), limit=10_000)

    assert short == numbered(2000) + "[lines 1-2000 of 10001; offset=2001 for the rest]\n"
    assert long == numbered(10_000) + "[lines 1-10000 of 10001; offset=10001 for the rest]\n"


async def test_result_is_bounded_in_bytes(desk: Desk) -> None:
    """Issue: 256 KiB by default. Ours: 1 MiB where more lines were asked for."""
    desk.put("a.txt", ("x" * 999 + "\n") * 2000)

    short = await desk.says("read", path=desk.path("a.txt"))
    long = await desk.says("read", path=desk.path("a.txt"), limit=2001)

    assert len(short) < 256 << 10
    assert short.endswith("[lines 1-260 of 2000; offset=261 for the rest]\n")
    assert len(long) < 1 << 20
    assert long.endswith("[lines 1-1041 of 2000; offset=1042 for the rest]\n")


async def test_long_line_is_cut_and_can_be_gone_through(desk: Desk) -> None:
    """Issue: 2 000 characters a line; a 5 MB line. Characters, not bytes: none is cut apart."""
    line = "äb€d😀" * 400_000  # 4.8 MB, 2 000 000 characters
    desk.put("a.txt", f"first\n{line}\nlast\n")

    whole = await desk.says("read", path=desk.path("a.txt"))
    later = await desk.says("read", path=desk.path("a.txt"), offset=2, limit=1, column=1_999_001)

    assert whole == (
        f"1\tfirst\n2\t{line[:2000]}…[1998000 more characters]\n3\tlast\n"
        "[long lines cut; column=2001 shows how they go on]\n"
    )
    assert later == f"2\t{line[-1000:]}\n[line 2 of 3; offset=3 for the rest]\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
async def test_line_of_just_the_bound_is_whole(desk: Desk, end: str) -> None:
    """Ours: what ends a line is none of its characters."""
    desk.put("a.txt", "x" * 2000 + end)

    assert await desk.says("read", path=desk.path("a.txt")) == f"1\t{'x' * 2000}\n"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("a\r\nb\r\n", "1\ta\n2\tb\n"),
        ("a\r\nb", "1\ta\n2\tb\n"),
        ("a\r\n\r\n\nb\n", "1\ta\n2\t\n3\t\n4\tb\n"),
        ("a\rb\n", "1\ta\rb\n"),
        ("\n", "1\t\n"),
        ("\n\n", "1\t\n2\t\n"),
        ("no end", "1\tno end\n"),
    ],
)
async def test_line_ends_of_every_kind(desk: Desk, content: str, shown: str) -> None:
    """Issue: CRLF; no final newline."""
    desk.put("a.txt", content)

    assert shown == await desk.says("read", path=desk.path("a.txt"))


async def test_empty_file_is_a_good_result(desk: Desk) -> None:
    """Issue: an empty file is a good result that says so. One of a byte order mark is as empty."""
    desk.put("empty")
    desk.put("marked", b"\xef\xbb\xbf")

    assert await desk.says("read", path=desk.path("empty")) == "[empty file]"
    assert await desk.says("read", path=desk.path("marked")) == "[empty file]"


async def test_offset_past_the_end_tells_where_that_is(desk: Desk) -> None:
    """Issue: an offset past the end: a sentence that helps."""
    desk.put("a.txt", "one\ntwo")
    desk.put("b.txt", "one")

    assert await desk.says("read", path=desk.path("a.txt"), offset=3) == (
        "[offset 3 is past the end: the file has 2 lines]"
    )
    assert await desk.says("read", path=desk.path("b.txt"), offset=1 << 60) == (
        f"[offset {1 << 60} is past the end: the file has 1 line]"
    )


async def test_folder_is_pointed_at_list(desk: Desk) -> None:
    """Issue: a folder: a sentence that helps."""
    said = await desk.refuses("read", path=desk.name)

    assert f'{desk.name} is a folder: "list" shows what is in it' in said


async def test_missing_file_names_the_nearest_folder(desk: Desk) -> None:
    """Ours: the folder that does exist is where a model should look."""
    (desk.folder / "sub").mkdir()

    said = await desk.refuses("read", path=desk.path("sub/a/b.txt"))

    assert f"{desk.name}/sub/a/b.txt does not exist; the folder {desk.name}/sub does" in said


@pytest.mark.parametrize(
    ("kind", "name", "head"),
    [
        ("image/png", "PNG", PNG),
        ("image/jpeg", "JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        ("image/gif", "GIF", b"GIF89a\1\0\1\0\0\0\0;"),
        ("image/webp", "WebP", b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0"),
    ],
)
async def test_image_is_an_image_block(desk: Desk, kind: str, name: str, head: bytes) -> None:
    """Issue: images as image content, whatever their file is called."""
    data = head + bytes(range(256)) * 100
    desk.put("picture", data)

    text, image = (await desk.call("read", path=desk.path("picture"))).content

    assert isinstance(image, ImageContent)
    assert (kind, data) == (image.mime_type, base64.b64decode(image.data))
    assert getattr(text, "text", "") == f"[{name} image, 25K]"


async def test_image_that_no_model_takes_is_named(desk: Desk) -> None:
    """Ours: base64 of more than 3.75 MiB is over the 5 MB that model APIs take."""
    most = (15 << 18) - len(PNG)
    desk.put("large.png", PNG + bytes(most + 1))
    desk.put("just.png", PNG + bytes(most))

    assert await desk.says("read", path=desk.path("large.png")) == (
        "[PNG image, 3.8M: too large, up to 3.75M are shown]"
    )
    assert len((await desk.call("read", path=desk.path("just.png"))).content) == 2


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"%PDF-1.7\n%", "a PDF document, 10B"),
        (b"PK\3\4\x14\0\0\0", "a ZIP archive, or a document or package made as one, 8B"),
        (b"\x7fELF\2\1\1\0", "an ELF binary, 8B"),
        (b"SQLite format 3\0" + bytes(84), "an SQLite database, 100B"),
        (b"\x1f\x8b\x08\0", "gzip data, 4B"),
        (b"\xff\xfe\0\0a\0\0\0", "text in UTF-32, 8B"),
        (b"some\0thing", "a binary file of unknown kind, 10B"),
        (b"\0", "a binary file of unknown kind, 1B"),
        (bytes(range(1, 256)) * 8, "a binary file of unknown kind, 2.0K"),
    ],
)
async def test_binary_is_named_and_not_shown(desk: Desk, content: bytes, name: str) -> None:
    """Issue: other binaries named as what they are; binary data; NUL."""
    desk.put("b", content)

    assert await desk.says("read", path=desk.path("b")) == f"[{name}: read shows text and images]"


@pytest.mark.parametrize(
    ("codec", "mark", "name"),
    [
        ("utf-16-le", b"\xff\xfe", "UTF-16LE"),
        ("utf-16-be", b"\xfe\xff", "UTF-16BE"),
        ("utf-16-le", b"", "UTF-16LE"),
        ("utf-16-be", b"", "UTF-16BE"),
        ("latin-1", b"", "Latin-1"),
    ],
)
async def test_other_encodings_are_decoded_and_said(
    desk: Desk, codec: str, mark: bytes, name: str
) -> None:
    """Issue: UTF-16 and Latin-1 decoded and said."""
    desk.put("a.txt", mark + "Grüße\r\nnaïve café\r\n".encode(codec))

    assert await desk.says("read", path=desk.path("a.txt")) == (
        f"1\tGrüße\n2\tnaïve café\n[decoded from {name}]\n"
    )


async def test_mark_decides_where_the_letters_look_like_noise(desk: Desk) -> None:
    """Ours: every other byte of Cyrillic in UTF-16 is 0x04, a control character."""
    desk.put("a.txt", b"\xff\xfe" + "Длинный\n".encode("utf-16-le"))

    assert await desk.says("read", path=desk.path("a.txt")) == (
        "1\tДлинный\n[decoded from UTF-16LE]\n"
    )


async def test_windows_quotes_and_a_mark_are_no_litter(desk: Desk) -> None:
    """Ours: Latin-1 as the web reads it; a mark of UTF-8 is no part of the first line."""
    desk.put("a.txt", b"\x93quoted\x94 \x80 5\n")
    desk.put("b.txt", b"\xef\xbb\xbfmarked\n")

    assert await desk.says("read", path=desk.path("a.txt")) == (
        "1\t“quoted” € 5\n[decoded from Latin-1]\n"
    )
    assert await desk.says("read", path=desk.path("b.txt")) == "1\tmarked\n"


async def test_broken_utf8_is_shown_as_far_as_it_goes(desk: Desk) -> None:
    """Issue: broken UTF-8. Well-made characters around it show that it is no Latin-1."""
    desk.put("a.txt", "größer, süßer, ".encode() + b"\xff\xc3\n")

    assert await desk.says("read", path=desk.path("a.txt")) == (
        "1\tgrößer, süßer, \ufffd\ufffd\n"
        "[not quite UTF-8: what could not be decoded is shown as \ufffd]\n"
    )


async def test_nul_far_into_a_text_is_passed_on(desk: Desk) -> None:
    """Issue: NUL. What a file is is decided by its beginning."""
    desk.put("a.txt", "text\n" * 3000 + "a\0b\x1b[1m\x7f\n")

    assert await desk.says("read", path=desk.path("a.txt"), offset=3001) == (
        "3001\ta\0b\x1b[1m\x7f\n"
    )


@pytest.mark.parametrize("before", range(-4, 2))
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
async def test_character_across_two_pieces_is_whole(desk: Desk, codec: str, before: int) -> None:
    """Ours: a file is read in pieces of 1 MiB, which end within characters and line ends."""
    text = "x" * 99 + "\n"
    room = ((1 << 20) + before) // (1 if codec == "utf-8" else 2)
    text = (text * (room // 100 + 1))[:room] + "😀\r\näö\r\n"
    desk.put("a.txt", text.encode(codec))

    said = await desk.says("read", path=desk.path("a.txt"), offset=room // 100 + 1)

    assert said.splitlines()[0].endswith("x😀")
    assert said.splitlines()[1].endswith("\täö")


async def test_large_file_is_read_at_any_place(desk: Desk) -> None:
    """Issue: a 100 MB file."""
    with (desk.folder / "big.txt").open("wb") as file:
        for start in range(0, 10_000_000, 100_000):
            file.write(b"".join(b"%09d\n" % n for n in range(start, start + 100_000)))

    said = await desk.says("read", path=desk.path("big.txt"), offset=9_876_543, limit=1)

    assert said == ("9876543\t009876542\n[line 9876543 of 10000000; offset=9876544 for the rest]\n")


async def test_links_lead_to_what_is_granted_around_them(desk: Desk, named_folder: Path) -> None:
    """Issue: symlinks inside, outward, dangling. Another granted folder is outside of the first."""
    desk.put("sub/a.txt", "inside\n")
    (named_folder / "n.txt").write_text("named\n")
    (desk.folder / "inside").symlink_to("sub/a.txt")
    (desk.folder / "absolute").symlink_to(desk.folder / "sub/a.txt")
    (desk.folder / "dangling").symlink_to("nowhere")
    (desk.folder / "named").symlink_to(named_folder / "n.txt")

    for name in ("inside", "absolute"):
        assert await desk.says("read", path=desk.path(name)) == "1\tinside\n"
    assert f"{desk.name}/nowhere does not exist" in await desk.refuses(
        "read", path=desk.path("dangling")
    )
    assert 'leads by the link "named" outside' in await desk.refuses(
        "read", path=desk.path("named")
    )


async def test_unreadable_file_says_so(desk: Desk) -> None:
    """Issue: unreadable files. A cell has no capability, so modes bind even root's."""
    desk.put("open", "fine\n").chmod(0o400)
    desk.put("closed", "secret\n").chmod(0)

    assert await desk.says("read", path=desk.path("open")) == "1\tfine\n"
    assert f"{desk.name}/closed: permission denied" in await desk.refuses(
        "read", path=desk.path("closed")
    )


async def test_what_is_no_file_is_denied(desk: Desk) -> None:
    """Ours: a pipe would keep its reader waiting for ever."""
    os.mkfifo(desk.folder / "pipe")

    assert "neither a file nor a folder" in await desk.refuses("read", path=desk.path("pipe"))


async def test_file_that_changes_meanwhile_is_some_state_of_it(desk: Desk) -> None:
    """Issue: a file changed while it is read: longer, shorter, empty, gone, another in its place.

    The other one may be refused: a call has open what its path led to when it began.
    """
    file = desk.put("a.txt", "x" * 9 + "\n")
    changes, done = 0, threading.Event()

    def change() -> None:
        nonlocal changes
        while not done.is_set():
            for size in (3_000_000, 10, 0, 2_000_000, 5):
                os.truncate(file, size)
                changes += 1
            file.unlink()
            file.write_bytes(b"x" * 9 + b"\n" + b"y" * 9_000_000)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        changed_meanwhile = 0
        while changed_meanwhile < 30:
            before = changes
            result = await desk.call("read", path=desk.path("a.txt"))
            changed_meanwhile += changes > before
            said = text_of(result)
            if result.is_error:
                assert "does not exist" in said or "permission denied" in said, said
            else:
                assert said.startswith(("1\t", "[empty file]", "[a binary")), said[:200]
    finally:
        done.set()
        changer.join()


async def test_negative_offset_counts_from_the_end(desk: Desk) -> None:
    """Ours: the end of a log in one call."""
    desk.put("log.txt", "".join(f"line {number}\n" for number in range(1, 11)))
    desk.put("wide.txt", "eins\nzwei\ndrei".encode("utf-16"))

    assert "9\tline 9\n10\tline 10\n" == await desk.says(
        "read", path=desk.path("log.txt"), offset=-2
    )
    said = await desk.says("read", path=desk.path("log.txt"), offset=-3, limit=1)
    assert "8\tline 8\n[line 8 of 10; offset=9 for the rest]\n" == said
    assert (await desk.says("read", path=desk.path("log.txt"), offset=-99)).startswith(
        "1\tline 1\n"
    )
    said = await desk.says("read", path=desk.path("wide.txt"), offset=-1)
    assert "3\tdrei\n[decoded from UTF-16LE]\n" == said
    assert "0 is no line" in await desk.refuses("read", path=desk.path("log.txt"), offset=0)


async def test_negative_offset_reaches_the_end_of_a_large_file(desk: Desk) -> None:
    """Ours: it is counted first, in pieces."""
    desk.put("large.txt", "".join(f"{number:07}\n" for number in range(1, 400_001)))

    said = await desk.says("read", path=desk.path("large.txt"), offset=-1)

    assert "400000\t0400000\n" == said
