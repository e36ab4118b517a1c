"""The folders, files and tools of a soak: the built-in ones, and the probe as hostile ones."""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROBE = Path(__file__).resolve().parents[2] / "wasm" / "probe"
KINDS = {"module": PROBE / "probe.wasm", "component": PROBE / "probe.component.wasm"}

MANIFEST = """
manifest = 1
[tool]
name = "{name}"
title = "{name}"
description = "Tries what its arguments say."
level = "{level}"
[binary]
path = "{binary}"
sha256 = "{sha256}"
[run]
args = ["{{words}}"]
{run}
[input]
required = ["words"]
properties.words = {{ type = "array", items = {{ type = "string" }} }}
{more}
"""
# What an author writes for a tool that should answer at once: it may spin for a second.
BRIEF = '[limits]\nwall_time = "1s"\nqueue = 8\n'
SCRATCH = '[[directory]]\nhost = "${workspace}/scratch"\naccess = "write"\n'
NUMBER = '[output]\ntype = "object"\nrequired = ["count"]\nproperties.count.type = "integer"\n'


@dataclass(frozen=True, slots=True)
class Grounds:
    """One folder that holds everything; nothing else on this machine is touched."""

    top: Path

    @property
    def work(self) -> Path:
        """The workspace."""
        return self.top / "work"

    @property
    def scratch(self) -> Path:
        """Where hostile tools may write."""
        return self.work / "scratch"

    @property
    def audit(self) -> Path:
        """Where the server's audit log is."""
        return self.top / "state" / "preopen" / "audit"

    @property
    def log(self) -> Path:
        """The server's standard error."""
        return self.top / "log"

    @property
    def env(self) -> dict[str, str]:
        """The server's environment: every folder that it may use is one of ours."""
        own = {
            f"XDG_{name}_HOME": str(self.top / name.lower())
            for name in ("CONFIG", "STATE", "CACHE")
        }
        return {"PATH": os.environ["PATH"], "TMPDIR": str(self.top / "tmp"), **own}

    @property
    def command(self) -> list[str]:
        """The command line of the server."""
        tools = ["--manifests", str(self.top / "tools"), "--approve-all"]
        flags = ["--workspace", str(self.work), *tools]
        return [sys.executable, "-m", "preopen.cli.main", "serve", *flags]

    def files(self) -> int:
        """Return how many files there are, but those that hostile tools were allowed to leave.

        And but the audit log's: it goes on to a new file after each 16 MiB, and is to be kept.
        """
        return sum(1 for _ in self._walk())

    def _walk(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.top):
            if Path(folder) == self.work:
                folders.remove("scratch")
            if Path(folder) == self.audit.parent and self.audit.name in folders:
                folders.remove(self.audit.name)
            yield from names

    def clear_scratch(self) -> None:
        """Take away what hostile tools wrote: the disk is not what is measured."""
        for entry in os.scandir(self.scratch):
            Path(entry.path).unlink(missing_ok=True)


def make_grounds(top: Path) -> Grounds:
    """Make the folders, a small project, and the hostile tools."""
    grounds = Grounds(top)
    for folder in ("tmp", "tools", "config", "state", "cache", "work/src", "work/scratch"):
        (top / folder).mkdir(parents=True)
    for number in range(20):
        lines = [f"line {line} of file {number}" for line in range(50)]
        lines[number] += " with a needle"
        (grounds.work / "src" / f"file{number:02}.txt").write_text("\n".join(lines) + "\n")
    for kind, binary in KINDS.items():
        shutil.copy(binary, top / "tools")
        _add(grounds, f"brief_{kind}", binary, more=BRIEF)
        _add(grounds, f"hog_{kind}", binary, more=BRIEF + 'memory = "32MiB"\n')
        _add(grounds, f"liar_{kind}", binary, run='stdout = "json"', more=NUMBER + BRIEF)
        scratch = SCRATCH + BRIEF + 'file_size = "1MiB"\n'
        _add(grounds, f"litter_{kind}", binary, level="write", more=scratch)
    return grounds


def _add(
    grounds: Grounds, name: str, binary: Path, *, level: str = "none", run: str = "", more: str
) -> None:
    sha256 = hashlib.sha256(binary.read_bytes()).hexdigest()
    text = MANIFEST.format(
        name=name, level=level, binary=binary.name, sha256=sha256, run=run, more=more
    )
    (grounds.top / "tools" / f"{name}.toml").write_text(text)
