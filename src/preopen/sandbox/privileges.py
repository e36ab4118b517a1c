"""What a cell gives up for itself alone: outliving its parent, privileges, being read by others."""

import errno
import os
import signal
import struct
import sys
from pathlib import Path

from preopen.sandbox.syscalls import call, prctl

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES_AT_MOST = 64  # two words of 32 bits in version 3
_CLONE_THREAD = 0x10000


def tie_to_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends; leave at once if it ended already."""
    if sys.platform == "linux":
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # fork cleared it
    if os.getppid() != parent_pid:  # it ended before the line above
        os._exit(0)


def drop_capabilities() -> None:
    """Give up every capability, for good.

    Only after the namespaces: a new user namespace gives every capability and a full bounding set
    back.
    """
    for capability in range(_CAPABILITIES_AT_MOST):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError as error:
            # EINVAL: past the last one. EPERM: an ordinary user without a namespace, who holds
            # none; no-new-privs keeps the bounding set from ever being of use.
            if error.errno in (errno.EINVAL, errno.EPERM):
                break
            raise
    # Effective, permitted and inheritable; an empty permitted set empties the ambient one.
    call("capset", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def set_no_new_privs() -> None:
    """Make set-id programs and file capabilities powerless here; Landlock and seccomp demand it."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def refuse_threads() -> None:
    """Return if this process has one thread: the wall binds the calling thread, not its siblings.

    Raises:
        OSError: another thread runs, or nothing can tell.

    """
    try:
        # Changes nothing in a process with one thread, is EINVAL beside another, needs no /proc.
        call("unshare", _CLONE_THREAD)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise OSError(errno.EINVAL, "another thread runs; the wall would not bind it") from None
        _count_threads()  # a container's own seccomp rules refuse every unshare


def _count_threads() -> None:
    count = len(list(Path("/proc/self/task").iterdir()))
    if count != 1:
        raise OSError(errno.EINVAL, f"{count} threads run; the wall would bind one of them")


def forbid_dumps() -> None:
    """Leave no core file, and let no process of the same user read or trace this one."""
    prctl(_PR_SET_DUMPABLE, 0)
