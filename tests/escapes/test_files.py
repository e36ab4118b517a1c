"""Files: what a grant lets a guest do, beside what its absence stops."""

from pathlib import Path

import pytest

from lab import Lab, mounted
from preopen.capability import Access

pytestmark = pytest.mark.anyio

WRITING = {
    "write": "a.txt",
    "append": "a.txt",
    "truncate": "a.txt",
    "create": "new.txt",
    "mkdir": "new",
    "rmdir": "empty",
    "unlink": "b.txt",
    "rename": "b.txt",
    "link": "b.txt",
    "utime": "a.txt",
}


async def test_granted_folder_lets_the_guest_read(lab: Lab, kind: str, tree: Path) -> None:
    """Design §5: a read grant mounts its directory."""
    with mounted(tree) as mount:
        said = await lab.say(kind, "read", "sub/c.txt", "ls", ".", mounts=(mount,))

    assert ["read sub/c.txt: done this is c|", "ls .: done a.txt,b.txt,sub"] == said


async def test_without_a_grant_no_path_leads_anywhere(lab: Lab, kind: str, tree: Path) -> None:
    """Design: default nothing. A guest with no preopen has no file to name."""
    said = await lab.say(kind, "read", "a.txt", "read", str(tree / "a.txt"), "ls", "/")

    assert all("done" not in line for line in said), said


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "{top}/secret.txt",
        "/etc/passwd",
        "/proc/self/environ",
    ],
)
async def test_outside_of_the_grant_is_closed(lab: Lab, kind: str, tree: Path, path: str) -> None:
    """Design §5: outside is outside, by dot-dot and by absolute path."""
    with mounted(tree) as mount:
        said = await lab.say(kind, "read", path.format(top=tree.parent), mounts=(mount,))

    assert "done" not in said[0], said


async def test_symlink_that_leaves_the_grant_is_closed(lab: Lab, kind: str, tree: Path) -> None:
    """Ours: a planted link is a path like any other; wasmtime and Landlock both stop it."""
    (tree / "out").symlink_to(tree.parent / "secret.txt")
    (tree / "up").symlink_to("..")
    with mounted(tree) as mount:
        said = await lab.say(kind, "read", "out", "read", "up/secret.txt", mounts=(mount,))

    assert all("done" not in line for line in said), said


async def test_granted_write_lets_every_writing_verb(lab: Lab, kind: str, tree: Path) -> None:
    """Design §2: `write` includes creating, renaming and removing."""
    (tree / "empty").mkdir()
    done = dict.fromkeys(WRITING, "done")
    # The order matters: b.txt is linked before it is renamed away, so it is last for unlink.
    order = ["write", "append", "truncate", "create", "mkdir", "rmdir", "utime", "link", "rename"]
    words = [word for verb in order for word in (verb, WRITING[verb])]
    with mounted(tree, Access.WRITE) as mount:
        said = await lab.say(kind, *words, "unlink", "b.txt.linked", mounts=(mount,))

    assert len(done) == len(said)
    refused = [line for line in said if "done" not in line]
    # wasmtime itself refuses to make hard links only where the host does.
    assert refused == [], said


async def test_read_grant_stops_every_writing_verb(lab: Lab, kind: str, tree: Path) -> None:
    """Design §5: access = "read" cannot write even if the tool's code tries."""
    (tree / "empty").mkdir()
    words = [word for pair in WRITING.items() for word in pair]
    before = {path: path.stat().st_mtime_ns for path in sorted(tree.rglob("*"))}
    with mounted(tree) as mount:
        said = await lab.say(kind, *words, mounts=(mount,))

    assert len(WRITING) == len(said)
    assert all("done" not in line for line in said), said
    assert before == {path: path.stat().st_mtime_ns for path in sorted(tree.rglob("*"))}


async def test_narrowed_file_is_readable(lab: Lab, kind: str, tree: Path) -> None:
    """Design §5: reading an existing file mounts its folder, and the wall is that one file."""
    with mounted(tree, only="a.txt") as mount:
        said = await lab.say(kind, "read", "a.txt", mounts=(mount,))

    assert ["read a.txt: done this is a|"] == said


async def test_sibling_of_a_narrowed_file_is_closed(lab: Lab, kind: str, tree: Path) -> None:
    """Design §5: its contents and the list of names stay closed; Landlock alone stops this one."""
    with mounted(tree, only="a.txt") as mount:
        said = await lab.say(kind, "read", "b.txt", "ls", ".", "read", "sub/c.txt", mounts=(mount,))

    assert all("done" not in line for line in said), said


async def test_what_was_checked_is_what_is_mounted(lab: Lab, kind: str, tree: Path) -> None:
    """Design §5: descriptors, not names, go to the cell: a swap in between changes nothing."""
    other = tree.parent / "other"
    other.mkdir()
    (other / "a.txt").write_text("an attacker's\n")
    with mounted(tree) as mount:
        tree.rename(tree.parent / "moved")
        tree.symlink_to(other)
        said = await lab.say(kind, "read", "a.txt", mounts=(mount,))

    assert ["read a.txt: done this is a|"] == said
