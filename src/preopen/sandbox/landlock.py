"""Landlock: which files this process may open and change, which TCP ports it may reach.

Everything is handled, so everything that no rule names is refused: executing, devices, sockets and
fifos have no rule at all.
"""

import enum
import functools
import os
import struct
from collections.abc import Collection, Iterable, Sequence
from typing import Final, assert_never

from preopen.capability import Access
from preopen.layer import Layer
from preopen.sandbox.syscalls import call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_ASK_VERSION = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2


class Rights(enum.IntFlag):
    """What may be done to files, bit by bit as in the kernel's header."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13  # renaming and linking between folders
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


class _Tcp(enum.IntFlag):
    BIND = 1
    CONNECT = 2


class _Scope(enum.IntFlag):
    ABSTRACT_UNIX_SOCKET = 1
    SIGNAL = 2


# Found by leaving one right out at a time, until a guest missed it.
_READ: Final = Rights.READ_FILE | Rights.READ_DIR
_WRITE: Final = (
    _READ
    | Rights.WRITE_FILE
    | Rights.TRUNCATE
    | Rights.MAKE_REG
    | Rights.MAKE_DIR
    | Rights.MAKE_SYM
    | Rights.REMOVE_FILE
    | Rights.REMOVE_DIR
    | Rights.REFER
)
_ON_A_FILE: Final = Rights.READ_FILE | Rights.WRITE_FILE | Rights.TRUNCATE  # more is EINVAL on one
_ABI_1: Final = Rights((1 << 13) - 1)
_REFER_SINCE: Final = 2  # before it, what REFER would allow is refused always

PARTS: Final = {
    Layer.LANDLOCK_TRUNCATE: 3,
    Layer.LANDLOCK_TCP: 4,
    Layer.LANDLOCK_DEVICES: 5,
    Layer.LANDLOCK_SCOPE: 6,
}  # since which ABI


def ask_abi() -> int:
    """Return the version of Landlock that this kernel speaks.

    Raises:
        OSError: it was built without Landlock (ENOSYS), or started without it (EOPNOTSUPP).

    """
    return call("syscall", _CREATE_RULESET, 0, 0, _ASK_VERSION)


def missing_parts(abi: int) -> dict[Layer, str]:
    """Return the parts that a kernel of this ABI lacks, and why."""
    return {
        part: f"this kernel's Landlock is ABI {abi}, and {part.value} came with {since}"
        for part, since in PARTS.items()
        if abi < since
    }


@functools.cache  # flags are slow to combine, and a cell has none to combine for the first time
def rights_for(access: Access, *, is_file: bool) -> Rights:
    """Return what a grant of this access allows below a folder, or on one file."""
    match access:
        case Access.READ:
            rights = _READ
        case Access.WRITE:
            rights = _WRITE
        case _:
            assert_never(access)
    return rights & _ON_A_FILE if is_file else rights


def handled_rights(abi: int, without: Collection[Layer]) -> Rights:
    """Return every right on files that this ABI knows, so that none passes without a rule."""
    rights = _ABI_1
    if abi >= _REFER_SINCE:
        rights |= Rights.REFER
    if Layer.LANDLOCK_TRUNCATE not in without:
        rights |= Rights.TRUNCATE
    if Layer.LANDLOCK_DEVICES not in without:
        rights |= Rights.IOCTL_DEV
    return rights


def make_ready(without: frozenset[Layer]) -> None:
    """Ask and reckon what is the same for every cell: the zygote does it once for all of them.

    Raises:
        OSError: as `ask_abi`.

    """
    _ruleset_for(without)
    for access in Access:
        for is_file in (False, True):
            rights_for(access, is_file=is_file)


def restrict_self(
    rules: Iterable[tuple[int, Rights]], tcp_ports: Sequence[int], without: frozenset[Layer]
) -> None:
    """Refuse this thread, and those that it starts, all but `rules` and connections to `tcp_ports`.

    A rule is a descriptor and what may be done to it and below it. `without` names the parts that
    this kernel lacks; one that it lacks and that is not named is an OSError, not less wall.
    """
    attributes, handled, tcp = _ruleset_for(without)
    ruleset = call("syscall", _CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for descriptor, rights in rules:
            beneath = struct.pack("=Qi", int(rights) & handled, descriptor)
            call("syscall", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, beneath, 0)
        for port in tcp_ports if tcp else ():
            opened = struct.pack("=QQ", _Tcp.CONNECT, port)
            call("syscall", _ADD_RULE, ruleset, _RULE_NET_PORT, opened, 0)
        call("syscall", _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


@functools.cache
def _ruleset_for(without: frozenset[Layer]) -> tuple[bytes, int, int]:
    """Return the attributes of a ruleset, and which rights on files and on TCP it handles."""
    handled = int(handled_rights(ask_abi(), without))
    tcp = 0 if Layer.LANDLOCK_TCP in without else int(_Tcp.BIND | _Tcp.CONNECT)
    scope = 0
    if Layer.LANDLOCK_SCOPE not in without:
        scope = int(_Scope.ABSTRACT_UNIX_SOCKET | _Scope.SIGNAL)
    # Older kernels know a shorter structure and take a longer one whose rest is zero.
    return struct.pack("=QQQ", handled, tcp, scope), handled, tcp
