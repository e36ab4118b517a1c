# ruff: noqa: ANN401 - a mutant stands for a function of any signature
"""Switches off what stops an attack: in the server, and in processes of the tests' own.

The product has no switch for this. What is off in a process of ours `switched.py` puts there;
wasmtime itself is off where native code takes its place.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from preopen.cells import start as starting
from preopen.selftest.asking import Stop
from preopen.tool.result import Reply, TextBlock
from promises import outside
from promises.patching import Mutant
from selftest import switched, switching_network

_ENTRY: Final = """\
from selftest.switched import be_zygote

def main(arguments):
    be_zygote(arguments, {off!r}, native={native!r})
"""

_COMPILER: Final = """\
from selftest.switched import be_compiler

def main(arguments):
    be_compiler(arguments, {off!r})
"""


def write_compiler(folder: Path, off: Collection[Stop]) -> str:
    """Write the module of a compiler in which these are off, and return its name."""
    text = _COMPILER.format(off=[stop.value for stop in off])
    (folder / "switched_compiler.py").write_text(text)
    return "switched_compiler"


def write_entry(folder: Path, off: Collection[Stop], *, is_native: bool) -> str:
    """Write the module of a zygote in which these are off, and return its name."""
    name = f"switched_{'native' if is_native else 'guests'}"
    text = _ENTRY.format(off=[stop.value for stop in off], native=is_native)
    (folder / f"{name}.py").write_text(text)
    return name


@contextmanager
def entries_without(off: Collection[Stop], folder: Path) -> Iterator[tuple[str, str, str]]:
    """Give the entries of guests' and native zygote, and compiler, without what is off in them."""
    with pytest.MonkeyPatch.context() as patch:
        if Stop.START in off:
            patch.setattr(starting, "subprocess", _inheriting())
        patch.setattr(sys, "path", [str(folder), *sys.path])
        yield (
            write_entry(folder, off, is_native=False),
            write_entry(folder, off, is_native=True),
            write_compiler(folder, off),
        )


@contextmanager
def server_without(off: Collection[Stop]) -> Iterator[None]:
    """Switch off what the server does."""
    with pytest.MonkeyPatch.context() as patch:
        switched.switch_off(off, _IN_SERVER, patch.setattr)
        yield


def _inheriting() -> SimpleNamespace:
    """Return a `subprocess` whose children get all that the server has."""

    def popen(command: list[str], **given: Any) -> Any:
        for descriptor in given.pop("pass_fds"):
            os.set_inheritable(descriptor, True)
        del given["stdin"], given["stdout"]
        given["env"] = {**os.environ, **given["env"]}
        return subprocess.Popen(command, **given, close_fds=False)

    return SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL)


def _read_reply(_original: Any, _key: str) -> object:
    def read_reply(_manifest: Any, stdout: bytes, _check: Any) -> Reply:
        return Reply(content=(TextBlock(text=stdout.decode("utf-8", "surrogateescape")),))

    return read_reply


def _encode_line(_original: Any, _key: str) -> object:
    def encode_line(message: Any) -> bytes:
        value = message.model_dump(by_alias=True, exclude_unset=True)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text.replace("\\n", "\n").encode("utf-8", "surrogatepass") + b"\n"

    return encode_line


def _describe_directories(_original: Any, _key: str) -> object:
    return lambda directories: ", ".join(each.host_path for each in directories)


def _at(_original: Any, _key: str) -> object:
    return lambda trail, name: "/".join(["", *trail.parts, name])


def _tail(_original: Any, _key: str) -> object:
    return lambda stderr: [stderr.decode()]


def _promised(enforcer: str) -> dict[str, Mutant]:
    """Return the mutant that the promises' tests have for an enforcer."""
    return {enforcer: outside.MUTANTS[enforcer]}


_IN_SERVER: Final[dict[Stop, dict[str, Mutant]]] = {
    **switching_network.IN_SERVER,
    Stop.ARGUMENTS: _promised("preopen.policy.narrow:narrow"),
    Stop.FRESH_CELL: _promised("preopen.serving.invocation:Invoker._binding"),
    Stop.WALL_TIME: _promised("preopen.cells.pool:Pool._run_in"),
    Stop.FRAME: _promised("preopen.cells.verdict:read_answer"),
    Stop.QUEUE: _promised("preopen.cells.permits:Permits._wait"),
    Stop.SCHEMA: _promised("preopen.schema:Validator.problems"),
    Stop.RESULT: {"preopen.tool.result:read_reply": _read_reply},
    Stop.TRANSPORT: {"preopen.serving.transports.framing:encode_line": _encode_line},
    Stop.MESSAGES: {
        "preopen.policy.places:describe_directories": _describe_directories,
        "preopen.policy.paths:_at": _at,
        "preopen.tool.failure:_tail": _tail,
    },
}
# Off from a process's start on; the rest can be off for one row beside others.
IN_CELLS: Final = switched.SWITCHES | {Stop.START}
SWITCHES: Final = IN_CELLS | frozenset(_IN_SERVER)
