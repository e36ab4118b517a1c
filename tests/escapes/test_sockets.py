"""Sockets without HTTP: no manifest can grant one, so every way to one ends in the guest."""

import socket
from collections.abc import Iterator

import pytest

from lab import Lab

pytestmark = pytest.mark.anyio

ABSENT = "Unsupported"  # Rust's standard library has no sockets in a module
DENIED = "PermissionDenied"  # wasmtime's answer, before any system call
BAD_DESCRIPTOR, NO_SOCKET = "errno 8", "errno 57"  # as preview 1 numbers them


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Return a socket of this machine that anybody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


async def test_no_connection_leaves_a_guest(lab: Lab, kind: str, listener: socket.socket) -> None:
    """Design §5: `wasi:sockets` and `sock_*` are accepted, inert; nobody arrives."""
    host, port = listener.getsockname()
    answer = DENIED if kind == "component" else ABSENT

    said = await lab.say(kind, "connect", f"{host}:{port}", "udp", f"{host}:{port}")

    assert [f"connect {host}:{port}: {answer}", f"udp {host}:{port}: {answer}"] == said
    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_a_listener_that_is_open_takes_a_connection_of_ours(
    listener: socket.socket,
) -> None:
    """Ours: the control of the test above; its listener would have seen a connection."""
    with socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        accepted.close()


async def test_no_port_is_opened_by_a_guest(lab: Lab, kind: str) -> None:
    """Design §5: no grant lets a guest listen."""
    answer = DENIED if kind == "component" else ABSENT

    assert [f"listen 127.0.0.1:0: {answer}"] == await lab.say(kind, "listen", "127.0.0.1:0")


async def test_no_name_is_resolved_for_a_guest(lab: Lab, kind: str) -> None:
    """Design §9: a lookup is a message to somebody; even this machine's own name is none."""
    (said,) = await lab.say(kind, "resolve", "localhost")

    assert said.startswith("resolve localhost: ")
    assert ": done" not in said


@pytest.mark.parametrize("act", ["sock-accept", "sock-send", "sock-recv", "sock-shutdown"])
async def test_no_descriptor_of_a_module_is_a_socket(lab: Lab, act: str) -> None:
    """Design §5: preview 1 only uses sockets that a host opened, and preopen opens none."""
    said = await lab.say("module", *(word for n in range(6) for word in (act, str(n))))

    answers = [NO_SOCKET if n < 3 else BAD_DESCRIPTOR for n in range(6)]  # 0 to 2 are streams
    assert [f"{act} {n}: {answer}" for n, answer in enumerate(answers)] == said
