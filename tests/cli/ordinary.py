"""An ordinary user's workshop, also where root runs the tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from cli.workshop import Workshop, make_workshop
from lab import PROBES

NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Ordinary:
    """An ordinary user's workshop, and what of `subprocess` starts a process as that user."""

    workshop: Workshop
    uid: int
    gid: int
    groups: tuple[int, ...]
    starts: dict[str, Any]

    def spawn(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a verb as that user."""
        return self.workshop.spawn(*words, **self.starts)


@contextmanager
def open_ordinary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ordinary]:
    """Make the workshop of an ordinary user: whoever runs the tests, or for root's tests another.

    Not below pytest's own folder, which root keeps for itself.
    """
    with TemporaryDirectory(prefix="preopen-") as folder:
        top = Path(folder).resolve()
        for name in ("CONFIG", "STATE", "CACHE"):
            monkeypatch.setenv(f"XDG_{name}_HOME", str(top / name.lower()))
        workshop = make_workshop(top)
        if os.geteuid() != 0:
            groups = tuple(sorted(os.getgroups()))
            yield Ordinary(workshop, os.getuid(), os.getgid(), groups, {})
            return
        give_away(top)
        starts = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
        if not is_reachable(starts):
            pytest.skip("an ordinary user cannot reach this interpreter, or preopen")
        yield Ordinary(workshop, NOBODY, NOBODY, (), starts)


def give_away(folder: Path, uid: int = NOBODY) -> None:
    """Have a folder, and all that is in it, belong to another user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)


def is_reachable(starts: dict[str, Any]) -> bool:
    """Whether a process that is started so can read this interpreter, preopen and the probe."""
    words = f"import preopen.cli.main; open({str(PROBES['module'])!r}).close()"
    try:
        subprocess.run([sys.executable, "-c", words], capture_output=True, check=True, **starts)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
