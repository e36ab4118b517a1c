"""`preopen serve` as a client starts it: the probe as its tools, in a folder of a test's own."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp import StdioServerParameters

from lab import COURIER, PROBES

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
WORKSPACE = '[[directory]]\nhost = "${workspace}"\naccess = "read"\n'


@dataclass(frozen=True, slots=True)
class Site:
    """A workspace, a folder of manifests, and folders for preopen's own files.

    Every run approves the tools, but where `approves` is off.
    """

    top: Path
    approves: bool = True

    @property
    def work(self) -> Path:
        """The workspace."""
        return self.top / "my wörk space"

    @property
    def tools(self) -> Path:
        """The folder of manifests."""
        return self.top / "tools"

    @property
    def env(self) -> dict[str, str]:
        """The environment of whatever is started here."""
        own = {f"XDG_{n}_HOME": str(self.top / n.lower()) for n in ("CONFIG", "STATE")}
        # One cache for the whole run, so that nothing is compiled twice.
        cache = os.environ.get("PREOPEN_TEST_CACHE", str(self.top / "cache"))
        return {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": cache, **own}

    def add(
        self,
        name: str,
        *,
        kind: str = "module",
        level: str = "read-only",
        more: str = WORKSPACE,
        run: str = "",
    ) -> None:
        """Add a manifest of the probe, or of the courier."""
        binary = COURIER if kind == "courier" else PROBES[kind]
        # Under its name at once: a server that follows the folder would find half of it, which the
        # other tools of this binary have not pinned.
        beside = self.tools / f".{binary.name}.part"
        shutil.copy(binary, beside)
        beside.replace(self.tools / binary.name)
        sha256 = hashlib.sha256(binary.read_bytes()).hexdigest()
        told = {"name": name, "level": level, "binary": binary.name, "sha256": sha256}
        text = MANIFEST.format(**told, more=more, run=run)
        (self.tools / f"{name}.toml").write_text(text)

    def command(self, verb: str, *words: str) -> list[str]:
        """Return the command line of a verb, with this site's workspace and tools."""
        flags = ["--workspace", str(self.work), "--manifests", str(self.tools)]
        flags += ["--approve-all"] if self.approves and verb not in {"approve", "diff"} else []
        return [sys.executable, "-m", "preopen.cli.main", verb, *flags, *words]

    def parameters(self, *words: str) -> StdioServerParameters:
        """Return how the SDK's client starts the server."""
        command, *arguments = self.command("serve", *words)
        return StdioServerParameters(command=command, args=arguments, env=self.env)

    @contextmanager
    def serving(
        self, *words: str, stderr: int = subprocess.DEVNULL
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Start the server with pipes, and end it whatever the test did."""
        with subprocess.Popen(
            self.command("serve", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=self.env,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def make_site(top: Path) -> Site:
    """Make a site with a small project in it."""
    site = Site(top)
    (site.work / "sub").mkdir(parents=True)
    (site.work / "a.txt").write_text("this is a\n")
    (site.work / "sub" / "c.txt").write_text("this is c\n")
    site.tools.mkdir()
    return site
