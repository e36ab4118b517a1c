"""A workspace, tools of the probe, and the shell run in this process or as a process of its own."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wasmtime
from click.testing import CliRunner, Result

from lab import PROBES
from preopen.cli.main import shell

# Verbs that load no tools, or whose matter approvals are.
WITHOUT_APPROVING = ("policy", "approve", "diff")
PREOPEN = [sys.executable, "-m", "preopen.cli.entry"]

# What each tool asks for, after its name, title, description, level and binary.
TOOLS = {
    "peek": (
        "read-only",
        """
[run]
args = ["read", "{path}"]
[input]
required = ["path"]
properties.path = { type = "string" }
[[directory]]
host = "${workspace}"
narrow_to = "path"
""",
    ),
    "leave": (
        "none",
        """
[run]
args = ["exit", "{code}"]
[input]
required = ["code"]
properties.code = { type = "integer" }
""",
    ),
    "typed": (
        "none",
        """
[run]
args = ["stdin", "-"]
stdin = "json"
[input]
properties.text = { type = "string" }
properties.count = { type = "integer" }
properties.flag = { type = "boolean" }
properties.names = { type = "array", items = { type = "string" } }
""",
    ),
    "spin": (
        "none",
        """
[run]
args = ["spin", "-"]
[limits]
wall_time = "300ms"
memory = "32MiB"
""",
    ),
    "turn": (
        "none",
        """
[run]
args = ["spin", "-"]
[limits]
wall_time = "60s"
""",
    ),
    "scrawl": (
        "write",
        """
[run]
args = ["write", "{path}"]
[input]
required = ["path"]
properties.path = { type = "string" }
[[directory]]
host = "${workspace}"
access = "write"
narrow_to = "path"
""",
    ),
    "runs": (
        "execute",
        """
[run]
args = ["args", ""]
executes = true
""",
    ),
}


def make_manifest(name: str, level: str, rest: str, binary: Path) -> str:
    sha256 = hashlib.sha256(binary.read_bytes()).hexdigest()
    return f"""\
manifest = 1
[tool]
name = "{name}"
title = "Try {name}"
description = "For a test."
level = "{level}"
[binary]
path = "{binary}"
sha256 = "{sha256}"
{rest}"""


@dataclass(frozen=True, slots=True)
class Workshop:
    """A workspace, and a folder of manifests beside it, which every run approves by default."""

    workspace: Path
    tools: Path
    approves: bool = True

    @property
    def places(self) -> list[str]:
        """The flags that say where the workspace and the tools are."""
        return ["--workspace", str(self.workspace), "--manifests", str(self.tools)]

    @property
    def flags(self) -> list[str]:
        """The flags that make a verb work here, of those that load tools."""
        return [*self.places, *(["--approve-all"] if self.approves else [])]

    def line(self, *words: str) -> list[str]:
        """Return a verb's words with the flags that it takes."""
        flags = self.places if words[0] in WITHOUT_APPROVING else self.flags
        return [*words, *flags, *ceiling(words)]

    def run(self, *words: str, stdin: str | None = None) -> Result:
        """Run a verb in this process, with the workshop's flags."""
        return CliRunner().invoke(shell, self.line(*words), input=stdin)

    def run_json(self, *words: str) -> Any:  # noqa: ANN401 - whatever a verb says
        """Run a verb with --json and return the one value that stdout holds."""
        return json.loads(self.run(*words, "--json").stdout)

    def spawn(self, *words: str, **more: Any) -> "subprocess.CompletedProcess[str]":  # noqa: ANN401 - subprocess's own
        """Run a verb as a process."""
        return subprocess.run(
            [*PREOPEN, *self.line(*words)],
            text=True,
            capture_output=True,
            timeout=50,
            check=False,
            **{"stdin": subprocess.DEVNULL, **more},
        )

    def add(self, name: str, level: str, rest: str, binary: Path = PROBES["module"]) -> Path:
        """Write one more manifest, and return its file."""
        file = self.tools / f"{name}.toml"
        file.write_text(make_manifest(name, level, rest, binary))
        return file

    def add_wat(self, name: str, rest: str, wat: str) -> Path:
        """Write a manifest for a binary of this WebAssembly text."""
        binary = self.tools / f"{name}.wasm"
        binary.write_bytes(bytes(wasmtime.wat2wasm(wat)))
        return self.add(name, "none", rest, binary)


def ceiling(words: Sequence[str]) -> list[str]:
    """Return the flag under which `runs` is refused, unless a test says another."""
    other = words[0] == "serve" or ("--policy" in words and words[0] == "policy")
    return [] if "--allow" in words or other else ["--allow", "write"]


def make_workshop(top: Path) -> Workshop:
    """Make a workspace with one file, the probe's tools, and a file that nobody grants."""
    workspace, tools = top / "work", top / "tools"
    workspace.mkdir()
    tools.mkdir()
    (workspace / "a.txt").write_text("this is a\n")
    (top / "secret.txt").write_text("nobody grants this\n")
    workshop = Workshop(workspace=workspace, tools=tools)
    for name, (level, rest) in TOOLS.items():
        workshop.add(name, level, rest)
    return workshop
