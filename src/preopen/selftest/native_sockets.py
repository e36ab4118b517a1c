"""What native code in a cell tries with sockets of its own, past every gateway.

Each act gets a host and a port, or a name; an OSError is a refusal.
"""

import socket
from typing import Final

from preopen.selftest.native_body import Act, Body

LOOPBACK: Final = "127.0.0.1"
SECONDS: Final = 5.0  # for one answer: whoever says nothing for so long has refused
_PIECE: Final = 64 << 10
_REQUEST: Final = b"GET /past-the-gate HTTP/1.1\r\nHost: site.test\r\n\r\n"
_MPTCP: Final = 262
_PING: Final = b"ping"
_SIZE: Final = 4096


def converse(port: int, data: bytes) -> str:
    """Send bytes to a port of loopback and return what comes back until the end.

    Raises:
        OSError: nobody listens there, or the connection was ended without a word.

    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(SECONDS)
        sock.connect((LOOPBACK, port))
        sock.sendall(data)
        answer = b""
        while piece := sock.recv(_PIECE):
            answer += piece
    if not answer:
        raise ConnectionResetError
    return answer.decode("latin-1")


def _address(where: str) -> tuple[str, int]:
    host, _, port = where.rpartition(":")
    return host, int(port)


def _connect(_: Body, where: str) -> str:
    port = _address(where)[1]
    return _first_line(converse(port, _REQUEST))


def _first_line(answer: str) -> str:
    return answer.partition("\r\n")[0]


def _fast_open(_: Body, where: str) -> str:
    """Connect by the first byte that is sent: no `connect` that a rule for ports would see."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.sendto(_REQUEST, socket.MSG_FASTOPEN, _address(where))
        sock.settimeout(SECONDS)  # not before: a socket that does not wait says EINPROGRESS
        return _first_line(sock.recv(_SIZE).decode("latin-1"))


def _multipath(_: Body, where: str) -> str:
    """Connect by MPTCP, which falls back to TCP where the other side has only that."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _MPTCP) as sock:
        sock.settimeout(SECONDS)
        sock.connect(_address(where))
        sock.sendall(_REQUEST)
        return _first_line(sock.recv(_SIZE).decode("latin-1"))


def _datagram(_: Body, where: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SECONDS)
        sock.connect(_address(where))
        sock.send(_PING)
        return sock.recv(_SIZE).decode("latin-1")


def _unix(_: Body, name: str) -> str:
    """Talk to a Unix socket: by its path, or by its abstract name, which has no "/"."""
    address = name if "/" in name else f"\0{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(SECONDS)
        sock.connect(address)
        sock.sendall(_PING)
        return sock.recv(_SIZE).decode("latin-1")


def _listen(_: Body, where: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(_address(where))
        sock.listen()
        return "listening"


def _accept(_: Body, __: str) -> str:
    """Take a connection, which this process makes itself, at a port that it opens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        listener.settimeout(SECONDS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.connect(listener.getsockname())
            listener.accept()[0].close()
    return "accepted"


def _send(_: Body, __: str) -> str:
    """Send to oneself, by a pair of sockets that this process makes."""
    one, other = socket.socketpair()
    with one, other:
        return f"sent {one.send(_PING)}"


def _look_up(_: Body, name: str) -> str:
    return str(socket.getaddrinfo(name, 80, family=socket.AF_INET)[0][4][0])


ACTS: Final[dict[str, Act]] = {
    "connect": _connect,
    "fast-open": _fast_open,
    "mptcp": _multipath,
    "udp": _datagram,
    "unix": _unix,
    "listen": _listen,
    "sock-accept": _accept,
    "sock-send": _send,
    "resolve": _look_up,
}
