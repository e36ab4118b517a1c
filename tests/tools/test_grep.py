"""`grep`: lines that match a regular expression, files, or counts."""

import os
import threading
from pathlib import Path

import pytest

from tools.desk import Desk

pytestmark = pytest.mark.anyio


class Greps:
    """What searches below a test's folder say, without the folder's own name."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def __call__(self, pattern: str, name: str = "", /, **arguments: object) -> str:
        """Return the text of a search in the folder, or in what has that name in it."""
        path = self.desk.path(name) if name else self.desk.name
        said = await self.desk.says("grep", pattern=pattern, path=path, **arguments)
        return said.replace(f"{self.desk.name}/", "")


@pytest.fixture
def greps(desk: Desk) -> Greps:
    """Return a way to search below the test's folder."""
    return Greps(desk)


async def test_lines_are_numbered_and_grouped_by_file(desk: Desk, greps: Greps) -> None:
    """Issue: grouped by file. Ours: a folder's own files first, then those below, by name."""
    desk.put("b.py", "import os\n\n    import sys\n")
    desk.put("a/z.py", "import re\n")
    desk.put("c.py", "nothing\n")

    assert await greps("^ *import") == (
        "b.py\n1: import os\n3:     import sys\na/z.py\n1: import re\n"
    )


async def test_paths_are_printed_as_they_are_asked_for(desk: Desk, named_folder: Path) -> None:
    """Ours: relative to the workspace within it, absolute in the operator's other folders."""
    desk.put("a.txt", "needle one\n")
    (named_folder / "b.txt").write_text("needle two\n")

    assert await desk.says("grep", pattern="needle", path=str(desk.folder)) == (
        f"{desk.name}/a.txt\n1: needle one\n"
    )
    assert await desk.says("grep", pattern="needle", path=str(named_folder)) == (
        f"{named_folder}/b.txt\n1: needle two\n"
    )
    assert f"{desk.name}/a.txt\n1: needle one\n" in await desk.says("grep", pattern="needle one")


async def test_output_modes(desk: Desk, greps: Greps) -> None:
    """Issue: `files_with_matches`, a path a line; `count` of matching lines, `path:n` a line."""
    desk.put("a.txt", "x x\nx\ny\n")
    desk.put("b.txt", "x\n")
    desk.put("c.txt", "y\n")

    assert await greps("x", output_mode="files_with_matches") == "a.txt\nb.txt\n"
    assert await greps("x", output_mode="count") == "a.txt:2\nb.txt:1\n[3 lines in 2 files]\n"
    assert await greps("x", "a.txt", output_mode="count") == "a.txt:2\n"
    assert await greps("x", "a.txt", output_mode="content") == "a.txt\n1: x x\n2: x\n"


async def test_context_is_marked_and_never_repeated(desk: Desk, greps: Greps) -> None:
    """Issue: `context`, `before`, `after`."""
    desk.put("a.txt", "".join(f"{'hit' if n in {3, 5, 9} else 'line'} {n}\n" for n in range(1, 11)))

    assert await greps("hit", context=1) == (
        "a.txt\n2- line 2\n3: hit 3\n4- line 4\n5: hit 5\n6- line 6\n8- line 8\n9: hit 9\n"
        "10- line 10\n"
    )
    assert await greps("hit 9", before=2) == "a.txt\n7- line 7\n8- line 8\n9: hit 9\n"
    assert await greps("hit 3", after=1, context=2) == (
        "a.txt\n1- line 1\n2- line 2\n3: hit 3\n4- line 4\n"
    )


async def test_case_and_fixed_strings(desk: Desk, greps: Greps) -> None:
    """Issue: `ignore_case`, `fixed_strings`."""
    desk.put("a.txt", "Ärger f(x)\nÄRGER F(X)\nfxx\n")

    assert await greps("ärger", ignore_case=True) == "a.txt\n1: Ärger f(x)\n2: ÄRGER F(X)\n"
    assert await greps("f(x)", fixed_strings=True) == "a.txt\n1: Ärger f(x)\n"
    assert await greps("f(x)", fixed_strings=True, ignore_case=True) == (
        "a.txt\n1: Ärger f(x)\n2: ÄRGER F(X)\n"
    )


async def test_match_over_several_lines(desk: Desk, greps: Greps) -> None:
    """Issue: `multiline`. Ours: a line break in the pattern needs no flag."""
    desk.put("a.txt", "def f(\n    a,\n    b\n):\n    pass\n\ndef g(): pass\n")

    whole = "a.txt\n1: def f(\n2:     a,\n3:     b\n4: ):\n"

    assert await greps(r"def f\(.*?\):", multiline=True) == whole
    assert await greps(r"def \w+\([^)]*\n\):") == whole
    assert await greps(r"pass\n\ndef") == "a.txt\n5:     pass\n6:\n7: def g(): pass\n"
    assert await greps(r"def f\(.*?\):") == "[no match in 1 file]\n"


async def test_glob_chooses_files(desk: Desk, greps: Greps) -> None:
    """Issue: `glob`. Ours: as the tool of that name reads it; `!` leaves out."""
    for name in ("a.ts", "b.tsx", "src/c.ts", "src/d.md", "test/e.ts"):
        desk.put(name, "x\n")

    async def files(glob: str) -> str:
        return await greps("x", glob=glob, output_mode="files_with_matches")

    assert await files("*.{ts,tsx}") == "a.ts\nb.tsx\nsrc/c.ts\ntest/e.ts\n"
    assert await files("src/**") == "src/c.ts\nsrc/d.md\n"
    assert await files("!*.ts") == "b.tsx\nsrc/d.md\n"
    assert await files("!test/**") == await files("!test") == "a.ts\nb.tsx\nsrc/c.ts\nsrc/d.md\n"
    assert await files("*.py") == "[no file to search]\n"
    assert await files("") == "a.ts\nb.tsx\nsrc/c.ts\nsrc/d.md\ntest/e.ts\n"
    assert await files(f"{desk.folder}/src/*.ts") == "src/c.ts\n"
    assert '"[" is no pattern: unclosed character class' in await desk.refuses(
        "grep", pattern="x", glob="["
    )


async def test_type_chooses_files_by_the_names_of_ripgrep(desk: Desk, greps: Greps) -> None:
    """Issue: `type`. Ours: an unknown one lists near ones."""
    for name in ("a.py", "b.pyi", "c.rs", "Makefile"):
        desk.put(name, "x\n")

    assert await greps("x", type="py", output_mode="files_with_matches") == "a.py\nb.pyi\n"
    assert await greps("x", type="make", output_mode="files_with_matches") == "Makefile\n"
    assert await greps("x", type="rust", glob="*.py") == "[no file to search]\n"
    assert 'type: "tsx" is no kind of files; there is ts, ' in await desk.refuses(
        "grep", pattern="x", type="tsx"
    )


async def test_ignored_and_hidden_files_are_left_out(desk: Desk, greps: Greps) -> None:
    """Issue: `hidden`, `no_ignore`. Ours: no match says what was not looked at."""
    desk.put(".gitignore", "*.log\nout/\n")
    desk.put("a.log", "x\n")
    desk.put("out/b.txt", "x\n")
    desk.put(".env", "x\n")
    desk.put(".git/config", "x\n")
    desk.put("c.txt", "y\n")

    async def files(**arguments: object) -> str:
        return await greps("x", output_mode="files_with_matches", **arguments)

    assert await files() == (
        "[no match in 1 file]\n[not looked at: 1 ignored file and 1 ignored folder: out/ "
        "(no_ignore=true); 2 hidden files (hidden=true)]\n"
    )
    assert await files(hidden=True) == ".env\n"
    assert await files(no_ignore=True) == "a.log\nout/b.txt\n"
    assert await files(hidden=True, no_ignore=True) == ".env\na.log\n.git/config\nout/b.txt\n"
    assert await greps("x", "a.log") == "a.log\n1: x\n"
    assert await greps("x", "out") == "out/b.txt\n1: x\n"


async def test_ignore_files_above_the_path_count(desk: Desk, greps: Greps) -> None:
    """Issue: the ignore files of parent folders decide what is shown."""
    desk.put(".gitignore", "*.log\n")
    desk.put("sub/deep/a.log", "x\n")
    desk.put("sub/deep/a.txt", "x\n")

    assert await greps("x", "sub/deep") == "sub/deep/a.txt\n1: x\n"


async def test_limit_says_that_there_is_more(desk: Desk, greps: Greps) -> None:
    """Issue: `limit`. Ours: lines or files, context included; counts go on behind it."""
    for name in ("a", "b", "c"):
        desk.put(name, "x\nx\ny\n")
    ways = "raise limit, or narrow path, glob or pattern]\n"

    assert await greps("x", limit=3) == f"a\n1: x\n2: x\nb\n1: x\n[more than 3 lines: {ways}"
    assert await greps("x", limit=6) == "a\n1: x\n2: x\nb\n1: x\n2: x\nc\n1: x\n2: x\n"
    assert await greps("x", limit=2, after=1) == f"a\n1: x\n2: x\n[more than 2 lines: {ways}"
    assert await greps("x", limit=2, output_mode="files_with_matches") == (
        f"a\nb\n[more than 2 files: {ways}"
    )
    assert await greps("x", limit=3, output_mode="files_with_matches") == "a\nb\nc\n"
    assert await greps("x", limit=1, output_mode="count") == (
        f"a:2\n[6 lines in 3 files; 2 files not shown: {ways}"
    )


async def test_limits_reach_ten_thousand(desk: Desk, greps: Greps) -> None:
    """Issue: `limit` goes up to at least 10 000. Ours: 200 by default; 512 KiB at most."""
    desk.put("a.txt", "x\n" * 10_001)
    desk.put("long/b.txt", f"{'y' * 250}\n" * 10_000)

    assert len((await greps("x", "a.txt")).splitlines()) == 1 + 200 + 1
    assert len((await greps("x", "a.txt", limit=10_000)).splitlines()) == 1 + 10_000 + 1
    cut = await greps("y", "long", limit=10_000)
    assert len(cut) < 530_000
    assert cut.endswith("\n[cut after 512K: narrow path, glob or pattern]\n")


async def test_search_stops_where_nothing_more_is_shown(desk: Desk, greps: Greps) -> None:
    """Ours: what lies behind a limit is not read. A closed file there would be noted."""
    desk.put("a", "x\nx\n")
    desk.put("b", "x\n").chmod(0)

    noted = "[1 could not be read: b: permission denied]\n"

    assert noted not in await greps("x", limit=1)
    assert await greps("x") == f"a\n1: x\n2: x\n{noted}"


async def test_long_line_is_cut_around_the_match(desk: Desk, greps: Greps) -> None:
    """Issue: long lines cut around the match; a 5 MB line. No character is cut apart."""
    desk.put("a.txt", f"first\n{'ä' * 1_250_000}needle{'ö' * 1_250_000}\nlast\n")

    said = await greps("needle", context=1)

    lines = said.splitlines()
    assert ["a.txt", "1- first", "3- last"] == [lines[0], lines[1], lines[3]]
    assert lines[2].startswith("2: …ää")
    assert lines[2].endswith("öö…")
    assert "äneedleö" in lines[2]
    assert "\ufffd" not in said
    assert len(said) < 400


async def test_hundred_megabytes_are_searched_to_the_end(desk: Desk, greps: Greps) -> None:
    """Issue: a 100 MB file. It takes no more memory than a small one."""
    block = b"some line of text\n" * 58_000
    with (desk.folder / "large.txt").open("wb") as file:
        for _ in range(100):
            file.write(block)
        file.write(b"the needle\n")

    assert await greps("needle") == f"large.txt\n{5_800_000 + 1}: the needle\n"
    assert await greps("line", output_mode="count") == "large.txt:5800000\n"


async def test_what_memory_does_not_hold_is_noted(desk: Desk, greps: Greps) -> None:
    """Ours: a line of over 16 MiB, and a file of over 32 MiB where matches may span lines."""
    desk.put("line/a.txt", b"x" * (17 << 20))
    desk.put("line/b.txt", "x\n")
    desk.put("file/a.txt", b"a line\n" * 5_000_000)
    desk.put("file/b.txt", "a\nline\n")
    desk.put("file/c.txt", b"no line\n" * 4_000_000 + b"a\nline\n")

    assert await greps("x", "line") == (
        "line/b.txt\n1: x\n[1 could not be read: line/a.txt: a line of it is longer than 16M]\n"
    )
    assert await greps(r"a\nline", "file") == (
        "file/b.txt\n1: a\n2: line\nfile/c.txt\n4000001: a\n4000002: line\n"
        "[1 could not be read: file/a.txt: is larger than 32M, too much for a match over several "
        "lines]\n"
    )


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"one x\r\ntwo x\r\n", "1: one x\n2: two x\n"),
        (b"one x\ntwo x", "1: one x\n2: two x\n"),
        (b"x\r\n\r\nx", "1: x\n3: x\n"),
        (b"a\rx\n", "1: a\rx\n"),
    ],
)
async def test_line_ends_of_every_kind(
    desk: Desk, greps: Greps, content: bytes, shown: str
) -> None:
    """Issue: CRLF; no final newline. `$` is where a line's text ends."""
    desk.put("a.txt", content)

    assert await greps("x$") == f"a.txt\n{shown}"


async def test_anchors_are_those_of_each_line(desk: Desk, greps: Greps) -> None:
    """Ours: `^` after a byte order mark too; an empty line matches `^$`, CRLF or not."""
    desk.put("a.txt", b"\xef\xbb\xbfone\r\n\r\ntwo\n\n")
    desk.put("empty.txt")

    assert await greps("^one") == "a.txt\n1: one\n"
    assert await greps("^$") == "a.txt\n2:\n4:\n"


async def test_binary_files_are_skipped(desk: Desk, greps: Greps) -> None:
    """Issue: binary files skipped; said how many when nothing matched."""
    desk.put("a.bin", b"needle\0needle\n")
    desk.put("late.bin", b"needle\n" * 2000 + b"\0")
    desk.put("c.txt", "text\n")

    assert await greps("needle", context=1) == ("[no match in 1 file; 2 binary files skipped]\n")
    assert await greps("text") == "c.txt\n1: text\n"
    assert await greps("needle", "a.bin") == "[a.bin is a binary file: not searched]\n"


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
    ],
)
async def test_utf_16_is_searched(desk: Desk, greps: Greps, codec: str, mark: bytes) -> None:
    """Ours: such files are text to `read`, so they are to be found."""
    desk.put("a.txt", mark + "first\r\nGröße ç\r\n".encode(codec))

    assert await greps("größe .$", ignore_case=True) == "a.txt\n2: Größe ç\n"


async def test_broken_utf_8_and_latin_1_are_legible(desk: Desk, greps: Greps) -> None:
    """Issue: broken UTF-8. Ours: a line that is Latin-1 is shown as such."""
    desk.put("broken.txt", b"x \xff\xfe \xc3\xa4\xc3\xb6\xc3\xbc\n")
    desk.put("latin.txt", "x naïve\n".encode("latin-1"))

    assert await greps("x") == ("broken.txt\n1: x \ufffd\ufffd äöü\nlatin.txt\n1: x naïve\n")


async def test_empty_file_and_no_match_are_good_results(desk: Desk, greps: Greps) -> None:
    """Issue: no match and an empty file are good results that say so."""
    desk.put("empty.txt")
    desk.put("a.txt", "text\n")

    assert await greps("needle") == "[no match in 2 files]\n"
    assert await greps("needle", "empty.txt") == "[no match in empty.txt]\n"
    assert await greps("needle|thread", glob="*.md") == "[no file to search]\n"
    assert await greps(r"needle\|thread") == (
        "[no match in 2 files]\n[\\| is the character | itself; alternatives are written a|b]\n"
    )


async def test_bad_pattern_is_explained(desk: Desk) -> None:
    """Issue: a bad pattern explained. Ours: where, and the way out."""

    async def refused(pattern: str) -> str:
        return await desk.refuses("grep", pattern=pattern, path=desk.name)

    assert "    f(x\n     ^\nerror: unclosed group\nfixed_strings=true" in await refused("f(x")
    assert "look-around, including look-ahead and look-behind, is not supported" in await refused(
        "(?=x)"
    )
    assert "backreferences are not supported" in await refused(r"(a)\1")
    assert "size limit" in await refused(r"(\w{1000}){1000}")


async def test_time_is_linear_whatever_the_pattern(desk: Desk, greps: Greps) -> None:
    """Issue: linear-time regex. By backtracking this would take longer than the world exists."""
    desk.put("a.txt", "a" * 100_000 + "\n")

    assert await greps("(a+)+$b|(a|aa)+c") == "[no match in 1 file]\n"


@pytest.mark.parametrize("pattern", ["-rf", "--", 'it\'s "q"', "a b", "$HOME", "{x}", "日本"])
async def test_patterns_are_no_options(desk: Desk, greps: Greps, pattern: str) -> None:
    """Ours: nothing between client and tool takes a pattern for something else."""
    desk.put("a.txt", f"this is {pattern} it\n")

    assert await greps(pattern, fixed_strings=True) == f"a.txt\n1: this is {pattern} it\n"


async def test_names_take_one_line_each(desk: Desk, greps: Greps) -> None:
    """Issue: names with spaces, quotes, newlines, leading dashes, Unicode in both normal forms."""
    names = ["-rf", "a b", 'it\'s "q"', "two\nlines", "e\u0301", "é", "日本"]
    for name in names:
        desk.put(name, "x\n")

    said = await greps("x", output_mode="files_with_matches")

    shown = ['"two\\nlines"' if name == "two\nlines" else name for name in sorted(names)]
    assert shown == said.splitlines()
    for name, line in zip(sorted(names), shown, strict=True):
        assert await greps("x", name, output_mode="count") == f"{line}:1\n"


async def test_normal_forms_are_different_texts(desk: Desk, greps: Greps) -> None:
    """Issue: Unicode in both normal forms. Ours: as written; a pattern may name both."""
    desk.put("a.txt", "caf\u00e9\ncafe\u0301\n")

    assert await greps("caf\u00e9") == "a.txt\n1: caf\u00e9\n"
    assert await greps("caf(\u00e9|e\u0301)", output_mode="count") == "a.txt:2\n"


async def test_links_are_not_followed(desk: Desk, greps: Greps, tmp_path: Path) -> None:
    """Issue: symlinks inside, outward, dangling and in a circle; but for `path` itself."""
    desk.put("real/a.txt", "x\n")
    (tmp_path / "out.txt").write_text("x\n")
    (desk.folder / "inside").symlink_to("real")
    (desk.folder / "outward.txt").symlink_to(tmp_path / "out.txt")
    (desk.folder / "dangling.txt").symlink_to("nowhere")
    (desk.folder / "real/circle").symlink_to("..")

    assert await greps("x") == "real/a.txt\n1: x\n"
    assert await greps("x", "inside") == "real/a.txt\n1: x\n"


async def test_closed_files_and_folders_are_noted(desk: Desk, greps: Greps) -> None:
    """Issue: unreadable files and folders. A cell has no capability, so modes bind even root's."""
    desk.put("a.txt", "x\n").chmod(0)
    desk.put("b.txt", "x\n")
    desk.put("closed/c.txt", "x\n")
    (desk.folder / "closed").chmod(0)
    os.mkfifo(desk.folder / "pipe")

    try:
        assert await greps("x") == (
            "b.txt\n1: x\n[2 could not be read: the first is a.txt: permission denied]\n"
        )
        assert "a.txt: permission denied" in await desk.refuses(
            "grep", pattern="x", path=desk.path("a.txt")
        )
        assert "closed: permission denied" in await desk.refuses(
            "grep", pattern="x", path=desk.path("closed")
        )
    finally:
        (desk.folder / "closed").chmod(0o700)


async def test_missing_path_names_the_nearest_folder(desk: Desk) -> None:
    """Ours: the folder that does exist is where a model should look."""
    (desk.folder / "sub").mkdir()

    assert f"{desk.name}/sub/no/such does not exist; the folder {desk.name}/sub does" in (
        await desk.refuses("grep", pattern="x", path=desk.path("sub/no/such"))
    )


async def test_fifty_thousand_files_are_searched(desk: Desk, greps: Greps) -> None:
    """Issue: 50 000 files."""
    for number in range(100):
        (desk.folder / f"d{number:02}").mkdir()
    for number in range(50_000):
        file = os.open(desk.folder / f"d{number % 100:02}/{number:05}", os.O_CREAT | os.O_WRONLY)
        os.write(file, b"needle\n" if number % 10_000 == 42 else b"hay\n")
        os.close(file)

    assert await greps("needle", output_mode="files_with_matches") == (
        "d42/00042\nd42/10042\nd42/20042\nd42/30042\nd42/40042\n"
    )


async def test_file_that_changes_meanwhile_is_some_state_of_it(desk: Desk, greps: Greps) -> None:
    """Issue: a file changed while it is read: cut to nothing, grown, removed, made again."""
    text = "a line of text\n" * 50_000
    desk.put("kept.txt", "a line of text\n")
    file = desk.folder / "made.txt"
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            with file.open("w") as written:
                written.write(text)
            os.truncate(file, 100)
            file.unlink()

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(30):
            said = await greps("of text$", output_mode="count")
            assert "kept.txt:1\n" in said
            assert "could not be read" not in said
    finally:
        is_over.set()
        changer.join()
