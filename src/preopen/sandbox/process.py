"""How every process of the sandbox begins: tied to its parent, and as the right user."""

import os
import signal

from preopen.sandbox.privileges import tie_to_parent


def end_with_parent(parent: int) -> None:
    """Be killed when the parent ends; leave at once where it already has."""
    tie_to_parent(parent)


def ignore_signals() -> None:
    """Leave Ctrl-C to the server, which then closes our channel, and SIGXFSZ to the guest.

    A guest that writes past `file_size` gets EFBIG then, and may say so.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


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
