"""Paths as all seven tools take and print them: however spelled, relative to the workspace."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.desk import Desk

pytestmark = pytest.mark.anyio

CONTENT = "needle\n"
DIGEST = hashlib.sha256(CONTENT.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one tool is told of a file, or of the folder that it lies in, and what it then says."""

    tool: str
    takes: str
    arguments: Callable[[str], dict[str, object]]
    says: Callable[[str], str]
    writes: bool = False

    def __str__(self) -> str:
        """Return what a test is called after."""
        return self.tool

    async def goes(self, desk: Desk, file: str, shown: str) -> None:
        """Call the tool on a file, and check that it names it as it should."""
        path = file if self.takes == "file" else file.rpartition("/")[0] or "."
        said = await desk.says(self.tool, **self.arguments(path))
        assert self.says(shown) in said, said

    async def fails(self, desk: Desk, file: str) -> str:
        """Call the tool on a file that it may not have, and return what it says."""
        path = file if self.takes == "file" else file.rpartition("/")[0]
        return await desk.refuses(self.tool, **self.arguments(path))


def quoted(path: str) -> str:
    """Return a path as it stands in a line: escaped where it could end one."""
    return json.dumps(path, ensure_ascii=False) if "\n" in path else path


READING = (
    Way(
        tool="read",
        takes="file",
        arguments=lambda path: {"path": path},
        says=lambda _: "1\tneedle\n",
    ),
    Way(
        tool="hash",
        takes="file",
        arguments=lambda path: {"paths": [path]},
        says=lambda path: f'{{"path":{json.dumps(path, ensure_ascii=False)},"digest":"{DIGEST}"',
    ),
    Way(
        tool="list",
        takes="folder",
        arguments=lambda path: {"path": path, "depth": 1},
        says=lambda path: f"{quoted(os.path.dirname(path) or '.')}/",  # noqa: PTH120 - text
    ),
    Way(
        tool="glob",
        takes="folder",
        arguments=lambda path: {"path": path, "pattern": "*", "limit": 10_000},
        says=lambda path: f"{quoted(path)}\n",
    ),
    Way(
        tool="grep",
        takes="folder",
        arguments=lambda path: {
            "path": path,
            "pattern": "needle",
            "output_mode": "files_with_matches",
        },
        says=lambda path: f"{quoted(path)}\n",
    ),
)
WRITING = (
    Way(
        tool="write",
        takes="file",
        arguments=lambda path: {"path": path, "content": "pin\n"},
        says=lambda path: f"overwrote {quoted(path)}:",
        writes=True,
    ),
    Way(
        tool="edit",
        takes="file",
        arguments=lambda path: {"path": path, "old_string": "needle", "new_string": "pin"},
        says=quoted,
        writes=True,
    ),
)
WAYS = READING + WRITING
each_way = pytest.mark.parametrize("way", WAYS, ids=str)


@pytest.fixture(scope="module")
def home(workspace: Path) -> dict[str, str]:
    """Let the operator's home hold the workspace, and much else."""
    return {"HOME": str(workspace.parent)}


@each_way
@pytest.mark.parametrize(
    "spelling",
    [
        "{name}/sub/a.txt",
        "./{name}/sub/a.txt",
        "{name}//sub/./a.txt",
        "{name}/sub/in/../a.txt",
        "{name}/../{name}/sub/a.txt",
        "../{workspace.name}/{name}/sub/a.txt",
        "{workspace}/{name}/sub/a.txt",
        "{workspace}/{name}/./sub/in/../a.txt",
        "{workspace}/../{workspace.name}/{name}/sub/a.txt",
        "~/{workspace.name}/{name}/sub/a.txt",
        "{name}/link/a.txt",
        "{workspace}/{name}/absolute/a.txt",
    ],
)
async def test_path_is_found_however_it_is_spelled(desk: Desk, way: Way, spelling: str) -> None:
    """Issue: relative, absolute, with `./`, `..` inside, `~`; printed relative to the first."""
    file = desk.put("sub/a.txt", CONTENT)
    (desk.folder / "sub/in").mkdir()
    (desk.folder / "link").symlink_to("sub")
    (desk.folder / "absolute").symlink_to(desk.folder / "sub")

    await way.goes(
        desk, spelling.format(name=desk.name, workspace=desk.workspace), desk.path("sub/a.txt")
    )

    assert file.read_text() == ("pin\n" if way.writes else CONTENT)
    assert (desk.folder / "link").is_symlink()


@each_way
async def test_trailing_slash_is_for_folders(desk: Desk, way: Way) -> None:
    """Issue: a trailing slash. On a folder it changes nothing; a file is refused with one."""
    desk.put("sub/a.txt", CONTENT)

    if way.takes == "folder":
        said = await desk.says(way.tool, **way.arguments(f"{desk.name}/sub/"))
        assert way.says(desk.path("sub/a.txt")) in said
    said = await desk.refuses(way.tool, **way.arguments(desk.path("sub/a.txt/")))
    assert said.startswith(f'Denied: "{desk.name}/sub/a.txt/" needs ')
    assert "to be a folder, which it is not" in said


@each_way
@pytest.mark.parametrize(
    "outside",
    [
        "{outside}/a.txt",
        "../outside/a.txt",
        "{name}/../../outside/a.txt",
        "~/outside/a.txt",
        "{name}/out/a.txt",
        "{name}/absolute/a.txt",
        "/etc/hostname",
    ],
)
async def test_path_outside_is_denied_and_says_what_is_inside(
    desk: Desk, way: Way, outside: str
) -> None:
    """Issue: symlinks outward. Design §5: outside is a Denial, and says what is inside."""
    elsewhere = desk.workspace.parent / "outside"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "a.txt").write_text(CONTENT)
    (desk.folder / "out").symlink_to("../../outside")
    (desk.folder / "absolute").symlink_to(elsewhere)

    said = await way.fails(desk, outside.format(name=desk.name, outside=elsewhere))

    assert said.startswith("Denied: ")
    assert "outside of what this tool was granted: " in said
    assert f"{desk.workspace} ({'write' if way.writes else 'read'})" in said
    assert CONTENT not in said
    assert DIGEST not in said
    assert (elsewhere / "a.txt").read_text() == CONTENT


@each_way
async def test_named_folder_is_open_for_reading_only(
    desk: Desk, way: Way, named_folder: Path
) -> None:
    """Issue: the reading tools also ask for `${folders}`; its paths are printed absolute."""
    folder = named_folder / desk.name
    folder.mkdir()
    file = folder / "a.txt"
    file.write_text(CONTENT)

    if way.writes:
        assert (await way.fails(desk, str(file))).startswith(f'Denied: "{file}" is outside')
    else:
        await way.goes(desk, str(file), str(file))
    assert file.read_text() == CONTENT


@each_way
@pytest.mark.parametrize(
    "name",
    [
        "with space ",
        'it\'s "quoted"',
        "two\nlines",
        "-rf",
        "--",
        "\u00e9",
        "e\u0301",
        "日本",
        "~",
        "$HOME",
        "{path}",
        "back\\slash",
        "#!",
        "x" * 255,
    ],
)
async def test_name_is_taken_as_it_is(desk: Desk, way: Way, name: str) -> None:
    """Issue: names with spaces, quotes, newlines, leading dashes, Unicode in both normal forms.

    Its other normal form lies beside it, and nobody takes one for the other.
    """
    file = desk.put(f"{name}/{name}", CONTENT)
    for other in {"\u00e9", "e\u0301"} - {name}:
        desk.put(f"{other}/{other}", "another\n")
        desk.put(f"{name}/{other}", "another\n")

    await way.goes(desk, desk.path(f"{name}/{name}"), desk.path(f"{name}/{name}"))

    assert file.read_text() == ("pin\n" if way.writes else CONTENT)
    assert not any("pin" in other.read_text() for other in file.parent.iterdir() if other != file)


@each_way
async def test_path_that_looks_like_an_option_is_a_path(desk: Desk, way: Way) -> None:
    """Issue: leading dashes, here those of the whole argument."""
    folder = desk.workspace / f"--limit={desk.name}"
    folder.mkdir()
    (folder / "--").write_text(CONTENT)

    await way.goes(desk, f"{folder.name}/--", f"{folder.name}/--")


@each_way
async def test_circle_of_links_is_denied(desk: Desk, way: Way) -> None:
    """Issue: symlinks in a circle."""
    (desk.folder / "one").symlink_to("two")
    (desk.folder / "two").symlink_to("one")

    said = await way.fails(desk, desk.path("one/a.txt"))

    assert said.startswith(f'Denied: "{desk.name}/one')
    assert "more than 40 links" in said


@pytest.mark.parametrize("way", READING, ids=str)
async def test_what_is_missing_is_said_to_be(desk: Desk, way: Way) -> None:
    """Issue: dangling symlinks: what they lead to is missing, and that is said."""
    (desk.folder / "dangling").symlink_to("nowhere")

    for path, missing in {"no/a.txt": "no", "dangling/a.txt": "nowhere"}.items():
        said = await way.fails(desk, desk.path(path))
        assert f"{desk.name}/{missing}" in said
        assert "does not exist" in said
