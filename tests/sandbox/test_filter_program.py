"""The seccomp filter's program, run on made-up calls of both machines: this one is one of them."""

import errno
import signal
import socket

import pytest

from preopen.sandbox import seccomp
from preopen.sandbox import syscall_table as table
from preopen.sandbox.seccomp import Sockets
from preopen.sandbox.wall import Layer
from sandbox.bpf import ALLOWED, KILLED, judge
from sandbox.wall_lab import run, trial

PID = 4321
JUNK = 0xDEADBEEF << 32  # what a caller may leave in the upper half of a register
MSG_FASTOPEN = 0x20000000
THREAD = 0x003D0F00  # the flags by which glibc and musl start a thread
OTHERS = [("fork", int(signal.SIGCHLD)), ("vfork", 0x4111), ("a new user namespace", 0x10000011)]


@pytest.fixture(params=table.COLUMNS)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def verdict(machine: str, call: str, *arguments: int, sockets: Sockets = Sockets.TCP) -> str | int:
    everything = table.REFUSED + table.LISTENING + table.SOCKETS + table.CONDITIONAL
    number = table.read_numbers(everything, machine)[call]
    return judge(program(machine, sockets), number, arguments, machine=machine)


def program(machine: str, sockets: Sockets = Sockets.TCP) -> bytes:
    return seccomp.program(sockets, machine=machine, pid=PID)


def test_every_refused_call_is_refused_whatever_its_arguments(machine: str) -> None:
    """Issue: on x86_64 and aarch64, where no test of native code runs."""
    for sockets in Sockets:
        refused = table.REFUSED + table.LISTENING
        refused += table.SOCKETS if sockets is Sockets.NONE else ""
        for number in table.read_numbers(refused, machine).values():
            for arguments in ([0] * 6, [2**64 - 1] * 6):
                said = judge(program(machine, sockets), number, arguments, machine=machine)
                assert said == errno.EPERM, number


def test_sockets_are_refused_only_where_there_is_no_network(machine: str) -> None:
    """Issue: "sockets only where this call has a network grant": the granted side."""
    for call in table.read_numbers(table.SOCKETS, machine):
        if call == "socket":
            continue
        assert verdict(machine, call, sockets=Sockets.NONE) == errno.EPERM
        assert verdict(machine, call, sockets=Sockets.TCP) == ALLOWED


def test_calls_of_another_machine_end_the_process(machine: str) -> None:
    """Ours: there the same numbers are other calls (int 0x80 on x86_64: 26 is ptrace)."""
    for other in {"x86_64", "aarch64", "i386"} - {machine}:
        assert judge(program(machine), 26, machine=other) == KILLED


@pytest.mark.parametrize("number", [0x40000000, 0x40000039, 0x40000208, 0xFFFFFFFF])
def test_second_set_of_numbers_ends_the_process(machine: str, number: int) -> None:
    """Ours: x86_64 has every call a second time, as x32, past every row of the table."""
    assert judge(program(machine), number, machine=machine) == KILLED


def test_calls_newer_than_the_table_are_unknown(machine: str) -> None:
    """Ours: nobody has looked at them; libc takes ENOSYS for an older kernel and does without."""
    assert judge(program(machine), table.NEWEST, machine=machine) == ALLOWED
    for number in (table.NEWEST + 1, table.NEWEST + 100, 0x3FFFFFFF):
        assert judge(program(machine), number, machine=machine) == errno.ENOSYS


@pytest.mark.parametrize("above", [0, JUNK])
def test_clone_makes_threads_and_no_processes(machine: str, above: int) -> None:
    """Design §3: no new processes. The kernel takes the lower half of clone's flags."""
    assert verdict(machine, "clone", above | THREAD) == ALLOWED
    for _, flags in OTHERS:
        assert verdict(machine, "clone", above | flags) == errno.EPERM
    assert verdict(machine, "clone", 0x10000 << 32) == errno.EPERM  # CLONE_THREAD in the wrong half
    assert verdict(machine, "clone3", 0, 88) == errno.ENOSYS


@pytest.mark.parametrize("above", [0, JUNK])
@pytest.mark.parametrize("family", range(64))
def test_only_tcp_over_ip_is_a_socket(machine: str, family: int, above: int) -> None:
    """Design §3: AF_INET and AF_INET6, SOCK_STREAM, protocol 0 or 6."""
    for kind in range(1, 16):
        for protocol in (0, 6, 17, 132, 262):
            fit = family in (2, 10) and kind == 1 and protocol in (0, 6)
            words = (above | family, above | kind | socket.SOCK_CLOEXEC, above | protocol)
            assert verdict(machine, "socket", *words) == (ALLOWED if fit else errno.EPERM)


@pytest.mark.parametrize("above", [0, JUNK])
@pytest.mark.parametrize(
    ("call", "fit", "unfit"),
    [
        # F_GETFD, F_GETFL, F_SETLK, F_DUPFD_CLOEXEC; F_SETOWN, F_SETSIG, F_SETOWN_EX
        ("fcntl", [(3, n) for n in (1, 3, 6, 1030)], [(3, n) for n in (8, 10, 15)]),
        # FIONREAD, FIONBIO; FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX
        ("ioctl", [(3, 0x541B), (3, 0x5421)], [(3, n) for n in (0x8901, 0x8902, 0x5412, 0x541C)]),
        ("prctl", [(n,) for n in (3, 4, 15, 38)], [(1, 0)]),
        ("prlimit64", [(0, 4)], [(1, 4), (PID, 4), (0xFFFFFFFF, 4)]),
        ("tgkill", [(PID, PID + 1, 6)], [(1, 1, 6), (PID + 1, PID, 6), (0, 0, 6)]),
        ("fchmod", [(3, 0o777), (3, 0o1777)], [(3, 0o4755), (3, 0o2755), (3, 0o6000)]),
        (
            "sendto",
            [(3, 0, 0, 0x4000)],
            [(3, 0, 0, MSG_FASTOPEN), (3, 0, 0, MSG_FASTOPEN | 0x4000)],
        ),
        ("sendmsg", [(3, 0, 0x4000)], [(3, 0, MSG_FASTOPEN)]),
        ("sendmmsg", [(3, 0, 1, 0x4000)], [(3, 0, 1, MSG_FASTOPEN)]),
    ],
)
def test_calls_are_judged_by_the_half_that_the_kernel_reads(
    machine: str,
    call: str,
    fit: list[tuple[int, ...]],
    unfit: list[tuple[int, ...]],
    above: int,
) -> None:
    """Design §3: acts on others, set-id bits, MSG_FASTOPEN; each argument here is an `int` to C."""
    for words in fit:
        assert verdict(machine, call, *(above | word for word in words)) == ALLOWED
    for words in unfit:
        assert verdict(machine, call, *(above | word for word in words)) == errno.EPERM


def test_kernel_reads_the_lower_half_only() -> None:
    """Ours: a filter that compared whole registers would let a family with junk above it pass."""
    names = ("unix_socket_with_junk_above", "fork_with_junk_above", "tcp_socket_with_junk_above")
    walled = run([trial(name) for name in names], as_user=True)["results"]
    bare = run([trial(name, missing=[Layer.SECCOMP]) for name in names], as_user=True)["results"]
    assert [r["outcome"] for r in walled] == ["EPERM", "EPERM", "done"]
    assert [r["outcome"] for r in bare] == ["done", "done", "done"]
