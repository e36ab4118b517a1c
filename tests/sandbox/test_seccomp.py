"""The seccomp filter as the kernel holds it: what it refuses, and what it answers."""

import errno

import pytest

from preopen.sandbox import seccomp
from preopen.sandbox import syscall_table as table
from preopen.sandbox.seccomp import Sockets
from sandbox.wall_lab import outcome_of

EVERYTHING = table.REFUSED + table.LISTENING + table.SOCKETS + table.CONDITIONAL


def test_calls_by_name_are_refused_where_libc_has_them() -> None:
    """Ours: the filter holds against libc's own numbers, whichever machine this is."""
    outcomes = outcome_of("call_every_refused_name", sockets=Sockets.NONE)
    assert len(outcomes) > 30
    assert set(outcomes.values()) == {"EPERM"}


def test_calls_by_number_are_refused() -> None:
    """Design §3: each row of the table is in the filter."""
    outcomes = outcome_of("call_every_refused_number", sockets=Sockets.NONE)
    machine = seccomp.machine()
    assert (
        outcomes.keys()
        == table.read_numbers(table.REFUSED + table.LISTENING + table.SOCKETS, machine).keys()
    )
    assert set(outcomes.values()) == {"EPERM"}


def test_calls_with_a_condition_are_refused_by_their_arguments() -> None:
    """Design §3: acts on others, set-id bits, MSG_FASTOPEN, other sockets, processes."""
    outcomes = outcome_of("call_every_number_with_a_condition", sockets=Sockets.TCP)
    assert set(outcomes.values()) == {"EPERM"}


def test_clone3_is_answered_as_unknown() -> None:
    """Design §3: so that libc starts threads by clone, whose flags a filter can see."""
    assert outcome_of("call_clone3") == "ENOSYS"


def test_numbers_above_the_common_range_are_the_same_on_both_machines() -> None:
    """Linux: since 424 new calls get one number everywhere."""
    x86_64, aarch64 = (table.read_numbers(EVERYTHING, machine) for machine in table.COLUMNS)
    for name, number in aarch64.items():
        assert number < 424 or x86_64[name] == number


@pytest.mark.parametrize("machine", table.COLUMNS)
def test_filters_fit_what_the_kernel_takes(machine: str) -> None:
    """Linux: at most 4096 instructions of 8 bytes, and a jump skips at most 255 of them."""
    for sockets in Sockets:
        code = seccomp.program(sockets, machine=machine, pid=4_000_000)
        assert len(code) % 8 == 0
        assert len(code) // 8 <= 4096


def test_a_machine_without_a_table_has_no_filter() -> None:
    """Ours: numbers of another machine would refuse and allow at random."""
    with pytest.raises(OSError, match="riscv64") as caught:
        seccomp.program(Sockets.NONE, machine="riscv64", pid=1)
    assert caught.value.errno == errno.ENOSYS
