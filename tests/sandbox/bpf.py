"""Runs a seccomp filter's program on made-up system calls, for machines that are not at hand.

An interpreter of classic BPF as far as seccomp(2) and the kernel's filter.txt define it for the
operations that ours uses; it is written from there and takes nothing from `seccomp.py`.
"""

import struct
from collections.abc import Sequence
from typing import Final

ALLOWED: Final = "allowed"
KILLED: Final = "killed"
ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003}

_ACTIONS: Final = {0x7FFF0000: ALLOWED, 0x80000000: KILLED}
_ERRNO_ACTION: Final = 0x00050000


def judge(program: bytes, number: int, arguments: Sequence[int] = (), *, machine: str) -> str | int:
    """Return "allowed", "killed" or the errno that the filter answers a call with."""
    six = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, ARCHITECTURES[machine], 0, *six)
    lines = list(struct.iter_unpack("<HBBI", program))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, operand = lines[at]
        at += 1
        match operation:
            case 0x20:  # BPF_LD | BPF_W | BPF_ABS: whole words of seccomp_data only
                assert operand % 4 == 0
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x54:  # BPF_ALU | BPF_AND | BPF_K
                accumulator &= operand
            case 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
                at += if_true if accumulator == operand else if_false
            case 0x35:  # BPF_JMP | BPF_JGE | BPF_K
                at += if_true if accumulator >= operand else if_false
            case 0x06:  # BPF_RET | BPF_K
                return _said(operand)
            case _:
                raise ValueError(f"line {at - 1}: no operation {operation:#x}")


def _said(answer: int) -> str | int:
    if answer & 0xFFFF0000 == _ERRNO_ACTION:
        return answer & 0xFFFF
    return _ACTIONS[answer]
