"""Machines that lack a layer of the wall: a seccomp filter answers its calls as theirs would.

`python lacking.py LAYER COMMAND...` is such a machine for one command and all that it starts;
`write_entry` makes the entry point of a zygote or a spawned cell that finds itself on one.
`break_sandbox` has every process of the sandbox fail.
"""

import errno
import os
import struct
import sys
from pathlib import Path
from typing import Final

from preopen.sandbox import privileges, seccomp
from preopen.sandbox import syscall_table as table
from preopen.sandbox.syscalls import address_of, prctl

_LANDLOCK_CREATE_RULESET: Final = 444  # the same on every machine

# How a kernel older than Landlock answers, and a container that keeps namespaces closed.
ANSWERS: Final = {"landlock": errno.ENOSYS, "namespaces": errno.EPERM}


def take_away(layer: str) -> None:
    """Have this process and all that it starts find the layer missing, for good."""
    machine = seccomp.machine()
    numbers = table.read_numbers(table.REFUSED + table.CONDITIONAL, machine)
    number = {"landlock": _LANDLOCK_CREATE_RULESET, "namespaces": numbers["unshare"]}[layer]
    code = [
        *seccomp._known_calls_only(machine),
        (seccomp._Op.JUMP_IF_EQUAL, 0, 1, number),
        seccomp._answer(0x00050000 | ANSWERS[layer]),
        seccomp._answer(seccomp._ALLOW),
    ]
    program = b"".join(struct.pack("=HBBI", *line) for line in code)
    privileges.set_no_new_privs()
    filled = struct.pack("HP", len(code), address_of(program))
    prctl(seccomp._PR_SET_SECCOMP, seccomp._MODE_FILTER, filled)


def machine_without(layer: str) -> list[str]:
    """Return the words that begin a command line on such a machine."""
    return [sys.executable, str(Path(__file__)), layer]


def write_entry(folder: Path, entry: str, layer: str, switch: Path) -> str:
    """Write an entry point that is `entry` without a layer as soon as the file `switch` exists.

    Returns the module's name; `folder` must be on `sys.path`.
    """
    name = f"lacking_{entry.rpartition('.')[2]}"
    (folder / f"{name}.py").write_text(
        f"""\
import os
from {entry.rpartition(".")[0]} import {entry.rpartition(".")[2]} as entry
from lacking import take_away

def main(arguments):
    if os.path.exists({str(switch)!r}):
        take_away({layer!r})
    entry.main(arguments)
"""
    )
    return name


def break_sandbox(folder: Path, program: str) -> None:
    """Write what every process of the sandbox imports and then does, in place of `ctypes`.

    It counts for processes that are started while `folder` is the first on `sys.path`.
    """
    text = f"import os, sys\n{program}\nsys.stdout.flush()\nos._exit(0)\n"
    (folder / "ctypes.py").write_text(text)


def broken_preopen(folder: Path) -> list[str]:
    """Return the words that run the shell so, all its verbs being imported before."""
    program = (
        "import sys; from preopen.cli import call, doctor; from preopen.cli.main import main;"
        f" sys.path.insert(0, {str(folder)!r}); main()"
    )
    return [sys.executable, "-c", program]


if __name__ == "__main__":
    take_away(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the test's own words
