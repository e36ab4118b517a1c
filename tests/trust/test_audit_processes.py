"""The log among processes: several at once, one that is killed, one whose disk is full."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trust.ledger import Ledger

TESTS = Path(__file__).resolve().parent.parent
WRITER = [sys.executable, str(TESTS / "trust" / "audit_writer.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS)}


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*WRITER, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def test_three_servers_at_once_leave_a_whole_log_and_one_that_checks_meanwhile_sees_no_fault(
    ledger: Ledger,
) -> None:
    """Issue: three servers at once on one user folder, no broken file; they share not even a key.

    All are ready before the first goes on, and all still wait when the check begins.
    """
    writers = [start(str(ledger.state_dir), "300") for _ in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert "ready\n" == writer.stdout.readline()
    assert 3 == len(ledger.files)
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    checks = 0
    while any(writer.poll() is None for writer in writers):
        assert () == ledger.verify().faults
        checks += 1
    for writer in writers:
        writer.communicate()
    report = ledger.verify()

    assert checks > 0
    assert [0, 0, 0] == [writer.returncode for writer in writers]
    assert () == report.faults
    rotations = len(report.files) - 3
    assert rotations >= 3
    assert 900 + 2 * 3 + 2 * rotations == report.records
    assert {"ended", "rotated"} == {file.state for file in report.files}


@pytest.mark.parametrize("lines", [1, 3, 8])
def test_process_that_is_killed_leaves_a_log_that_is_whole(ledger: Ledger, lines: int) -> None:
    """Issue: kill -9 in the middle leaves a file that verifies."""
    writer = start(str(ledger.state_dir), "for-ever")
    assert writer.stdout is not None
    for _ in range(lines):
        writer.stdout.readline()
    writer.kill()
    writer.communicate()
    report = ledger.verify()

    assert () == report.faults
    assert "stopped" == report.files[-1].state
    assert report.records >= 50 * (lines - 1)


def told(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def has_mounts() -> bool:
    """Whether this user gets a namespace to mount in."""
    done = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],  # noqa: S607 - the system's
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_full_disk_is_an_error_that_says_so_and_leaves_the_log_whole(tmp_path: Path) -> None:
    """Issue: a full disk is a loud error; when there is room again, the file goes on."""
    if not has_mounts():
        pytest.skip("this user gets no namespace to mount a small disk in")
    disk = tmp_path / "disk"
    disk.mkdir()
    report = told(["unshare", "-rm", *WRITER, str(disk), "full-disk"])

    assert "No space left on device" in report["first"]
    assert "make room" in report["first"]
    assert ("written", []) == (report["again"], report["faults"])


def test_write_that_is_cut_short_is_undone(tmp_path: Path) -> None:
    """Ours: a disk that takes half of a record leaves no half of one; here by a limit on files."""
    report = told([*WRITER, str(tmp_path), "small-limit"])

    assert "File too large" in report["first"]
    assert ("written", []) == (report["again"], report["faults"])
