"""`glob`: the files that a pattern matches, newest first."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.desk import Desk

pytestmark = pytest.mark.anyio


class Finds:
    """What patterns find below a test's folder, without the folder's own name."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def __call__(self, pattern: str, **arguments: object) -> list[str]:
        """Return the lines, in their order."""
        said = await self.desk.says("glob", pattern=pattern, path=self.desk.name, **arguments)
        return said.replace(f"{self.desk.name}/", "").splitlines()


@pytest.fixture
def finds(desk: Desk) -> Finds:
    """Return a way to ask for the files below the test's folder."""
    return Finds(desk)


def put_all(desk: Desk, names: Iterable[str]) -> None:
    """Make empty files, each older than the one before, so that the order is the given one."""
    for age, name in enumerate(names):
        os.utime(desk.put(name), (1_700_000_000 - age, 1_700_000_000 - age))


async def test_newest_comes_first_and_ties_go_by_name(desk: Desk, finds: Finds) -> None:
    """Issue: a path a line, newest first."""
    put_all(desk, ["c/new.py", "a.py", "b/old.py"])
    for name in ("tie2.py", "tie1.py", "b/tie3.py"):
        os.utime(desk.put(name), ns=(10**18 + 1, 10**18 + 1))
    os.utime(desk.put("after.py"), ns=(10**18 + 2, 10**18 + 2))

    assert await finds("*.py") == [
        "c/new.py",
        "a.py",
        "b/old.py",
        "after.py",
        "b/tie3.py",
        "tie1.py",
        "tie2.py",
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", ["a.py", "src/b.py", "src/in/c.py"]),
        ("**/*.py", ["a.py", "src/b.py", "src/in/c.py"]),
        ("./*.py", ["a.py"]),
        ("/*.py", ["a.py"]),
        ("src/*.py", ["src/b.py"]),
        ("src/**", ["src/b.py", "src/in/c.py", "src/in/d.ts", "src/in/e.tsx"]),
        ("src/**/*.py", ["src/b.py", "src/in/c.py"]),
        ("**/in/*.{ts,tsx}", ["src/in/d.ts", "src/in/e.tsx"]),
        ("{*.py,src/in/*.ts}", ["a.py", "src/in/d.ts"]),
        ("[a-b].??", ["a.py", "src/b.py"]),
        ("[!a-c].*", ["src/in/d.ts", "src/in/e.tsx"]),
        ("src/in/c.py", ["src/in/c.py"]),
        ("c.py", ["src/in/c.py"]),
        ("in/", ["src/in/"]),
        ("**/", ["src/", "src/in/"]),
    ],
)
async def test_patterns(desk: Desk, finds: Finds, pattern: str, found: list[str]) -> None:
    """Issue: `**`, braces, classes. Ours: at any depth without a slash; "/" at the end: folders."""
    put_all(desk, ["a.py", "src/b.py", "src/in/c.py", "src/in/d.ts", "src/in/e.tsx"])
    for folder in ("src/in", "src"):
        os.utime(desk.folder / folder, (1_600_000_000, 1_600_000_000))

    assert found == await finds(pattern)


async def test_absolute_pattern_and_repeated_folder_mean_what_they_name(
    desk: Desk, named_folder: Path
) -> None:
    """Ours: models write both. Paths in the workspace are printed relative to it all the same."""
    put_all(desk, ["src/a.py", "src/b/c.py"])
    (named_folder / "x.py").touch()
    both = f"{desk.name}/src/a.py\n{desk.name}/src/b/c.py\n"

    assert both == await desk.says("glob", pattern=f"{desk.folder}/src/**/*.py")
    assert both == await desk.says("glob", pattern=f"{desk.name}/src/**/*.py", path=desk.name)
    assert await desk.says("glob", pattern=f"{named_folder}/*.py") == f"{named_folder}/x.py\n"
    assert await desk.says("glob", pattern="*.py", path=str(named_folder)) == (
        f"{named_folder}/x.py\n"
    )


async def test_ignore_files_are_respected(desk: Desk, finds: Finds) -> None:
    """Issue: `.gitignore`, `.ignore` and `.git/info/exclude` respected; `no_ignore`."""
    desk.put(".gitignore", "*.o\nbuild/\n!kept.o\n")
    desk.put(".ignore", "*.tmp\n")
    desk.put(".git/info/exclude", "mine\n")
    desk.put("sub/.gitignore", "local\n!b.o\n")
    put_all(desk, ["a.o", "kept.o", "build/out", "x.tmp", "mine", "sub/local", "sub/b.o", "local"])

    assert await finds("*") == ["kept.o", "sub/b.o", "local"]
    assert len(await finds("*", no_ignore=True)) == 8


async def test_ignore_files_above_the_path_count(desk: Desk) -> None:
    """Issue: the ignore files of parent folders decide what is shown."""
    desk.put(".gitignore", "*.log\n/sub/deep/only\n")
    put_all(desk, ["sub/deep/a.log", "sub/deep/only", "sub/deep/kept"])

    assert await desk.says("glob", pattern="*", path=desk.path("sub/deep")) == (
        f"{desk.name}/sub/deep/kept\n"
    )


async def test_hidden_files_are_shown_on_demand(desk: Desk, finds: Finds) -> None:
    """Issue: `hidden`. Ours: git's own folder is not meant by it."""
    put_all(desk, ["a", ".env", ".github/ci.yml", ".git/config"])

    assert await finds("*") == ["a"]
    assert await finds("*", hidden=True) == ["a", ".env", ".github/ci.yml"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (".env", [".env"]),
        (".*", [".gitignore"]),
        (".github/**", [".github/ci.yml"]),
        ("node_modules/*/index.js", ["node_modules/x/index.js"]),
        ("secret.log", ["secret.log"]),
        ("**/index.js", []),
        ("*.log", []),
    ],
)
async def test_named_entries_are_found_whatever_they_are(
    desk: Desk, finds: Finds, pattern: str, found: list[str]
) -> None:
    """Ours: who names a hidden or ignored entry wants it; a wildcard does not name it."""
    desk.put(".gitignore", "node_modules/\n*.log\n.env\n")
    put_all(desk, [".env", ".github/ci.yml", "node_modules/x/index.js", "secret.log", "a"])

    lines = await finds(pattern)

    assert found == [line for line in lines if not line.startswith("[")]


async def test_limit_says_how_many_more(desk: Desk, finds: Finds) -> None:
    """Issue: `limit`; says how many more."""
    put_all(desk, [f"{number:03}" for number in range(203)])

    assert await finds("*", limit=2) == [
        "000",
        "001",
        "[201 more: raise limit, or narrow the pattern]",
    ]
    assert (await finds("*"))[199:] == ["199", "[3 more: raise limit, or narrow the pattern]"]
    assert len(await finds("*", limit=203)) == 203


async def test_no_match_says_what_might_be_the_reason(desk: Desk) -> None:
    """Issue: no match is a good result that says so. Ours: with what was not looked at."""
    desk.put(".gitignore", "*.log\nout/\n")
    put_all(desk, ["a.log", "out/b.log", ".cache/c.log", "sub/d.txt"])

    async def says(pattern: str) -> str:
        return await desk.says("glob", pattern=pattern, path=desk.name)

    assert await says("*.log") == (
        f"[no file matches *.log in {desk.name}]\n"
        f"[not looked at: 1 ignored file and 1 ignored folder: {desk.name}/out/ (no_ignore=true); "
        f"1 hidden folder: {desk.name}/.cache/ (hidden=true)]\n"
    )
    assert await says("sub/*.md") == f"[no file matches sub/*.md in {desk.name}]\n"
    assert await says("./sub") == (
        f"[no file matches ./sub in {desk.name}]\n"
        "[it matches 1 folder: end the pattern with /** for what is in them, with / for "
        "themselves]\n"
    )


async def test_bad_pattern_is_explained(desk: Desk) -> None:
    """Ours: with what is wrong in it, and what to write."""
    assert '"a[b" is no pattern: unclosed character class' in await desk.refuses(
        "glob", pattern="a[b"
    )
    assert "put a \\ before a character that stands for itself" in await desk.refuses(
        "glob", pattern="{a,b"
    )
    assert "give that folder as path" in await desk.refuses("glob", pattern="../*.py")
    assert "names nothing: ** is every file" in await desk.refuses("glob", pattern="./")


async def test_file_and_nothing_as_path_have_their_sentences(desk: Desk) -> None:
    """Ours: a path that is no folder is answered with the way out."""
    desk.put("sub/a.txt")

    assert f"{desk.name}/sub/a.txt is a file: path is the folder to look in" in (
        await desk.refuses("glob", pattern="*", path=desk.path("sub/a.txt"))
    )
    assert f"{desk.name}/sub/no/such does not exist; the folder {desk.name}/sub does" in (
        await desk.refuses("glob", pattern="*", path=desk.path("sub/no/such"))
    )


async def test_names_take_one_line_each(desk: Desk, finds: Finds) -> None:
    """Issue: names with spaces, quotes, newlines, leading dashes, Unicode in both normal forms."""
    names = ["-rf", "a b", 'it\'s "q"', "two\nlines", "[id]", "日本", "é", "e\u0301"]
    put_all(desk, names)

    shown = ['"two\\nlines"' if name == "two\nlines" else name for name in names]
    assert shown == await finds("*")
    for name, line in zip(names, shown, strict=True):
        assert [line] == await finds(name)


async def test_normal_forms_are_different_names(desk: Desk, finds: Finds) -> None:
    """Issue: Unicode in both normal forms. Ours: as on the disk, where the two may stand together.

    A pattern in one form finds no file in the other; `*` finds both.
    """
    put_all(desk, ["caf\u00e9.txt", "cafe\u0301.txt"])

    assert await finds("caf\u00e9.txt") == ["caf\u00e9.txt"]
    assert await finds("cafe\u0301.*") == ["cafe\u0301.txt"]
    assert await finds("caf*") == ["caf\u00e9.txt", "cafe\u0301.txt"]


async def test_links_are_found_and_not_followed(desk: Desk, finds: Finds, tmp_path: Path) -> None:
    """Issue: symlinks inside, outward, dangling and in a circle. A circle ends."""
    desk.put("real/a.txt")
    (tmp_path / "out.txt").touch()
    (desk.folder / "inside").symlink_to("real")
    (desk.folder / "outward.txt").symlink_to(tmp_path / "out.txt")
    (desk.folder / "dangling.txt").symlink_to("nowhere")
    (desk.folder / "real/circle").symlink_to("..")
    (desk.folder / "real/self.txt").symlink_to("self.txt")

    assert sorted(await finds("**/*.txt")) == [
        "dangling.txt",
        "outward.txt",
        "real/a.txt",
        "real/self.txt",
    ]
    assert await finds("inside/*") == [f"[no file matches inside/* in {desk.name}]"]
    assert await desk.says("glob", pattern="a.txt", path=desk.path("inside")) == (
        f"{desk.name}/real/a.txt\n"
    )


async def test_closed_folder_is_noted(desk: Desk, finds: Finds) -> None:
    """Issue: unreadable folders. A cell has no capability, so modes bind even root's."""
    put_all(desk, ["open/a.py", "closed/b.py", "shut/c.py"])
    closed = [desk.folder / "closed", desk.folder / "shut"]
    for folder in closed:
        folder.chmod(0)

    try:
        assert await finds("*.py") == [
            "open/a.py",
            "[2 could not be read: the first is closed: permission denied]",
        ]
        # What the pattern does not lead to is not even tried.
        assert await finds("open/**/*.py") == ["open/a.py"]
        assert "closed: permission denied" in await desk.refuses(
            "glob", pattern="*", path=desk.path("closed")
        )
    finally:
        for folder in closed:
            folder.chmod(0o700)


async def test_name_that_is_no_utf8_is_counted(desk: Desk, finds: Finds) -> None:
    """Ours: WASI tells no such name; the others of its folder are found."""
    desk.put("a.txt")
    os.close(os.open(os.fsencode(desk.folder) + b"/\xff.txt", os.O_CREAT))

    assert await finds("*.txt") == ["a.txt", "[left out: 1 name, not UTF-8]"]


async def test_fifty_thousand_files(desk: Desk, finds: Finds) -> None:
    """Issue: 50 000 files; `limit` goes up to at least 10 000."""
    for number in range(100):
        (desk.folder / f"d{number:02}").mkdir()
    for number in range(50_000):
        name = f"d{number % 100:02}/{number:05}.{'py' if number % 4 else 'txt'}"
        os.close(os.open(desk.folder / name, os.O_CREAT))
    os.utime(desk.folder / "d42" / "00042.py", (2**31, 2**31))

    few = await finds("*.py", limit=1)
    many = await finds("**", limit=10_000)

    assert few == ["d42/00042.py", "[37499 more: raise limit, or narrow the pattern]"]
    assert many[0] == "d42/00042.py"
    assert many[10_000:] == ["[40000 more: raise limit, or narrow the pattern]"]
    assert len(await finds("d08/*.txt", limit=10_000)) == 500


async def test_result_stays_below_the_output_limit(desk: Desk, finds: Finds) -> None:
    """Ours: 10 000 names of 255 bytes, 2.5 MB, would end the call at its limit of 1 MiB."""
    for number in range(5000):
        os.close(os.open(desk.folder / f"{number:0255}", os.O_CREAT))

    lines = await finds("*", limit=10_000)

    assert 1500 < len(lines) < 2100
    assert lines[-1] == f"[{5000 - len(lines) + 1} more: raise limit, or narrow the pattern]"


async def test_tree_that_changes_meanwhile_is_some_state_of_it(desk: Desk, finds: Finds) -> None:
    """Ours: a build makes and removes files and folders while they are looked for."""
    put_all(desk, [f"kept{number}/a.py" for number in range(20)])
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            folder = desk.folder / "made"
            folder.mkdir()
            (folder / "x.py").touch()
            (folder / "x.py").unlink()
            folder.rmdir()

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(40):
            lines = await finds("*.py")
            assert [line for line in lines if line != "made/x.py"] == [
                f"kept{number}/a.py" for number in range(20)
            ]
    finally:
        is_over.set()
        changer.join()
