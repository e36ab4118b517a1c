"""How every process of the sandbox begins: tied to its parent, and as the right user."""

import fcntl
import os
import signal
import sys
from contextlib import suppress

from preopen.sandbox.privileges import tie_to_parent
from preopen.sandbox.syscalls import call


def begin_for_cells(parent: int, owner: str) -> None:
    """Begin as a zygote or a spawned cell does: tied to the server, and as who the cells are."""
    end_with_parent(parent)
    ignore_signals()
    only_write_errors()  # before it is another user, who may not open it
    become(owner)


def end_with_parent(parent: int) -> None:
    """Be killed when the parent ends; leave at once where it already has."""
    tie_to_parent(parent)


def ignore_signals() -> None:
    """Leave Ctrl-C to the server, which then closes our channel, and SIGXFSZ to the guest.

    A guest that writes past `file_size` gets EFBIG then, and may say so.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def only_write_errors() -> None:
    """Keep standard error for writing alone.

    A terminal is open both ways, on every descriptor of it: native code in a cell would read what
    is typed there. Opened anew for writing; what cannot be (a socket, or another user's) is given
    up. By its kind a pipe or a file that a shell redirects to is for writing already.
    """
    if sys.platform != "linux" or fcntl.fcntl(2, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOCTTY
    try:
        errors = os.open("/proc/self/fd/2", flags)
    except OSError:
        errors = os.open(os.devnull, flags)
    os.dup2(errors, 2)
    os.close(errors)


def become(owner: str) -> None:
    """Become the user `uid:gid` for good; "" stays who we are.

    A server that runs as root has its zygote become the workspace's owner: a cell drops every
    capability, so root would be bound by the file modes like anyone, or leave files of root's.
    Groups first, then gid, then uid: after the uid nothing else could be given up.
    """
    if not owner:
        return
    uid, gid = (int(part) for part in owner.split(":"))
    parent = os.getppid()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    tie_to_parent(parent)  # changing the user cleared the parent-death signal (prctl(2))


def look_up_calls() -> None:
    """In the zygote: have found what `stay_on_one_cpu` calls, so that no cell looks for it."""
    with suppress(AttributeError, OSError):
        call("sched_getcpu")


def stay_on_one_cpu() -> None:
    """Keep this process's threads on the CPU where it is now, and have none preempt its waker.

    A guest's file calls run on a thread of wasmtime's while the guest's own waits: the two never
    run at once, and waking the other on another CPU costs 12 to 30 µs, on the same one 9 µs. Where
    the kernel has no such calls, or its rules for this process refuse them, it is only slower.
    """
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os.sched_setaffinity(0, {call("sched_getcpu")})
