"""The cell's own user and network namespace: a network that holds one loopback and nothing else."""

import fcntl
import socket
import struct

from preopen.sandbox.syscalls import call

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_REQUEST = "16sH14x"  # struct ifreq: a name and, here, flags


_BACKLOG = 64  # connections that the gateway has not accepted yet; a call has 8 requests in flight


def open_listener() -> int:
    """Return a socket that listens on a free port of this namespace's loopback, for the gateway.

    Bound here, by the cell: one of the server's is in another network, which nobody here reaches.

    Raises:
        OSError: the loopback is down, or the port range is full.

    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
        return listener.detach()


def enter_namespaces() -> None:
    """Leave the host's network and its users for namespaces of the cell's own, `lo` up.

    No user is mapped, so `getuid` says 65534; on files the cell stays who it was.

    Raises:
        OSError: this kernel, a container or a security module keeps user namespaces closed.

    """
    call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack(_REQUEST, b"lo", 0))
        _, flags = struct.unpack(_REQUEST, answer)
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack(_REQUEST, b"lo", flags | _IFF_UP))
