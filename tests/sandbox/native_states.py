"""Attempts that ask the kernel what is up, and every call that the filter should refuse."""

import ctypes
import fcntl
import functools
import os
import resource
import signal
import socket
import threading

from preopen.sandbox import privileges, seccomp, syscall_table
from preopen.sandbox.wall import probe_layers
from sandbox.native_stage import Stage, attempt, libc, told

JUNK = 0x7FFFFFFF  # no process, descriptor or address is called that
MSG_FASTOPEN = 0x20000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@attempt()
def tell_what_is_up(_: Stage) -> object:
    tied = ctypes.c_int()
    _LIBC.prctl(2, ctypes.byref(tied), 0, 0, 0)  # PR_GET_PDEATHSIG
    return {
        "tied": tied.value,
        "no_new_privs": _LIBC.prctl(39, 0, 0, 0, 0),
        "dumpable": _LIBC.prctl(3),
    }


@attempt()
def call_every_refused_number(_: Stage) -> object:
    refused = syscall_table.REFUSED + syscall_table.LISTENING + syscall_table.SOCKETS
    numbers = syscall_table.read_numbers(refused, seccomp.machine())
    return {
        n: told(functools.partial(libc, "syscall", v, JUNK, 0, 0, 0, 0, 0))
        for n, v in numbers.items()
    }


@attempt()
def call_every_refused_name(_: Stage) -> object:
    numbers = syscall_table.read_numbers(
        syscall_table.REFUSED + syscall_table.LISTENING + syscall_table.SOCKETS, seccomp.machine()
    )
    # fork and vfork are clone in libc, syslog is another; the rest read what they are given first.
    by_libc_otherwise = {"fork", "vfork", "syslog"}
    by_libc_otherwise |= {"mq_open", "mq_unlink", "settimeofday", "clock_settime"}
    names = [n for n in numbers if hasattr(_LIBC, n) and n not in by_libc_otherwise]
    return {n: told(functools.partial(libc, n, JUNK, 0, 0, 0, 0, 0)) for n in names}


@attempt()
def call_every_number_with_a_condition(stage: Stage) -> object:
    calls: dict[str, tuple[int, ...]] = {
        "prlimit64": (stage.server, resource.RLIMIT_CORE, 0, 0),
        "tgkill": (stage.server, stage.server, 0),
        "clone": (int(signal.SIGCHLD), 0, 0, 0, 0),
        "fchmod": (JUNK, 0o4000),
        "fcntl": (JUNK, fcntl.F_SETOWN, 0),
        "ioctl": (JUNK, 0x5412, 0),
        "prctl": (1, 0, 0, 0, 0),
        "sendto": (JUNK, 0, 0, MSG_FASTOPEN, 0, 0),
        "sendmsg": (JUNK, 0, MSG_FASTOPEN),
        "sendmmsg": (JUNK, 0, 0, MSG_FASTOPEN),
        "socket": (int(socket.AF_NETLINK), int(socket.SOCK_RAW), 0),
    }
    numbers = syscall_table.read_numbers(syscall_table.CONDITIONAL, seccomp.machine())
    return {n: told(functools.partial(libc, "syscall", numbers[n], *a)) for n, a in calls.items()}


@attempt()
def probe_in_a_cell(_: Stage) -> object:
    return {layer.value: why for layer, why in probe_layers().items() if why}


@attempt()
def call_clone3(_: Stage) -> object:
    return libc("syscall", 435, 0, 0)


@attempt()
def count_threads_again(_: Stage) -> None:
    privileges.refuse_threads()  # unshare is refused by now


@attempt()
def count_threads_beside_one(_: Stage) -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    privileges.refuse_threads()


ABOVE = 0xDEADBEEF << 32  # in the upper half of a register, which the kernel does not read


def with_junk_above(call: str, first: int, *rest: int) -> int:
    """Make a call whose first argument is a whole register with `first` in its lower half."""
    number = syscall_table.read_numbers(syscall_table.CONDITIONAL, seccomp.machine())[call]
    words = [ctypes.c_ulong(ABOVE | first), *map(ctypes.c_long, rest)]
    return libc("syscall", ctypes.c_long(number), *words)


@attempt()
def unix_socket_with_junk_above(_: Stage) -> object:
    return with_junk_above("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0)


@attempt()
def tcp_socket_with_junk_above(_: Stage) -> object:
    return with_junk_above("socket", socket.AF_INET, socket.SOCK_STREAM, 0)


@attempt()
def fork_with_junk_above(_: Stage) -> None:
    if with_junk_above("clone", signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)
