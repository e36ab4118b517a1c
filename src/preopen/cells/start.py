"""Starts the sandbox's processes: nothing of ours in their environment, nothing of the user's.

The one file that knows the command line of an entry point.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from preopen.errors import Fault, PlatformError

# All that the children find in their environment.
ENVIRONMENT: Final = {
    # By default wasmtime's runtime starts one thread per core in every cell: 2 ms a call more on a
    # machine with 64.
    "TOKIO_WORKER_THREADS": "1",
    # On a busy machine the thread for file calls may not be idle yet when the next one comes, and
    # another starts, under the call's limits: by default its stack of 2 MiB and a heap of its own
    # take the slack that `rlimits.py` leaves, and the cell is aborted.
    "RUST_MIN_STACK": str(256 << 10),
    "MALLOC_ARENA_MAX": "1",
    # Symbols are looked up when the zygote starts, and not again in each cell.
    "LD_BIND_NOW": "1",
}

# Isolated mode ignores the user's site-packages and PYTHON* variables, so the paths go along as an
# argument: a `pip install --user` would not be found otherwise.
_BOOT: Final = (
    "import importlib, json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "importlib.import_module(sys.argv.pop(1)).main(sys.argv[1:])"
)

ZYGOTE: Final = "preopen.sandbox.zygote"
SPAWN: Final = "preopen.sandbox.spawn"
COMPILER: Final = "preopen.sandbox.compiler"
PROBE: Final = "preopen.sandbox.probe"

# What cells are to be: the last argument of zygote and spawned cell.
PLAIN: Final = "plain"
NETWORK: Final = "network"


def command_for(entry: str, *arguments: str) -> list[str]:
    """Return the command line that runs `entry.main(arguments)` in a fresh interpreter."""
    paths = [path for path in sys.path if Path(path).is_absolute()]
    return [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, json.dumps(paths), entry, *arguments]


def start(entry: str, arguments: Sequence[str], descriptor: int) -> "subprocess.Popen[bytes]":
    """Start an entry point that speaks frames over `descriptor`, its first argument.

    Call it on the main thread: the child's parent-death signal is bound to the starting thread.

    Raises:
        PlatformError: the machine has no process for us.

    """
    try:
        return subprocess.Popen(
            command_for(entry, str(descriptor), str(os.getpid()), *arguments),
            env=ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[descriptor],
            start_new_session=True,  # Ctrl-C at a terminal is for the server alone, which ends it
        )
    except OSError as error:
        raise cannot_start(error) from error


def cannot_start(error: OSError) -> PlatformError:
    """Return what it means that a process of the sandbox could not be started."""
    found = f"{sys.executable} could not be started: {error.strerror}"
    write = "raise the limits of processes and open files (`ulimit -u`, `ulimit -n`), or make room"
    if isinstance(error, FileNotFoundError | PermissionError):
        write = "install preopen anew"
    return PlatformError(Fault(place="the sandbox's processes", found=found, write=write))
