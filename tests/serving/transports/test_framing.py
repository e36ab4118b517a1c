import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from preopen.serving.transports.framing import (
    MAX_VALUES,
    Line,
    LineSplitter,
    Refused,
    TooLong,
    encode_line,
    parse_line,
)

PING = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'


def refusal(line: Line) -> tuple[int, object]:
    parsed = parse_line(line)
    assert isinstance(parsed, Refused)
    return parsed.answer.error.code, parsed.answer.id


def response(result: dict[str, Any]) -> JSONRPCMessage:
    return JSONRPCResponse(jsonrpc="2.0", id=7, result=result)


@given(st.lists(st.binary(max_size=9)), st.integers(1, 12))
def test_lines_do_not_depend_on_how_the_bytes_were_cut(parts: list[bytes], step: int) -> None:
    """Design §7: several and partial messages in one read."""
    stream = b"\n".join(parts)
    splitter = LineSplitter()
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
    found = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert found == stream.split(b"\n")[:-1]


@pytest.mark.parametrize("step", [1, 3, 100])
def test_a_long_line_is_reported_once_and_skipped_to_its_end(step: int) -> None:
    """Design §7: lines of at most 16 MiB; here of 4 bytes."""
    stream = b"abcd\nabcdefghi\nxy\n"
    splitter = LineSplitter(max_bytes=4)
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
    found = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert found == [b"abcd", TooLong(limit_bytes=4), b"xy"]


def test_a_line_without_end_is_reported_when_it_passes_the_limit() -> None:
    """Ours: its end may never come, and the client waits for an answer."""
    splitter = LineSplitter(max_bytes=4)
    assert splitter.feed(b"abcde") == [TooLong(limit_bytes=4)]
    assert splitter.feed(b"abcde" * 1000) == []


@pytest.mark.parametrize("line", [PING, PING + b"\r", b"  " + PING])
def test_a_request_is_read_whatever_blanks_surround_it(line: bytes) -> None:
    """Ours: a client on Windows ends its lines with CRLF."""
    assert parse_line(line) == JSONRPCRequest(jsonrpc="2.0", id=7, method="ping")


@pytest.mark.parametrize("line", [b"", b"\r", b" \t"])
def test_an_empty_line_is_nothing(line: bytes) -> None:
    """Ours: neither a message nor an error."""
    assert parse_line(line) is None


def test_each_kind_of_message_is_told_by_its_keys() -> None:
    """JSON-RPC 2.0 §4 and §5: request, notification, response, error."""
    assert isinstance(parse_line(b'{"jsonrpc":"2.0","method":"m"}'), JSONRPCNotification)
    assert isinstance(parse_line(b'{"jsonrpc":"2.0","id":"a","result":{}}'), JSONRPCResponse)
    error = b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}'
    assert isinstance(parse_line(error), JSONRPCError)


@pytest.mark.parametrize("line", [b"{", b"nope", b"NaN", b"\xff", b"[" * 10_000, b"1" * 5000])
def test_what_is_no_json_is_a_parse_error_without_id(line: bytes) -> None:
    """JSON-RPC 2.0 §5.1: -32700, and id null where none could be read."""
    assert refusal(line) == (PARSE_ERROR, None)


@pytest.mark.parametrize(
    "argument",
    [b'"\\ud83d"', b"NaN", b"-Infinity", b'"\xff"', b"[" * 300 + b"]" * 300, b'"\xed\xa0\xbd"'],
)
def test_a_request_that_is_nearly_json_is_refused_by_its_id(argument: bytes) -> None:
    """Ours: such a call would wait for ever for an answer to id null."""
    line = b'{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":%s}}' % argument
    assert refusal(line) == (INVALID_REQUEST, "a")


@pytest.mark.parametrize(
    ("line", "found_id"),
    [
        (b"1", None),
        (b"null", None),
        (b"[" + PING + b"]", None),  # a batch, which MCP dropped
        (b'{"jsonrpc":"2.0","id":3}', 3),
        (b'{"jsonrpc":"1.0","id":3,"method":"m"}', 3),
        (b'{"id":3,"method":"m"}', 3),
        (b'{"jsonrpc":"2.0","id":3,"method":1}', 3),
        (b'{"jsonrpc":"2.0","id":3,"method":"m","params":[1]}', 3),
        (b'{"jsonrpc":"2.0","id":null,"method":"m"}', None),
        (b'{"jsonrpc":"2.0","id":true,"method":"m"}', None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', None),
        (b'{"jsonrpc":"2.0","method":1}', None),
    ],
)
def test_json_that_is_no_message_is_an_invalid_request(line: bytes, found_id: object) -> None:
    """JSON-RPC 2.0 §5.1: -32600, with the id where it is readable."""
    assert refusal(line) == (INVALID_REQUEST, found_id)


@pytest.mark.parametrize("value", [b"1", b"[]", b'"a"', b'"\\"[{,"', b'{"a":0}', b"[["])
def test_a_line_of_too_many_values_is_refused(value: bytes) -> None:
    """Ours: each takes thirty times its bytes in memory, and its time to be checked."""
    assert refusal(b"[" + value + (b"," + value) * MAX_VALUES + b"]") == (INVALID_REQUEST, None)


@pytest.mark.parametrize("text", [b",", b"[", b"{", b'\\",', b"\\\\,", b"a,\\n"])
def test_what_stands_in_strings_is_no_value(text: bytes) -> None:
    """Ours: a table of commas, or a program's source, is one value however long it is."""
    texts = text * (2 * MAX_VALUES)
    line = b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"%s","b":"%s"}}' % (texts, texts)
    parsed = parse_line(line)
    assert isinstance(parsed, JSONRPCRequest)
    assert parsed.params == json.loads(line)["params"]


@pytest.mark.timeout(5)
def test_an_open_string_is_searched_once() -> None:
    """Ours: were each of its quotes to look for an end anew, this line would take hours."""
    assert refusal(b'{"a":"' + b'\\",' * 1_000_000) == (PARSE_ERROR, None)


def test_a_long_line_is_refused_with_the_limit() -> None:
    """Design §7: a line over the limit is answered, too."""
    assert refusal(TooLong(limit_bytes=4)) == (INVALID_REQUEST, None)


@pytest.mark.parametrize("line", [b'{"id":3,"result":1}', b'{"jsonrpc":"2.0","id":3,"error":"no"}'])
def test_a_broken_response_is_never_answered(line: bytes) -> None:
    """Ours: the client would take our error for the end of its own request 3."""
    assert parse_line(line) is None


def test_a_message_becomes_one_line_of_json() -> None:
    """MCP, stdio transport: messages hold no newline."""
    line = encode_line(response({"text": "a\nb\u2028é"}))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["result"] == {"text": "a\nb\u2028é"}


def test_a_lone_surrogate_is_replaced_on_the_way_out() -> None:
    """Design §7: one lone surrogate in a result kills the SDK's stdio server; never ours."""
    line = encode_line(response({"a\ud800": ["\ud83d", "\ud83d\ude00", "é"]}))
    assert json.loads(line)["result"] == {"a\ufffd": ["\ufffd", "\U0001f600", "é"]}
    assert isinstance(parse_line(line), JSONRPCResponse)


def test_numbers_that_json_cannot_say_become_null() -> None:
    """Design §7: NaN becomes null, beside a lone surrogate as well."""
    for text in ("fine", "\ud800"):
        line = encode_line(response({"n": [math.nan, math.inf], "text": text}))
        assert json.loads(line)["result"]["n"] == [None, None]


@pytest.mark.parametrize("request_id", [7, "a\ud800"])
def test_what_cannot_be_written_at_all_is_an_error_for_its_id(request_id: str | int) -> None:
    """Ours: whatever stands in a result, a request is answered and the server lives."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, object()):
        message = JSONRPCResponse(jsonrpc="2.0", id=request_id, result={"x": value})
        answer = json.loads(encode_line(message))
        assert answer["error"]["code"] == INTERNAL_ERROR
        assert answer["id"] == (7 if request_id == 7 else "a\ufffd")
