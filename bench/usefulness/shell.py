"""The plain side: command lines in a shell, in a replica."""

import os
import subprocess
from pathlib import Path

PATIENCE_S = 120


def run(folder: Path, command: str) -> str:
    """Return what the model reads of one command: both streams."""
    done = subprocess.run(
        ["bash", "-c", command],  # noqa: S607 - as an agent finds it: on PATH
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
    )
    return done.stdout.decode(errors="replace")
