"""Modes of files that a guest replaces. Kept beside not kept, over both kinds of binary."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Lab, mounted, probe
from preopen.capability import Access, Kept
from preopen.outcome import OutputOverflow, Trapped

pytestmark = pytest.mark.anyio


@pytest.fixture
def script(tree: Path) -> Path:
    """Return an executable file, beside one that the probe's "rename" puts into its place."""
    file = tree / "run.sh.renamed"
    file.write_text("the old one\n")
    file.chmod(0o751)
    (tree / "run.sh").write_text("the new one\n")
    (tree / "run.sh").chmod(0o640)
    return file


@contextmanager
def kept(file: Path) -> Iterator[Kept]:
    """Open what has a cell keep a file's mode."""
    folder = os.open(file.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield Kept(folder=folder, name=file.name)
    finally:
        os.close(folder)


def mode_of(file: Path) -> int:
    return file.lstat().st_mode & 0o7777


async def test_kept_mode_is_put_back_when_the_guest_replaced_the_file(
    lab: Lab, kind: str, script: Path
) -> None:
    """Issue: an executable script stays executable."""
    with mounted(script.parent, Access.WRITE) as mount, kept(script) as keep:
        await lab.say(kind, "rename", "run.sh", mounts=(mount,), kept=(keep,))

    assert "the new one\n" == script.read_text()
    assert 0o751 == mode_of(script)


async def test_mode_that_is_not_kept_is_the_new_files(lab: Lab, kind: str, script: Path) -> None:
    """Ours: WASI alone loses it, which is why the cell puts it back."""
    with mounted(script.parent, Access.WRITE) as mount:
        await lab.say(kind, "rename", "run.sh", mounts=(mount,))

    assert 0o640 == mode_of(script)


async def test_set_id_and_sticky_bits_are_not_put_back(lab: Lab, kind: str, script: Path) -> None:
    """Issue: bits 0777 only."""
    script.chmod(0o7751)
    with mounted(script.parent, Access.WRITE) as mount, kept(script) as keep:
        await lab.say(kind, "rename", "run.sh", mounts=(mount,), kept=(keep,))

    assert 0o751 == mode_of(script)


async def test_file_that_was_written_in_place_keeps_what_it_has(
    zygote_lab: Lab, kind: str, script: Path
) -> None:
    """Issue: when the inode changed, and only then; set-id bits are the kernel's to clear."""
    with mounted(script.parent, Access.WRITE) as mount, kept(script) as keep:
        await zygote_lab.say(kind, "write", script.name, mounts=(mount,), kept=(keep,))

    assert 0o751 == mode_of(script)


async def test_mode_is_put_back_after_a_bad_end_too(
    zygote_lab: Lab, kind: str, script: Path
) -> None:
    """Ours: a guest that replaced the file and then failed has replaced it all the same."""
    for words, outcome in ((("panic", "-"), Trapped), (("flood", "stdout"), OutputOverflow)):
        (script.parent / "run.sh").write_text("another\n")
        (script.parent / "run.sh").chmod(0o640)
        with mounted(script.parent, Access.WRITE) as mount, kept(script) as keep:
            run = await zygote_lab.run(
                probe(kind), "rename", "run.sh", *words, mounts=(mount,), kept=(keep,)
            )

        assert isinstance(run.outcome, outcome)
        assert 0o751 == mode_of(script)


async def test_no_mode_reaches_the_target_of_a_link(
    zygote_lab: Lab, kind: str, script: Path
) -> None:
    """Issue: opened O_NOFOLLOW; the guest may have put a link into the file's place."""
    outside = script.parent.parent / "secret.txt"
    outside.chmod(0o600)
    (script.parent / "run.sh").unlink()
    (script.parent / "run.sh").symlink_to(outside)
    with mounted(script.parent, Access.WRITE) as mount, kept(script) as keep:
        await zygote_lab.say(kind, "rename", "run.sh", mounts=(mount,), kept=(keep,))

    assert script.is_symlink()
    assert 0o600 == mode_of(outside)


async def test_file_that_the_guest_removed_stays_removed(
    zygote_lab: Lab, kind: str, script: Path
) -> None:
    """Ours: nothing is made that was not there."""
    with mounted(script.parent, Access.WRITE) as mount, kept(script) as keep:
        await zygote_lab.say(kind, "unlink", script.name, mounts=(mount,), kept=(keep,))

    assert not script.exists()


async def test_what_is_written_beside_a_private_file_is_as_private(
    zygote_lab: Lab, kind: str, script: Path
) -> None:
    """Ours: while it is written, and where the cell is killed before it puts the mode back."""
    script.chmod(0o600)
    with mounted(script.parent, Access.WRITE) as mount, kept(script) as keep:
        await zygote_lab.say(kind, "create", "beside", mounts=(mount,), kept=(keep,))
        await zygote_lab.say(kind, "create", "alone", mounts=(mount,))

    assert 0o600 == mode_of(script.parent / "beside")
    assert 0o600 != mode_of(script.parent / "alone")
