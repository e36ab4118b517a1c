"""Narrowing: of its grants a call gets what its arguments name, opened, and no descriptor leaks."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policy.asks import directory, granted, open_descriptors, real
from preopen.capability import Access, Directory, Mount, Reach
from preopen.outcome import Denial
from preopen.policy.narrow import Narrowed, describe_mounts, narrow

Calls = Mapping[str, Any]
Shape = tuple[str, str, str, set[str], list[str]]


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    """Every test here, with success and with Denial, leaves as many descriptors as it found."""
    before = open_descriptors()
    yield
    assert before == open_descriptors()


@contextmanager
def narrowed(
    arguments: Calls, *directories: Directory, paths: tuple[str, ...] = (), home: str = "/nowhere"
) -> Iterator[Narrowed]:
    """Narrow what must be granted."""
    manifest, grants = granted(*directories, paths=paths)
    answer = narrow(manifest, grants, arguments, home=home)
    assert isinstance(answer, Narrowed), answer
    with answer:
        held = {d for mount in answer.mounts for d in (mount.folder, *mount.targets)}
        assert held <= set(open_descriptors())
        yield answer


def denied(arguments: Calls, *directories: Directory, paths: tuple[str, ...] = ()) -> Denial:
    """Narrow what must be denied."""
    manifest, grants = granted(*directories, paths=paths)
    answer = narrow(manifest, grants, arguments, home="/nowhere")
    assert isinstance(answer, Denial), answer
    return answer


def shape(mount: Mount) -> Shape:
    """Return a mount as its descriptors and values say it: what is mounted, and where."""
    return (
        real(mount.folder),
        mount.reach.value,
        mount.access.value,
        set(mount.guest_paths),
        [real(target) for target in mount.targets],
    )


def test_reading_a_file_mounts_its_folder_for_that_file(tree: Path) -> None:
    """Design §5: its folder is mounted and the wall is that one file."""
    with narrowed({"path": "sub/c.txt"}, directory(tree, narrow_to=("path",))) as call:
        sub, file = f"{tree}/sub", f"{tree}/sub/c.txt"
        assert [(sub, "file", "read", {sub, "sub"}, [file])] == [shape(m) for m in call.mounts]
        assert (file,) == call.mounts[0].host_paths
        assert {"path": "sub/c.txt"} == call.arguments


def test_reading_a_file_of_the_first_directory_mounts_it_as_dot(tree: Path) -> None:
    """Design §5: "." is the first directory itself, here for one file of it."""
    with narrowed({"path": "a.txt"}, directory(tree, narrow_to=("path",))) as call:
        (mount,) = call.mounts
        assert (Reach.FILE, {str(tree), "."}) == (mount.reach, set(mount.guest_paths))


def test_reading_a_folder_mounts_it_whole(tree: Path) -> None:
    """Design §5: only what the argument names is mounted; a folder is all that lies below it."""
    with narrowed({"path": "sub/"}, directory(tree, narrow_to=("path",))) as call:
        sub = f"{tree}/sub"
        assert [(sub, "tree", "read", {sub, "sub"}, [])] == [shape(m) for m in call.mounts]
        assert {"path": "sub"} == call.arguments


def test_reading_what_does_not_exist_reaches_nothing(tree: Path) -> None:
    """Design §5: the guest may find out that it does not exist, no more."""
    with narrowed({"path": "sub/no/x"}, directory(tree, narrow_to=("path",))) as call:
        sub = f"{tree}/sub"
        assert [(sub, "nothing", "read", {sub, "sub"}, [])] == [shape(m) for m in call.mounts]
        assert {"path": "sub/no/x"} == call.arguments


@pytest.mark.parametrize("path", ["sub/c.txt", "sub/new.txt", "sub", "sub/new/deep.txt"])
def test_writing_mounts_the_nearest_existing_folder(path: str, tree: Path) -> None:
    """Design §5: a file-only wall breaks write-beside-then-rename."""
    with narrowed({"path": path}, directory(tree, "write", narrow_to=("path",))) as call:
        sub = f"{tree}/sub"
        assert [(sub, "tree", "write", {sub, "sub"}, [])] == [shape(m) for m in call.mounts]


@pytest.mark.parametrize("arguments", [{}, {"path": None}, {"path": []}, {"other": "sub"}])
def test_no_argument_means_the_whole_grant(arguments: Calls, tree: Path) -> None:
    """Design §5: no argument: the whole grant, the first directory also as "."."""
    with narrowed(arguments, directory(tree, narrow_to=("path",))) as call:
        whole: Shape = (str(tree), "tree", "read", {str(tree), "."}, [])
        assert [whole] == [shape(m) for m in call.mounts]
        assert arguments == call.arguments


def test_directory_without_narrow_to_is_always_whole(tree: Path) -> None:
    """Design §5: () means that every call gets the whole tree; its path arguments are resolved."""
    with narrowed({"path": f"{tree}/sub/../a.txt"}, directory(tree), paths=("path",)) as call:
        assert [Reach.TREE] == [m.reach for m in call.mounts]
        assert {"path": "a.txt"} == call.arguments


def test_second_directory_is_told_by_its_absolute_guest_path(tree: Path) -> None:
    """Design §5: relative to the first directory when inside it, else the absolute guest path."""
    docs = tree.parent / "docs"
    (docs / "in").mkdir(parents=True)
    (docs / "in" / "x").write_text("x")
    second = directory(docs, guest="/docs", narrow_to=("path",))
    for text in (f"{docs}/in/x", "/docs/in/x", "../docs/in/x"):
        with narrowed({"path": text}, directory(tree, narrow_to=("path",)), second) as call:
            assert {"path": "/docs/in/x"} == call.arguments
            assert [{"/docs/in"}] == [set(m.guest_paths) for m in call.mounts]


def test_only_the_directory_with_the_path_is_mounted(tree: Path) -> None:
    """Design §5: workspace and ${folders} carry one narrow_to, and a call needs one of them."""
    docs = tree.parent / "docs"
    docs.mkdir()
    both = (directory(tree, narrow_to=("path",)), directory(docs, narrow_to=("path",)))
    with narrowed({"path": "a.txt"}, *both) as call:
        assert [str(tree)] == [real(m.folder) for m in call.mounts]
    with narrowed({"path": str(docs)}, *both) as call:
        assert [str(docs)] == [real(m.folder) for m in call.mounts]


def test_each_argument_cuts_its_own_directory(tree: Path) -> None:
    """Ours: what to read and where to write are two grants; the other argument's stays whole."""
    out = tree / "out"
    out.mkdir()
    reads, writes = directory(tree, narrow_to=("src",)), directory(out, "write", narrow_to=("dst",))
    with narrowed({"src": "sub/c.txt", "dst": "out/new.txt"}, reads, writes) as call:
        assert {
            (f"{tree}/sub", Reach.FILE, Access.READ),
            (f"{out}", Reach.TREE, Access.WRITE),
        } == {(real(m.folder), m.reach, m.access) for m in call.mounts}
        assert {"src": "sub/c.txt", "dst": "out/new.txt"} == call.arguments
        assert {str(out), "out"} in [set(m.guest_paths) for m in call.mounts]
    with narrowed({"src": "a.txt"}, reads, writes) as call:
        assert {Reach.FILE, Reach.TREE} == {m.reach for m in call.mounts}


def test_argument_for_writing_may_not_name_what_is_to_read(tree: Path) -> None:
    """Ours: inside of some grant is not inside of the one that this argument is for."""
    out = tree / "out"
    out.mkdir()
    reads, writes = directory(tree, narrow_to=("src",)), directory(out, "write", narrow_to=("dst",))
    denial = denied({"dst": "a.txt"}, reads, writes)

    assert f'"a.txt" is outside of what "dst" may name: {out} (write)' == denial.reason


def test_argument_whose_directories_are_all_closed_is_denied(tree: Path) -> None:
    """Ours: ${folders} may come out empty; its argument does not fall back to another grant."""
    closed = directory(tree.parent / "none", "write", narrow_to=("dst",))
    manifest, _ = granted(directory(tree), closed)
    _, grants = granted(directory(tree))
    answer = narrow(manifest, grants, {"dst": "a.txt"}, home="/nowhere")

    assert isinstance(answer, Denial)
    assert "may name: no folder" in answer.reason


def test_writing_where_the_granted_folder_has_gone_is_denied(tree: Path) -> None:
    """Ours: the nearest existing folder is then above the grant, and stays closed."""
    out = tree / "out"
    reads, writes = directory(tree, narrow_to=("src",)), directory(out, "write", narrow_to=("dst",))

    assert "outside of what" in denied({"src": "a.txt", "dst": "out/x"}, reads, writes).reason


def test_path_open_to_write_beside_reading_is_mounted_to_write(tree: Path) -> None:
    """Ours: of two grants that one argument narrows, the one with more access is needed."""
    sub = directory(tree / "sub", narrow_to=("path",))
    work = directory(tree, "write", narrow_to=("path",))
    with narrowed({"path": "sub/c.txt"}, work, sub) as call:
        assert [Access.WRITE] == [m.access for m in call.mounts]


def test_files_of_one_folder_share_a_mount(tree: Path) -> None:
    """Ours: each item is narrowed; two mounts at one guest path would hide each other."""
    with narrowed(
        {"paths": ["a.txt", "sub/c.txt", "./b.txt", "a.txt"]}, directory(tree, narrow_to=("paths",))
    ) as call:
        first, second = call.mounts
        assert {f"{tree}/a.txt", f"{tree}/b.txt"} == {real(t) for t in first.targets}
        assert ("." in first.guest_paths, first.reach) == (True, Reach.FILE)
        assert [f"{tree}/sub/c.txt"] == [real(t) for t in second.targets]
        assert {"paths": ["a.txt", "sub/c.txt", "b.txt", "a.txt"]} == call.arguments


def test_folder_swallows_files_in_it_and_below(tree: Path) -> None:
    """Ours: what a whole folder covers by the same guest paths needs no mount of its own."""
    with narrowed(
        {"paths": ["sub/c.txt", ".", "a.txt", "sub"]}, directory(tree, narrow_to=("paths",))
    ) as call:
        whole: Shape = (str(tree), "tree", "read", {str(tree), "."}, [])
        assert [whole] == [shape(m) for m in call.mounts]


def test_nested_mount_stays_where_its_guest_path_is_needed(tree: Path) -> None:
    """Ours: the same folder by another grant is reached by another path."""
    inner = directory(tree / "sub", guest="/inner")
    with narrowed({}, directory(tree), inner) as call:
        assert [{str(tree), "."}, {"/inner", "sub"}] == [set(m.guest_paths) for m in call.mounts]


def test_folder_to_write_swallows_a_file_of_it_to_read(tree: Path) -> None:
    """Ours: one folder has one mount, and write includes reading."""
    reads = directory(tree, narrow_to=("src",))
    writes = directory(tree, "write", narrow_to=("dst",))
    with narrowed({"src": "a.txt", "dst": "new.txt"}, reads, writes) as call:
        whole: Shape = (str(tree), "tree", "write", {str(tree), "."}, [])
        assert [whole] == [shape(m) for m in call.mounts]


def test_first_mount_is_the_one_with_dot(tree: Path) -> None:
    """Ours: a guest without a C library takes descriptor 3 for its working folder."""
    with narrowed({"p": ["sub/c.txt", "a.txt"]}, directory(tree, narrow_to=("p",))) as call:
        assert "." in call.mounts[0].guest_paths


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "out", "a\0", "", "\ud800"])
def test_denial_comes_before_anything_is_mounted(path: str, tree: Path) -> None:
    """Design §5: a Denial before a cell is touched; what was opened for the others is closed."""
    (tree / "out").symlink_to("../secret.txt")
    work = directory(tree, narrow_to=("paths",))

    denied({"paths": ["a.txt", "sub", path]}, work)
    denied({"path": path}, directory(tree), paths=("path",))


def test_denial_says_how_the_operator_opens_more(tree: Path) -> None:
    """Design §2: recorded with the line that would allow it."""
    manifest, grants = granted(directory(tree, narrow_to=("path",)))
    asks = tuple(
        type(ask)(key=ask.key, host=host, guest="", narrow_to=("path",))
        for ask in manifest.directories
        for host in ("${workspace}", "${folders}")
    )
    asked = replace(manifest, directories=asks)
    answer = narrow(asked, grants, {"path": "/etc/passwd"}, home="/nowhere")

    assert isinstance(answer, Denial)
    assert "--folder NAME=FOLDER or --workspace FOLDER" in answer.allow
    assert f'"/etc/passwd" is outside of what this tool was granted: {tree} (read)' in answer.reason


def test_more_than_a_hundred_paths_are_denied(tree: Path) -> None:
    """Ours: a message carries 240 descriptors, and a path needs up to two."""
    for number in range(101):
        (tree / f"{number}").mkdir()
        (tree / f"{number}" / "f").write_text("f")
    names = [f"{number}/f" for number in range(101)]
    work = directory(tree, narrow_to=("paths",))

    assert "more than 100 paths" in denied({"paths": names}, work).reason
    with narrowed({"paths": names[:100] * 2}, work) as call:
        assert 100 == len(call.mounts)


def test_arguments_that_are_no_paths_are_left_alone(tree: Path) -> None:
    """Ours: the schema has seen the types; narrowing changes nothing else."""
    arguments = {"path": 7, "text": "../x", "deep": {"path": "/etc"}, "mixed": ["a.txt", 1]}
    work = directory(tree, narrow_to=("path", "mixed"))
    with narrowed(arguments, work) as call:
        assert arguments == call.arguments


def test_symlink_is_told_as_what_it_leads_to(tree: Path) -> None:
    """Design §5: the template gets the resolved path, so that the mount serves it."""
    (tree / "link").symlink_to("sub/c.txt")
    with narrowed({"path": "link"}, directory(tree, narrow_to=("path",))) as call:
        assert {"path": "sub/c.txt"} == call.arguments
        assert [f"{tree}/sub/c.txt"] == [real(t) for t in call.mounts[0].targets]


def test_home_is_expanded_and_checked(tree: Path) -> None:
    """Design §5: a leading ~/ is the operator's home, then checked like any path."""
    home = str(tree.parent)
    work = directory(tree, narrow_to=("path",))
    with narrowed({"path": "~/work/a.txt"}, work, home=home) as call:
        assert {"path": "a.txt"} == call.arguments


def test_closing_twice_closes_once(tree: Path) -> None:
    """Ours: a number that was closed may be another's by now."""
    manifest, grants = granted(directory(tree))
    answer = narrow(manifest, grants, {}, home="/nowhere")
    assert isinstance(answer, Narrowed)
    answer.close()
    reused = os.open("/", os.O_RDONLY)
    answer.close()

    os.fstat(reused)
    os.close(reused)


def test_swap_between_narrowing_and_mounting_changes_nothing(tree: Path) -> None:
    """Design §5: what was checked is what is mounted."""
    with narrowed({"path": "sub/c.txt"}, directory(tree, narrow_to=("path",))) as call:
        (tree / "sub").rename(tree / "moved")
        (tree / "sub").symlink_to("/etc")
        assert f"{tree}/moved" == real(call.mounts[0].folder)


def test_receipt_names_what_was_reachable(tree: Path) -> None:
    """Design §3: a receipt's grants name what was reachable, never the wish."""
    reads = directory(tree, narrow_to=("src",))
    with narrowed({"src": ["a.txt", "sub/new"]}, reads) as call:
        assert (
            f"read {tree}/a.txt (one file)",
            f"ask whether a name exists in {tree}/sub (no contents)",
        ) == describe_mounts(call.mounts, walled_per_call=True)
        assert (
            f"read {tree} (all of it: the wall is the tool's)",
            f"read {tree}/sub (all of it: the wall is the tool's)",
        ) == describe_mounts(call.mounts, walled_per_call=False)
    with narrowed({}, directory(tree, "write")) as call:
        for per_call in (True, False):
            assert (f"write {tree}",) == describe_mounts(call.mounts, walled_per_call=per_call)
