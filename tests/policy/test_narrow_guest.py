"""Narrowed mounts in real cells: what the guest is told leads where it was meant, no further."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from policy.asks import directory, granted
from preopen.capability import Directory
from preopen.policy.narrow import Narrowed, narrow

pytestmark = pytest.mark.anyio


def cut(arguments: Mapping[str, Any], *directories: Directory) -> Narrowed:
    """Narrow what must be granted."""
    manifest, grants = granted(*directories)
    answer = narrow(manifest, grants, arguments, home="/nowhere")
    assert isinstance(answer, Narrowed), answer
    return answer


@pytest.mark.parametrize("path", ["a.txt", "sub/c.txt"])
async def test_narrowed_file_is_read_by_both_its_paths(
    path: str, zygote_lab: Lab, kind: str, tree: Path
) -> None:
    """Design §5: mounted at its own guest path and at its path relative to the first directory."""
    with cut({"path": path}, directory(tree, narrow_to=("path",))) as call:
        told = call.arguments["path"]
        said = await zygote_lab.say(
            kind, "read", told, "read", f"{tree}/{path}", mounts=call.mounts
        )

    assert ["done", "done"] == [line.split(": ")[1][:4] for line in said], said


async def test_siblings_of_a_narrowed_file_stay_closed(
    zygote_lab: Lab, kind: str, tree: Path
) -> None:
    """Design §5: the others' contents and the list of names stay closed."""
    words = [
        "read",
        "b.txt",
        "ls",
        ".",
        "read",
        "sub/c.txt",
        "read",
        f"{tree}/b.txt",
        "ls",
        str(tree),
    ]
    with cut({"path": "a.txt"}, directory(tree, narrow_to=("path",))) as call:
        said = await zygote_lab.say(kind, *words, mounts=call.mounts)

    assert all("done" not in line for line in said), said


async def test_what_does_not_exist_opens_nothing(zygote_lab: Lab, kind: str, tree: Path) -> None:
    """Design §5: the guest may find out that it does not exist, no more."""
    words = ["read", "new.txt", "read", "a.txt", "ls", "."]
    with cut({"path": "new.txt"}, directory(tree, narrow_to=("path",))) as call:
        said = await zygote_lab.say(kind, *words, mounts=call.mounts)

    assert "read new.txt: NotFound" == said[0]
    assert all("done" not in line for line in said), said


async def test_file_to_write_is_written_beside_and_renamed(
    zygote_lab: Lab, kind: str, tree: Path
) -> None:
    """Design §5: writing mounts the folder, for editors write beside and rename; not the parent."""
    if os.getuid() == 0:  # a cell has no capabilities: without them root is bound by file modes
        (tree / "sub").chmod(0o777)
    words = ["create", "sub/new.txt", "rename", "sub/new.txt", "write", "a.txt", "ls", "."]
    with cut({"path": "sub/c.txt"}, directory(tree, "write", narrow_to=("path",))) as call:
        said = await zygote_lab.say(kind, *words, mounts=call.mounts)

    assert ["done", "done"] == [line.split(": ")[1] for line in said[:2]], said
    assert all("done" not in line for line in said[2:]), said


async def test_odd_name_reaches_the_guest_as_it_is(zygote_lab: Lab, kind: str, tree: Path) -> None:
    """Ours: a name with a space, a line break and a combining letter is one name on both sides."""
    name = "a b\nä o\u0301"
    (tree / name).write_text("odd")
    with cut({"path": f"./sub/../{name}"}, directory(tree, narrow_to=("path",))) as call:
        said = await zygote_lab.say(kind, "read", call.arguments["path"], mounts=call.mounts)

    assert "done odd" in "\n".join(said)
