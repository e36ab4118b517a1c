"""The seccomp filter: which system calls this process may still make, and with which arguments.

A list of what is refused, not of what is allowed: wasmtime, tokio, libc and Python between them use
calls that change with every version, and a cell that dies of a missing one is a tool that fails.
What is refused is what no other layer stops, or what only one does. A call that is newer than the
list is answered as unknown, as on an older kernel: nobody has looked at what it opens.
The filter sees numbers, never memory behind a pointer: what `openat2` and `clone3` keep there, it
cannot judge.
"""

import enum
import errno
import functools
import os
import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

from preopen.sandbox import syscall_table as table
from preopen.sandbox.syscalls import address_of, prctl

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000  # x86_64's second set of numbers, which would pass every row

_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS

_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARGUMENTS = 0, 4, 16  # in struct seccomp_data

_ANY: Final = 0xFFFFFFFF
_PID_HERE: Final = struct.pack("=I", 0x5EA7BE17)  # above every pid, and no other operand
_CLONE_THREAD: Final = 0x10000
_SET_ID_BITS: Final = 0o6000
_MSG_FASTOPEN: Final = 0x20000000
_INET, _INET6, _STREAM, _TYPE_BITS, _TCP = 2, 10, 1, 0xF, 6


class Sockets(enum.Enum):
    """What sockets a cell may make after the wall."""

    NONE = "none"
    TCP = "tcp"  # to connect by, over IPv4 and IPv6; where to is Landlock's and the namespace's


class _Op(enum.IntEnum):
    """Instructions of classic BPF; the names say what they do here."""

    RETURN = 0x06
    JUMP_IF_EQUAL = 0x15
    LOAD = 0x20
    JUMP_IF_AT_LEAST = 0x35
    MASK = 0x54


_Line: TypeAlias = tuple[_Op, int, int, int]  # operation, lines to skip if true, if false, operand


@dataclass(frozen=True, slots=True)
class _Rule:
    """A call judged by the low half of one argument, which is all that the kernel reads of it."""

    call: str
    argument: int
    values: tuple[int, ...]
    bits: int = _ANY


def program(sockets: Sockets, *, machine: str, pid: int) -> bytes:
    """Return the filter for the process `pid`, ready for `install`.

    Raises:
        OSError: the numbers of this machine's system calls are not in our table.

    """
    template = _template(sockets, machine)
    return template.replace(_PID_HERE, struct.pack("=I", pid))


@functools.cache  # 0.3 ms to build; a cell only fills in its pid
def _template(sockets: Sockets, machine: str) -> bytes:
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine!r}")
    code = [*_known_calls_only(machine), *_search(_answers(sockets, machine))]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _answers(sockets: Sockets, machine: str) -> list[tuple[int, list[_Line]]]:
    """Return how calls are answered: the first number of each run of them that is answered so.

    A body loads an argument or none, and ends in an answer. What is refused stays refused, whatever
    else is said of the call.
    """
    numbers = table.read_numbers(table.CONDITIONAL, machine)
    (pid_here,) = struct.unpack("=I", _PID_HERE)
    bodies = {numbers[call]: _demand(rules) for call, rules in _only(pid_here).items()}
    bodies |= {numbers[rule.call]: _refuse_values(rule) for rule in _never()}
    # It hides its flags in memory; on ENOSYS libc starts threads by clone, which shows them.
    bodies[numbers["clone3"]] = [_answer(_UNKNOWN)]
    sockets_refused = [table.SOCKETS] if sockets is Sockets.NONE else []
    for refused in (table.REFUSED, table.LISTENING, *sockets_refused):
        for number in table.read_numbers(refused, machine).values():
            bodies[number] = [_answer(_REFUSE)]
    every = [bodies.get(number, [_answer(_ALLOW)]) for number in range(table.NEWEST + 1)]
    return [(n, body) for n, body in enumerate(every) if n == 0 or body != every[n - 1]]


def _search(answers: list[tuple[int, list[_Line]]]) -> list[_Line]:
    """Return a binary search among them, for the number that is loaded.

    When a filter is put up, the kernel runs it once for each number that there is, to learn which
    calls need not be asked about. By one row after another that took 0.13 ms of each call's cell.
    """
    if len(answers) == 1:
        return answers[0][1]
    half = len(answers) // 2
    below, above = _search(answers[:half]), _search(answers[half:])
    first_above, _ = answers[half]
    return [(_Op.JUMP_IF_AT_LEAST, len(below), 0, first_above), *below, *above]


def make_ready() -> None:
    """Build every filter, but for the pid: the zygote does it once for all its cells.

    Raises:
        OSError: the numbers of this machine's system calls are not in our table.

    """
    for sockets in Sockets:
        _template(sockets, machine())


def install(sockets: Sockets) -> None:
    """Put the filter over this thread and those that it starts, for good. Needs no-new-privs."""
    filter_program = program(sockets, machine=machine(), pid=os.getpid())
    length = len(filter_program) // struct.calcsize("=HBBI")
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, struct.pack("HP", length, address_of(filter_program)))


@functools.cache
def machine() -> str:
    """Return this machine's name as the kernel says it."""
    return os.uname().machine


def _never() -> tuple[_Rule, ...]:
    """Return calls that are refused when an argument has one of these values."""
    return (
        # F_SETOWN, F_SETSIG, F_SETOWN_EX: the kernel then sends any signal to any of the user's
        # processes in the caller's name.
        _Rule("fcntl", 1, (8, 10, 15)),
        # FIOSETOWN and SIOCSPGRP do the same; TIOCSTI and TIOCLINUX type into a terminal that was
        # inherited.
        _Rule("ioctl", 1, (0x8901, 0x8902, 0x5412, 0x541C)),
        _Rule("prctl", 0, (1,)),  # PR_SET_PDEATHSIG: it stays tied to its parent
    )


def _only(pid: int) -> dict[str, list[_Rule]]:
    """Return calls that are refused unless each of these arguments has one of its values."""
    rules = [
        _Rule("clone", 0, (_CLONE_THREAD,), bits=_CLONE_THREAD),  # a thread, never a process
        # Its own limits: no other layer keeps it from those of the same user's processes.
        _Rule("prlimit64", 0, (0,)),
        _Rule("tgkill", 0, (pid,)),  # abort() signals itself so
        _Rule("fchmod", 1, (0,), bits=_SET_ID_BITS),
        # A connection that Landlock's rule for ports does not see.
        _Rule("sendto", 3, (0,), bits=_MSG_FASTOPEN),
        _Rule("sendmsg", 2, (0,), bits=_MSG_FASTOPEN),
        _Rule("sendmmsg", 3, (0,), bits=_MSG_FASTOPEN),
        # No UDP, no Unix sockets; protocol 262 is MPTCP, which Landlock does not see either.
        _Rule("socket", 0, (_INET, _INET6)),
        _Rule("socket", 1, (_STREAM,), bits=_TYPE_BITS),
        _Rule("socket", 2, (0, _TCP)),
    ]
    return {rule.call: [r for r in rules if r.call == rule.call] for rule in rules}


def _known_calls_only(machine: str) -> list[_Line]:
    return [
        (_Op.LOAD, 0, 0, _OFFSET_ARCH),
        (_Op.JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        _answer(_KILL_PROCESS),
        (_Op.LOAD, 0, 0, _OFFSET_NUMBER),
        (_Op.JUMP_IF_AT_LEAST, 0, 1, _X32_BIT),
        _answer(_KILL_PROCESS),
        (_Op.JUMP_IF_AT_LEAST, 0, 1, table.NEWEST + 1),
        _answer(_UNKNOWN),
    ]


def _answer(value: int) -> _Line:
    return (_Op.RETURN, 0, 0, value)


def _load(rule: _Rule) -> list[_Line]:
    return [
        (_Op.LOAD, 0, 0, _OFFSET_ARGUMENTS + 8 * rule.argument),
        (_Op.MASK, 0, 0, rule.bits),
    ]


def _refuse_values(rule: _Rule) -> list[_Line]:
    body = _load(rule)
    for value in rule.values:
        body += [(_Op.JUMP_IF_EQUAL, 0, 1, value), _answer(_REFUSE)]
    return [*body, _answer(_ALLOW)]


def _demand(rules: list[_Rule]) -> list[_Line]:
    body: list[_Line] = []
    for rule in rules:
        body += _load(rule)
        for done, value in enumerate(rule.values):
            body.append((_Op.JUMP_IF_EQUAL, len(rule.values) - done, 0, value))
        body.append(_answer(_REFUSE))
    return [*body, _answer(_ALLOW)]
