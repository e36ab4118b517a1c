"""The table of system calls, against a kernel release's own numbers, and what nobody has looked at.

kernel_numbers.txt has the calls of one release, reviewed_calls.txt those that may pass, and why.
"""

import re
from functools import cache
from pathlib import Path

import pytest

from preopen.sandbox import syscall_table as table

EVERYTHING = table.REFUSED + table.LISTENING + table.SOCKETS + table.CONDITIONAL
HERE = Path(__file__).parent
HEADERS = {
    "x86_64": ("x86_64-linux-gnu/asm/unistd_64.h", "asm/unistd_64.h"),
    "aarch64": ("asm-generic/unistd.h",),  # the table that aarch64 takes as it is
}
# Design §3's list, by the names of the calls. What is not here may be refused too.
DEMANDED = """
fork vfork clone clone3 execve execveat
prlimit64 setpriority sched_setaffinity sched_setparam sched_setscheduler sched_setattr ioprio_set
kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal pidfd_getfd
chmod fchmodat fchmodat2 fchmod chown lchown fchown fchownat setxattr lsetxattr fsetxattr setxattrat
shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open
mount umount2 pivot_root move_mount open_tree fsopen fsmount mount_setattr unshare setns chroot
bpf add_key request_key keyctl io_uring_setup io_uring_enter io_uring_register userfaultfd
perf_event_open ptrace process_vm_readv process_vm_writev kcmp
socket socketpair sendto sendmsg sendmmsg
"""


def rows_of(text: str) -> dict[str, tuple[str, str]]:
    """Return name → the numbers on x86_64 and aarch64, as they are written."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {name: (x86_64, aarch64) for name, x86_64, aarch64 in lines}


@cache
def kernel() -> dict[str, tuple[str, str]]:
    return rows_of((HERE / "kernel_numbers.txt").read_text(encoding="utf-8"))


def reviewed() -> list[str]:
    lines = (HERE / "reviewed_calls.txt").read_text(encoding="utf-8").splitlines()
    found = [line.partition(":") for line in lines if line and not line.startswith("#")]
    assert all(reason and calls for reason, _, calls in found)
    return [name for _, _, calls in found for name in calls.split()]


def newest_of(numbers: dict[str, tuple[str, str]]) -> int:
    return max(int(each) for row in numbers.values() for each in row if each != "-")


@pytest.mark.parametrize("name", rows_of(EVERYTHING))
def test_number_is_the_kernels_on_both_machines(name: str) -> None:
    """Issue: numbers checked against a kernel header package. `-` is truly absent there."""
    assert rows_of(EVERYTHING)[name] == kernel()[name]


def test_kernels_file_is_whole() -> None:
    """Ours: the control. A file cut short would agree with everything."""
    x86_64, aarch64 = ({row[n] for row in kernel().values()} - {"-"} for n in (0, 1))
    assert {str(n) for n in range(335)} <= x86_64  # the old numbers leave no gap there
    assert {str(n) for n in range(424, table.NEWEST + 1)} <= x86_64 & aarch64


def test_every_call_of_the_kernel_is_refused_or_reviewed() -> None:
    """Issue: a list of what is refused is only as good as the look at what is not."""
    ours = rows_of(EVERYTHING).keys()
    assert sorted([*ours, *reviewed()]) == sorted(kernel())


def test_filter_knows_no_call_that_was_not_looked_at() -> None:
    """Ours: with a newer kernel_numbers.txt this is red until NEWEST is raised by hand."""
    assert newest_of(kernel()) == table.NEWEST


def test_table_has_what_the_design_insists_on() -> None:
    """Design §3: "and refuses: …"; a row that gets lost is lost silently otherwise."""
    assert set(DEMANDED.split()) - rows_of(EVERYTHING).keys() == set()


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_are_those_of_this_machines_headers(machine: str) -> None:
    """Ours: a second source that was not made by us, of whatever release is installed here."""
    paths = [Path("/usr/include", name) for name in HEADERS[machine]]
    found = [path.read_text(encoding="utf-8") for path in paths if path.exists()]
    if not found:
        pytest.skip("no kernel headers are installed here")
    # The generic header says some by way of `__NR3264_`.
    rows = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", found[0], re.MULTILINE)
    theirs = {name: int(number) for name, number in rows}
    ours = table.read_numbers(EVERYTHING, machine)
    # What an older header lacks is newer than all that it has, and then the same everywhere.
    newest = max(number for number in theirs.values() if number < 1024)
    assert {n: v for n, v in ours.items() if theirs.get(n, v) != v} == {}
    assert {n: v for n, v in ours.items() if n not in theirs and v <= newest} == {}
