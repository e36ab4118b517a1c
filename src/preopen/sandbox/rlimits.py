"""Resource limits of one call, counted from what the cell uses when the call begins."""

import os
import resource
import time
from collections.abc import Mapping, MutableMapping
from typing import Final, TypeAlias

SLACK_BYTES: Final = 4 << 20  # for the host's allocations; one that fails in Rust aborts the cell
_DATA_FIELD: Final = 5  # of /proc/self/statm: private writable memory, in pages

SoftAndHard: TypeAlias = tuple[int, int]


def open_statm() -> int:
    """Return a descriptor of `/proc/self/statm`, a path that Landlock hides later."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def measure_data(statm: int) -> int:
    """Return the bytes that count towards RLIMIT_DATA now."""
    return int(os.pread(statm, 256, 0).split()[_DATA_FIELD]) * resource.getpagesize()


def limits_for(
    *,
    cpu_used_s: float,
    data_used_bytes: int,
    cpu_seconds: int,
    memory_bytes: int,
    file_size_bytes: int,
    open_files: int,
    calls_left: int,
) -> Mapping[int, SoftAndHard]:
    """Return soft and hard limits for the call that begins now.

    `calls_left` is the number of calls that this cell will serve *after* this one. Nobody without
    privileges raises a hard limit again, so the hard ones leave room for the calls to come: all
    their CPU time, and once the slack for memory that the host keeps between calls. Soft limits
    bind the guest either way; the room is what native code, once it broke out of wasm, could take
    for itself, and a cell for one call leaves none.
    """
    # The limit counts from the fork, in whole seconds: rounding down never gives a call more.
    cpu_soft = int(cpu_used_s) + cpu_seconds
    # SIGXCPU at the soft limit names itself to the parent; SIGKILL a second later names nothing.
    cpu_hard = cpu_soft + 1 + calls_left * cpu_seconds
    data_soft = data_used_bytes + memory_bytes + SLACK_BYTES
    data_hard = data_soft + (SLACK_BYTES if calls_left else 0)
    return {
        resource.RLIMIT_CPU: (cpu_soft, cpu_hard),
        resource.RLIMIT_DATA: (data_soft, data_hard),
        resource.RLIMIT_FSIZE: (file_size_bytes, file_size_bytes),
        resource.RLIMIT_NOFILE: (open_files, open_files),
        resource.RLIMIT_CORE: (0, 0),
    }


def limit_self(
    statm: int,
    has: MutableMapping[int, SoftAndHard],
    *,
    cpu_seconds: int,
    memory_bytes: int,
    file_size_bytes: int,
    open_files: int,
    calls_left: int,
) -> None:
    """Set this process's limits for the call that begins now; see `limits_for`.

    `has` are those that it was given by its calls so far; what stays as it is is not set again.
    """
    wanted = limits_for(
        cpu_used_s=time.process_time(),
        data_used_bytes=measure_data(statm),
        cpu_seconds=cpu_seconds,
        memory_bytes=memory_bytes,
        file_size_bytes=file_size_bytes,
        open_files=open_files,
        calls_left=calls_left,
    )
    for name, (soft, hard) in wanted.items():
        _set(name, soft, hard, has)


def rehearse(statm: int) -> None:
    """Do what `limit_self` does, and leave each limit as it is."""
    wanted = limits_for(
        cpu_used_s=time.process_time(),
        data_used_bytes=measure_data(statm),
        cpu_seconds=1,
        memory_bytes=1,
        file_size_bytes=1,
        open_files=1,
        calls_left=0,
    )
    for name in wanted:
        resource.setrlimit(name, resource.getrlimit(name))


def _set(name: int, soft: int, hard: int, has: MutableMapping[int, SoftAndHard]) -> None:
    before = has.get(name)
    if before is not None:  # nobody here raises a hard limit again
        soft, hard = min(soft, before[1]), min(hard, before[1])
        if (soft, hard) == before:
            return
    try:
        resource.setrlimit(name, (soft, hard))
    except ValueError:  # above the hard limit that is there: an operator's own
        _, ceiling = resource.getrlimit(name)
        soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(name, (soft, hard))
    has[name] = soft, hard
