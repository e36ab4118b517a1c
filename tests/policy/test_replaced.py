"""What is said of a file that a call replaced."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from preopen.policy.replaced import Replaceable, differences, replaceable


@contextmanager
def looked_at(file: Path) -> Iterator[tuple[Replaceable, ...]]:
    """Look at a file as narrowing does, before the call."""
    folder, found = os.open(file.parent, os.O_PATH), os.open(file, os.O_PATH)
    try:
        yield (replaceable(folder, found, str(file), f"sub/{file.name}"),)
    finally:
        os.close(folder)
        os.close(found)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a file of mode 0755."""
    file = tmp_path / "run.sh"
    file.write_text("old")
    file.chmod(0o755)
    return file


def replace(file: Path, mode: int) -> None:
    """Put a new file into its place."""
    other = file.with_name("beside")
    other.write_text("new")
    other.chmod(mode)
    other.rename(file)


def test_new_file_of_the_same_owner_and_mode_is_not_worth_a_word(file: Path) -> None:
    """Issue: what cannot be restored is said, and nothing else."""
    with looked_at(file) as files:
        replace(file, 0o755)
        assert () == differences(files)


def test_mode_that_is_another_is_said(file: Path) -> None:
    """Ours: set-id bits are not put back, and a cell that was killed put back none."""
    file.chmod(0o4755)
    with looked_at(file) as files:
        replace(file, 0o755)
        assert ("sub/run.sh is a new file: its mode was 4755 and is 0755",) == differences(files)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_that_are_others_are_said(file: Path) -> None:
    """Issue: an owner or group that cannot be restored is said in the result."""
    os.chown(file, 1234, 5678)
    with looked_at(file) as files:
        replace(file, 0o755)
        (said,) = differences(files)

    assert (
        "sub/run.sh is a new file: its owner was 1234 and is 0; its group was 5678 and is 0" == said
    )


def test_same_file_in_place_and_a_file_that_is_gone_are_not_worth_a_word(file: Path) -> None:
    """Issue: when the inode changed; a removal is the tool's own to tell."""
    with looked_at(file) as files:
        file.write_text("in place")
        file.chmod(0o600)
        assert () == differences(files)
        file.unlink()
        assert () == differences(files)
        file.symlink_to("elsewhere")
        assert () == differences(files)
