"""Attempts on the processes around a cell: its siblings, the zygote that forked it, the server.

The trial's process becomes a zygote as `sandbox/zygote.py` is one, forks a sibling that is walled
to a grant of its own, a spare that waits for its call, and then the cell that makes the attempt.
"""

import ctypes
import os
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Final

from preopen.sandbox import privileges, seccomp, syscall_table
from preopen.sandbox.wall import Layer, Sockets, Wall
from sandbox.native_stage import HELD, Stage, attempt, libc

VICTIMS: Final = ("sibling", "spare", "zygote", "server")
ATTEMPTS: Final[set[str]] = set()
_READABLE = ctypes.create_string_buffer(b"what the victim has at this address", 64)  # by the fork
_NUMBERS = syscall_table.read_numbers(syscall_table.REFUSED, seccomp.machine())


def become_cell(stage: Stage, missing: Sequence[Layer]) -> tuple[Layer, ...]:
    """Be the zygote, fork the family, and return in its youngest: what it has by the fork."""
    inherited = Wall.raise_for_children(missing, with_network=False)
    if Layer.UNDUMPABLE not in missing:
        privileges.forbid_dumps()
    stage.family = {"server": stage.server, "zygote": os.getpid()}
    ready, tell = os.pipe()
    for name in ("sibling", "spare"):
        stage.family[name] = os.fork()
        if stage.family[name] == 0:
            _wait_to_be_a_victim(stage, missing, inherited, tell, walled=name == "sibling")
    os.close(tell)
    stage.sibling_port = sum(int(os.read(ready, 6)) for _ in ("sibling", "spare"))
    cell = os.fork()
    if cell == 0:
        return inherited
    os.waitpid(cell, 0)
    os._exit(0)  # the others are tied to this process


def _wait_to_be_a_victim(
    stage: Stage,
    missing: Sequence[Layer],
    inherited: tuple[Layer, ...],
    tell: int,
    *,
    walled: bool,
) -> None:
    wall = Wall.prepare(missing, stage.family["zygote"], inherited)
    port = 0
    if walled:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(_abstract_name(port))
        abstract.listen()
        wall.raise_([], sockets=Sockets.TCP)
    os.write(tell, f"{port:6}".encode())
    while True:
        signal.pause()


def _abstract_name(port: int) -> str:
    return f"\0preopen-sibling-{port}"


def _of_each(act: Callable[[int], object]) -> None:
    """Register an act on a process as one attempt for each victim."""
    for victim in VICTIMS:

        def on_victim(stage: Stage, victim: str = victim) -> object:
            return act(stage.family[victim])

        on_victim.__name__ = f"{act.__name__} of the {victim}"
        ATTEMPTS.add(on_victim.__name__)
        attempt()(on_victim)


@_of_each
def memory(pid: int) -> object:
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    return os.pread(descriptor, 8, ctypes.addressof(_READABLE))


@_of_each
def maps(pid: int) -> object:
    return os.read(os.open(f"/proc/{pid}/maps", os.O_RDONLY), 9)


@_of_each
def environment(pid: int) -> object:
    return os.read(os.open(f"/proc/{pid}/environ", os.O_RDONLY), 9)


@_of_each
def descriptors(pid: int) -> object:
    return os.listdir(f"/proc/{pid}/fd")


@_of_each
def open_file(pid: int) -> object:
    return os.open(f"/proc/{pid}/fd/{HELD}", os.O_RDONLY)


@_of_each
def copied_memory(pid: int) -> object:
    words = ctypes.c_ulong * 2
    there = words(ctypes.addressof(_READABLE), 8)
    here = words(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
    return libc("process_vm_readv", pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


@_of_each
def tracing(pid: int) -> None:
    libc("ptrace", 0x4206, pid, None, None)  # PTRACE_SEIZE: does not stop it


@_of_each
def taken_descriptor(pid: int) -> object:
    return libc("syscall", _NUMBERS["pidfd_getfd"], os.pidfd_open(pid), 0, 0)


@_of_each
def signals(pid: int) -> None:
    os.kill(pid, signal.SIGURG)  # which nobody minds; SIGKILL takes the same way


@_of_each
def limits(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


@_of_each
def scheduling(pid: int) -> None:
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))


@attempt()
def connection_to_a_sibling(stage: Stage) -> None:
    socket.socket().connect(("127.0.0.1", stage.sibling_port))


@attempt()
def abstract_socket_of_a_sibling(stage: Stage) -> None:
    socket.socket(socket.AF_UNIX).connect(_abstract_name(stage.sibling_port))


ATTEMPTS.update({"connection_to_a_sibling", "abstract_socket_of_a_sibling"})
