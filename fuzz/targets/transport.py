"""`serving/transports`: however bytes are cut into pieces, the same messages and answers come.

Framing is held to a model of a few lines; standard input, over a pipe, must say what framing says.
"""

import json
import os
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import anyio
from mcp.shared.dispatcher import coerce_request_id
from mcp_types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from fuzz.properties import expect_json_line, expect_plain
from fuzz.target import Target
from preopen.document import json_flaw
from preopen.serving.transports.framing import (
    MAX_LINE_BYTES,
    Line,
    LineSplitter,
    Refused,
    TooLong,
    encode_line,
    parse_line,
)
from preopen.serving.transports.stdio import stdio_transport

_SHORT_LINE: Final = 64  # a second limit, so that a small input passes it
_PIECES: Final = (4096, 64, 7)
_SINGLE_BYTES: Final = 512  # up to here an input also comes byte by byte
_PIPE: Final = 60_000  # bytes that a pipe holds without a reader
_ANSWER: Final = 1000  # bytes of an answer beside the id that it echoes
_DEEPEST: Final = 1000  # levels; pydantic-core reads fewer
_GROWTH: Final = 3  # one byte that is no UTF-8 becomes the three of U+FFFD

_Said: TypeAlias = tuple[list[JSONRPCMessage], bytes]  # the messages, and the answers to the rest


def check(data: bytes) -> None:
    """Hold the lines of `data` to the model, each line's answer to JSON-RPC, and stdio to both."""
    for most in (MAX_LINE_BYTES, _SHORT_LINE):
        lines = _model(data, most)
        assert sum(len(line) for line in lines if isinstance(line, bytes)) <= len(data)
        sizes = (*_PIECES, 1) if len(data) <= _SINGLE_BYTES else _PIECES
        for size in sizes:
            assert lines == _split(data, most, size)
    said = _parse(_model(data, MAX_LINE_BYTES))
    if len(data) <= _PIPE:
        assert said == anyio.run(_over_stdio, data)


def _model(data: bytes, most: int) -> list[Line]:
    """Return the lines of a stream, slowly and at once."""
    *ended, rest = data.split(b"\n")
    long = TooLong(limit_bytes=most)
    lines: list[Line] = [long if len(line) > most else line for line in ended]
    return [*lines, long] if len(rest) > most else lines


def _split(data: bytes, most: int, size: int) -> list[Line]:
    splitter = LineSplitter(most)
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return [line for piece in pieces for line in splitter.feed(piece)]


def _parse(lines: Iterable[Line]) -> _Said:
    """Return what standard input says of these lines; nothing is answered, so each id counts once.

    An id in digits is that number, as it is to the SDK.
    """
    messages: list[JSONRPCMessage] = []
    answers = b""
    running: set[RequestId] = set()
    for line in lines:
        _expect_sent(line)
        match parse_line(line):
            case None:
                pass
            case Refused() as refused:
                answers += _answer(line, refused)
            case JSONRPCRequest() as request if coerce_request_id(request.id) in running:
                _expect_message(request)
                answers += encode_line(_refuse_again(request.id))
            case message:
                _expect_message(message)
                messages.append(message)
                if isinstance(message, JSONRPCRequest):
                    running.add(coerce_request_id(message.id))
    return messages, answers


def _refuse_again(request_id: RequestId) -> JSONRPCError:
    text = "a request with this id is still being answered; give each request its own id"
    error = ErrorData(code=INVALID_REQUEST, message=text)
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=error)


def _expect_sent(line: Line) -> None:
    """Hold whatever a guest may have said to one line: NaN, half a pair and depth are mended."""
    if isinstance(line, TooLong):
        return
    try:
        value = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return
    expect_json_line(encode_line(JSONRPCResponse(jsonrpc="2.0", id=1, result={"said": value})))


def _answer(line: Line, refused: Refused) -> bytes:
    """Return an answer as it is sent, once it is held to JSON-RPC."""
    found = refused.answer.id
    encoded = encode_line(refused.answer)
    said = expect_json_line(encoded)
    assert set(said) == {"jsonrpc", "id", "error"}
    assert said["jsonrpc"] == "2.0"
    assert isinstance(said["error"]["code"], int)
    expect_plain(said["error"]["message"])
    if isinstance(line, TooLong):
        assert found is None
        assert len(encoded) <= _ANSWER
    elif found is not None:
        _expect_id(found)
        assert found == json.loads(line.decode("utf-8", "replace"))["id"]
        assert len(encoded) <= _ANSWER + _GROWTH * len(line)
    return encoded


def _expect_message(message: JSONRPCMessage) -> None:
    """Hold a message to its own way back: what was read can be written, and reads the same.

    But for 1e999, which reads as an infinity and is written as null: schema.py refuses it in
    arguments, and nothing else of a message is sent back.
    """
    encoded = encode_line(message)
    expect_json_line(encoded)
    if json_flaw(message.model_dump(by_alias=True, exclude_unset=True), _DEEPEST) == "":
        assert message == parse_line(encoded.removesuffix(b"\n"))
    if not isinstance(message, JSONRPCNotification) and message.id is not None:
        _expect_id(message.id)


def _expect_id(found: RequestId) -> None:
    assert type(found) in {str, int}, f"an id is {found!r:.80}"


async def _over_stdio(data: bytes) -> _Said:
    source, sink = os.pipe()
    wire = os.memfd_create("answers", os.MFD_CLOEXEC)
    try:
        os.write(sink, data)
        os.close(sink)
        async with stdio_transport(source, wire) as (reader, _):
            messages = [item.message async for item in reader if not isinstance(item, Exception)]
        return messages, os.pread(wire, os.fstat(wire).st_size, 0)
    finally:
        os.close(source)
        os.close(wire)


def _seeds() -> Iterator[bytes]:
    lines = [json.dumps(message).encode() for message in _MESSAGES] + list(_GARBAGE)
    yield from (line + b"\n" for line in lines)
    yield b"\n".join(lines)
    yield b"\r\n".join(lines[:4]) + b"\r\n\n \n"
    yield b"{" + b" " * 80 + b"}\n" + lines[0] + b"\n" + b"x" * 80


_CLIENT: Final = {"name": "c", "version": "1"}
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": _CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
_MESSAGES: Final = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _CLIENT},
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {
        "jsonrpc": "2.0",
        "id": "two",
        "method": "tools/call",
        "params": {"name": "read", "arguments": {"path": "a.txt"}, "_meta": {"progressToken": 7}},
    },
    {"jsonrpc": "2.0", "id": 3, "method": "server/discover", "params": {"_meta": _META}},
    {"jsonrpc": "2.0", "id": 4, "method": "tools/list", "params": {"_meta": _META}},
    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "two"}},
    {"jsonrpc": "2.0", "id": 5, "result": {"roots": []}},
    {"jsonrpc": "2.0", "id": 6, "error": {"code": -32601, "message": "no", "data": [1.5, None]}},
)
_GARBAGE: Final = (
    b"garbage",
    b"[]",
    b"[1, 2]",
    b'"text"',
    b'{"jsonrpc":"1.0","id":7,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":8,"method":3,"params":[]}',
    b'{"jsonrpc":"2.0","id":9,"method":"ping","params":{"x":NaN}}',
    b'{"jsonrpc":"2.0","id":"\\ud83d","method":"ping"}',
    b'{"jsonrpc":"2.0","id":10,"method":"ping","params":{"x":"\xff"}}',
    b'{"jsonrpc":"2.0","id":99999999999999999999999999,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":11,"id":12,"method":"ping","params":{"x":1e999}}',
    b'{"jsonrpc":"2.0","id":13,"error":{"code":"x"}}',
    b"[" * 300,
    b"[" * 1200 + b"]" * 1200,
    b'{"a\\ud83d":["\\ude00\\ud83d",-Infinity,1e999,' + b"9" * 400 + b"]}",
)

TARGET: Final = Target(
    name="transport",
    check=check,
    seeds=_seeds,
    tokens=(
        *(b'"jsonrpc":"2.0"', b'"id":1', b'"id":"a"', b'"id":null', b'"id":true', b'"method":"a"'),
        *(b'"params":{}', b'"params":[]', b'"result":{}', b'"error":{"code":1,"message":"m"}'),
        *(
            b"\n",
            b"\r\n",
            b"\xff",
            b"\\ud83d",
            b"\\ude00",
            b"\\u0000",
            b"NaN",
            b"Infinity",
            b"1e999",
        ),
        *(b"99999999999999999999", b"-0", b"1.0", b"{", b"}", b"[", b"]", b"\xef\xbb\xbf", b"\x00"),
    ),
    max_bytes=4096,
)
