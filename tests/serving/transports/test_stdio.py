import fcntl
import json
import os
import pty
import socket
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import INVALID_REQUEST, PARSE_ERROR

from preopen.serving.transports.framing import MAX_LINE_BYTES
from preopen.serving.transports.requests import TOO_MUCH
from preopen.serving.transports.stdio import UNREAD_BYTES, serve_stdio, stdio_transport
from serving.transports.lines import (
    INITIALIZE,
    Calls,
    LineClient,
    call,
    connected,
    make_tools,
    request,
    settle,
    text_of,
)

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])


def socket_pair() -> tuple[int, int]:
    """Return two descriptors, as Node makes them for the standard streams of its children."""
    left, right = socket.socketpair()
    return left.detach(), right.detach()


@both_eras
@pytest.mark.parametrize("pipe", [os.pipe, socket_pair])
async def test_calls_are_answered_over_pipes_and_sockets(era: str, pipe: Any) -> None:  # noqa: ANN401 - either maker
    """Design §7: Server.run() serves both eras over our streams."""
    async with connected(Calls(), era=era, pipe=pipe) as client:
        await client.send(call(1, "echo", era=era, text="héllo"))
        assert text_of(await client.read()) == "héllo"


@both_eras
async def test_many_messages_in_one_write_are_all_answered(era: str) -> None:
    """Design §7: several messages in one read."""
    async with connected(Calls(), era=era) as client:
        await client.send(*(call(n, "echo", era=era, text=str(n)) for n in range(1, 101)))
        answers = [await client.read() for _ in range(100)]
    assert {m["id"]: text_of(m) for m in answers} == {n: str(n) for n in range(1, 101)}


async def test_a_message_may_come_byte_by_byte() -> None:
    """Design §7: partial messages."""
    async with connected(Calls()) as client:
        for byte in json.dumps(call(1, "echo", text="é")).encode() + b"\r\n":
            await client.write(bytes([byte]))
        assert text_of(await client.read()) == "é"


@both_eras
async def test_a_line_that_is_no_message_is_answered_and_the_next_one_served(era: str) -> None:
    """Design §7: parse errors are answered as JSON-RPC says; the SDK's stdio drops such a line."""
    async with connected(Calls(), era=era) as client:
        await client.write(b'{"id":\n\n\xff\n{"jsonrpc":"2.0","id":4}\n')
        answers = [await client.read() for _ in range(3)]
        await client.send(call(5, "echo", era=era, text="alive"))
        assert text_of(await client.read()) == "alive"
    assert [(m["error"]["code"], m["id"]) for m in answers] == [
        (PARSE_ERROR, None),
        (PARSE_ERROR, None),
        (INVALID_REQUEST, 4),
    ]


async def test_a_line_over_the_limit_is_answered_and_skipped() -> None:
    """Design §7: lines of at most 16 MiB."""
    async with connected(Calls()) as client:
        await client.write(b'{"x":"')
        for _ in range(MAX_LINE_BYTES // (1 << 20)):
            await client.write(b"x" * (1 << 20))
        assert (await client.read())["error"]["code"] == INVALID_REQUEST
        await client.write(b'"}\n')
        await client.send(call(1, "echo", text="alive"))
        assert text_of(await client.read()) == "alive"


async def test_a_lone_surrogate_in_a_result_leaves_the_server_alive() -> None:
    """Design §7: it kills the SDK's stdio server."""
    async with connected(Calls()) as client:
        await client.send(call(1, "surrogate"))
        assert text_of(await client.read()) == "cut in half: \ufffd"
        await client.send(call(2, "echo", text="alive"))
        assert text_of(await client.read()) == "alive"


async def test_a_large_answer_passes_whole() -> None:
    """Ours: one line may be far larger than a pipe and than what may lie unread."""
    size = UNREAD_BYTES + 12_345
    async with connected(Calls()) as client:
        await client.send(call(1, "repeat", size=size))
        assert len(text_of(await client.read())) == size


@both_eras
async def test_a_call_that_is_taken_back_ends_at_once_and_unanswered(era: str) -> None:
    """MCP, cancellation: the work stops, and no response follows."""
    calls = Calls()
    async with connected(calls, era=era) as client:
        await client.send(call("slow", "hang", era=era))
        await calls.started.wait()
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        await client.send(cancel | {"params": {"requestId": "slow"}})
        await calls.ended.wait()
        await client.send(call(2, "echo", era=era, text="next"))
        assert (await client.read())["id"] == 2


@both_eras
async def test_at_the_end_of_input_running_calls_are_cancelled(era: str) -> None:
    """Design §7: running and queued calls are killed at EOF, and the server ends."""
    calls = Calls()
    async with connected(calls, era=era) as client:
        await client.send(call(1, "hang", era=era))
        await calls.started.wait()
        client.close_input()
        await calls.ended.wait()
        answers = await client.read_all()
    assert [m["id"] for m in answers if "result" in m] == []


async def test_at_the_end_of_input_answers_already_made_are_written() -> None:
    """Design §7: also those that the client has not read yet, more than a pipe holds."""
    calls = Calls()
    size = UNREAD_BYTES // 2
    async with connected(calls) as client:
        await client.send(*(call(n, "repeat", size=size) for n in (1, 2)), call(3, "hang"))
        await calls.started.wait()
        client.close_input()
        answers = await client.read_all()
    assert sorted(m["id"] for m in answers if "result" in m) == [1, 2]


async def test_half_a_line_at_the_end_of_input_is_dropped() -> None:
    """Ours: who leaves in the middle of a word asked for nothing."""
    calls = Calls()
    async with connected(calls) as client:
        await client.write(json.dumps(call(1, "echo", text="x")).encode())
        client.close_input()
        assert await client.read_all() == []
    assert calls.count == 0


async def test_a_client_that_reads_nothing_is_not_served_without_bound() -> None:
    """Design §7: back-pressure; requests wait in the pipe while answers lie unread."""
    calls = Calls()
    wanted = 100
    async with connected(calls) as client, anyio.create_task_group() as tasks:
        requests = [call(n, "repeat", size=1 << 20) for n in range(1, wanted + 1)]
        await client.send(*requests)
        taken = await settle(calls)
        tasks.start_soon(_expect, client, wanted)
    assert 0 < taken <= UNREAD_BYTES // (1 << 20) + 2
    assert calls.count == wanted


async def _expect(client: LineClient, count: int) -> None:
    found = {(await client.read())["id"] for _ in range(count)}
    assert found == set(range(1, count + 1))


@both_eras
async def test_running_calls_hold_so_many_bytes_of_requests(era: str) -> None:
    """Issue: bounded memory; a call that is taken back makes room like one that is answered."""
    text = "x" * (15 << 20)
    calls = Calls()
    async with connected(calls, era=era) as client:
        await client.send(*(call(n, "hang", era=era, text=text) for n in (1, 2, 3)))
        refused = await client.read()
        taken_back = {"requestId": 2}
        await client.send(
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": taken_back}
        )
        await calls.ended.wait()
        await client.send(call(4, "echo", era=era, text=text))
        answer = await client.read()
    assert (refused["id"], refused["error"]["code"]) == (3, TOO_MUCH)
    assert (answer["id"], text_of(answer)) == (4, text)


@both_eras
async def test_a_client_that_left_ends_the_server_quietly(era: str) -> None:
    """Ours: EPIPE ends it, calls included, though its input is still open."""
    calls = Calls()
    async with connected(calls, era=era) as client:
        await client.send(call(1, "hang", era=era))
        await calls.started.wait()
        client.close_output()
        await client.send(call(2, "echo", era=era, text="to nobody"))
        await calls.ended.wait()


async def test_a_client_that_left_with_answers_unread_ends_the_server_quietly() -> None:
    """Ours: the same while the server waits for it to read on."""
    calls = Calls()
    async with connected(calls) as client:
        await client.send(*(call(n, "repeat", size=1 << 20) for n in range(1, 20)))
        await settle(calls)
        client.close_output()


async def test_the_end_does_not_wait_for_a_client_that_reads_nothing() -> None:
    """Design §7: all ends soon after EOF; what lies unread by then is lost."""
    calls = Calls()
    async with connected(calls) as client:
        await client.send(call(1, "repeat", size=UNREAD_BYTES - 4096))
        await settle(calls)
        client.close_input()


async def test_running_calls_end_at_once_though_their_client_reads_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Design §7: at EOF nobody waits for room; the SDK would give each call a second, and tell."""
    calls = Calls()
    async with connected(calls) as client:
        await client.send(call("slow", "hang"))
        await calls.started.wait()
        over = UNREAD_BYTES // (1 << 20) + 1
        await client.send(*(call(n, "repeat", size=1 << 20) for n in range(over)))
        assert await settle(calls) == over + 1
        client.close_input()
        await calls.ended.wait()
    assert "gave up" not in caplog.text


@pytest.mark.parametrize("pipe", [os.pipe, socket_pair])
async def test_the_mode_of_descriptors_is_as_before_at_the_end(pipe: Any) -> None:  # noqa: ANN401 - either maker
    """Ours: O_NONBLOCK belongs to the open file, which a shell may share."""
    server_in, to_server = pipe()
    from_server, server_out = pipe()
    try:
        before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (server_in, server_out)]
        same = [os.fstat(fd).st_ino for fd in (server_in, server_out)]
        async with stdio_transport(server_in, server_out):
            assert os.get_blocking(server_in)
        assert [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (server_in, server_out)] == before
        assert [os.fstat(fd).st_ino for fd in (server_in, server_out)] == same
    finally:
        for descriptor in (server_in, to_server, from_server, server_out):
            os.close(descriptor)


async def test_a_terminal_is_never_switched_to_non_blocking() -> None:
    """Ours: not even a SIGKILL may leave a user's terminal so; it is opened anew instead."""
    controller, terminal = pty.openpty()
    second = os.dup(terminal)
    try:
        async with stdio_transport(terminal, second) as (_reader, writer):
            private = writer._descriptor
            assert not os.get_blocking(private)
            modes = [
                os.get_blocking(int(entry))
                for entry in os.listdir("/proc/self/fd")
                if int(entry) != private and _is_terminal(int(entry))
            ]
            assert modes
            assert all(modes)
    finally:
        for descriptor in (controller, terminal, second):
            os.close(descriptor)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


async def test_a_stray_print_keeps_off_the_wire() -> None:
    """Ours: meanwhile stdout leads to stderr, and stdin to the null device."""
    server_in, to_server = os.pipe()
    from_server, server_out = os.pipe()
    try:
        async with stdio_transport(server_in, server_out):
            assert os.fstat(server_out).st_ino == os.fstat(2).st_ino
            assert os.read(server_in, 1) == b""
        os.close(server_out)
        assert os.read(from_server, 1) == b""
    finally:
        for descriptor in (server_in, to_server, from_server):
            os.close(descriptor)


async def test_a_file_of_requests_is_served_into_a_file(tmp_path: Path) -> None:
    """Ours: epoll refuses files; `preopen serve < requests > answers` works all the same."""
    lines = [request(0, "initialize", INITIALIZE), {"nonsense": 1}]
    (tmp_path / "in").write_text("".join(json.dumps(m) + "\n" for m in lines))
    with (tmp_path / "in").open() as source, (tmp_path / "out").open("wb") as sink:
        with anyio.fail_after(5):
            await serve_stdio(make_tools(Calls()), source.fileno(), sink.fileno())
    answers = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert {m["id"] for m in answers} == {0, None}


async def test_the_null_device_is_an_empty_input() -> None:
    """Ours: a service manager gives it as standard input."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        with anyio.fail_after(5):
            await serve_stdio(make_tools(Calls()), null, null)
    finally:
        os.close(null)
