"""What native code in the compiler's place can do, behind its wall or without one.

An entry point as the compiler is one. Its arguments: the server's pid; "walled", "bare", or
"elsewhere" for the wall on a system that is no Linux; a port on which the server listens; a folder.
It prints the outcomes as JSON.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from preopen.sandbox.compiler import FILE_BYTES, put_up_wall
from preopen.sandbox.process import end_with_parent, ignore_signals
from sandbox.native_stage import told


def main(arguments: list[str]) -> None:
    """Try everything, and say what came of it."""
    server, side, port, folder = int(arguments[0]), arguments[1], int(arguments[2]), arguments[3]
    end_with_parent(server)
    ignore_signals()
    if side == "elsewhere":
        sys.platform = "another"
    layers = () if side == "bare" else put_up_wall(server, memory_bytes=64 << 20)
    outcomes = {name: told(act) for name, act in attempts(server, port, Path(folder)).items()}
    sys.stdout.write(json.dumps({"layers": layers, "outcomes": outcomes}))


def attempts(server: int, port: int, folder: Path) -> dict[str, Callable[[], object]]:
    """Return what is tried, by its name."""
    return {
        "read a file": lambda: Path("/etc/passwd").read_bytes() and None,
        "list the root": lambda: os.listdir("/") and None,
        "write a file": lambda: (folder / "written").write_bytes(b"x") and None,
        "change a file's mode": lambda: (folder / "there").chmod(0o777),
        "connect to the server": lambda: connect(port),
        "make a Unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "start a process": fork,
        "signal the server": lambda: os.kill(server, 0),
        "read the server's memory": lambda: Path(f"/proc/{server}/mem").open("rb").close(),
        "take 128 MiB of memory": lambda: bytearray(128 << 20) and None,
        "write more than its compiled form": lambda: os.ftruncate(2, FILE_BYTES + 1),
        "open 100 descriptors": open_many,
        "start a thread": start_thread,
        "make a memfd": lambda: os.close(os.memfd_create("image")),
        "write its compiled form": lambda: os.ftruncate(2, FILE_BYTES),
    }


def connect(port: int) -> None:
    """Connect to the server, by number: a name would need files to look it up."""
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", port))


def open_many() -> None:
    """Open more descriptors than a compiler needs."""
    with ExitStack() as stack:
        for _ in range(100):
            stack.callback(os.close, os.dup(1))


def fork() -> None:
    """Start a process, and wait for it."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def start_thread() -> None:
    """Start a thread, and wait for it."""
    thread = threading.Thread(target=int)
    try:
        thread.start()
    except RuntimeError as error:  # how Python says that the kernel refused it
        raise OSError(11, str(error)) from error
    thread.join()
