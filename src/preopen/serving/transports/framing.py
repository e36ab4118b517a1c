"""Bytes ↔ JSON-RPC messages, a line each. Pure: nothing here reads, writes or waits."""

import json
import logging
import math
import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError
from pydantic_core import from_json

MAX_LINE_BYTES: Final = (
    16 << 20
)  # as much as a tool may answer; a client has no reason to ask for more
# A value takes 60 to 100 bytes of memory for 3 of its line, and µs of checking: 16 MiB of "[],"
# made 900 MB and kept the server from everything else for half a minute.
MAX_VALUES: Final = 100_000
_STRING: Final = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?',  # an open one ends with the line, or each \" would look anew
    re.DOTALL,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLong:
    """A line that passed the limit. What it held is gone; it is skipped to its end."""

    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A line that is no message, and the answer that JSON-RPC wants for it."""

    answer: JSONRPCError


Line: TypeAlias = bytes | TooLong


class LineSplitter:
    """Cuts a stream of bytes into lines; holds at most `max_bytes` of one that has not ended."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._begun = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that `chunk` ends, without their newline, in order.

        A line that is too long is reported once, when it passes the limit rather than at its end:
        the end may never come.
        """
        *ends, rest = chunk.split(b"\n")
        lines: list[Line] = []
        for end in ends:
            self._extend(end, lines)
            if not self._skipping:
                lines.append(bytes(self._begun))
            self._begun.clear()
            self._skipping = False
        self._extend(rest, lines)
        return lines

    def _extend(self, part: bytes, lines: list[Line]) -> None:
        if self._skipping:
            return
        if len(self._begun) + len(part) <= self._max_bytes:
            self._begun += part
            return
        self._begun.clear()
        self._skipping = True
        lines.append(TooLong(limit_bytes=self._max_bytes))


def parse_line(line: Line) -> JSONRPCMessage | Refused | None:
    """Return the message that a line holds, the refusal to send instead, or None: nothing to do.

    Nothing to do is an empty line, and a response that is none: a response is never answered, or
    the client would take the error for the end of a request of its own.
    """
    if isinstance(line, TooLong):
        return _refuse(INVALID_REQUEST, f"the line is longer than {line.limit_bytes} bytes")
    if not line or line.isspace():
        return None
    if _has_too_many_values(line):  # by no id: to find it the values would have to be made
        return _refuse(INVALID_REQUEST, f"the line holds more than {MAX_VALUES} values")
    try:
        value = from_json(line, allow_inf_nan=False)
    except ValueError as error:
        return _refuse_text(line, str(error))
    return _parse_value(value)


def _has_too_many_values(line: bytes) -> bool:
    """Return whether a line would become too many values; what stands in strings is none."""
    marks = _count_marks(line, 0, len(line))
    if marks <= MAX_VALUES:
        return False
    for number, string in enumerate(_STRING.finditer(line)):
        if number > 2 * MAX_VALUES:  # each is a value, or the key of one
            return True
        marks -= _count_marks(line, *string.span())
    return marks > MAX_VALUES


def _count_marks(line: bytes, start: int, end: int) -> int:
    count = line.count
    return count(b",", start, end) + count(b"[", start, end) + count(b"{", start, end)


def _parse_value(value: Any) -> JSONRPCMessage | Refused | None:  # noqa: ANN401 - any JSON value
    kind: type[JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError]
    match value:
        case {"method": _, "id": _}:
            kind = JSONRPCRequest
        case {"method": _}:
            kind = JSONRPCNotification
        case {"result": _}:
            kind = JSONRPCResponse
        case {"error": _}:
            kind = JSONRPCError
        case _:
            return _refuse(INVALID_REQUEST, "the line is no JSON-RPC message", _readable_id(value))
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        if kind in {JSONRPCResponse, JSONRPCError}:
            log.warning("dropped a response that is not valid JSON-RPC")
            return None
        places = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()}))
        return _refuse(
            INVALID_REQUEST, f"not a valid JSON-RPC message: {places}", _readable_id(value)
        )


def _refuse_text(line: bytes, problem: str) -> Refused:
    """Refuse what is no JSON, by the id where a more tolerant reader still finds one.

    JSON.stringify writes a lone surrogate (half of an emoji) as an escape, json.dumps writes NaN:
    with an answer to `id: null` their callers would wait for ever.
    """
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and "method" in value and (found := _readable_id(value)) is not None:
        return _refuse(INVALID_REQUEST, f"the request is not valid JSON: {problem}", found)
    return _refuse(PARSE_ERROR, f"the line is not valid JSON: {problem}")


def _refuse(code: int, message: str, request_id: RequestId | None = None) -> Refused:
    error = ErrorData(code=code, message=message)
    return Refused(answer=JSONRPCError(jsonrpc="2.0", id=request_id, error=error))


def _readable_id(value: object) -> RequestId | None:
    match value:
        case {"id": str() | int() as found} if not isinstance(found, bool):
            return found
        case _:
            return None


def encode_line(message: JSONRPCMessage) -> bytes:
    """Return a message as one line. Never fails, whatever a guest put into a result."""
    try:
        return _to_json(message).encode() + b"\n"
    except (ValueError, RecursionError):
        log.warning("a message was repaired: it held what JSON cannot say", exc_info=True)
    try:
        return _to_repaired_json(message) + b"\n"
    except (ValueError, TypeError, RecursionError):
        log.exception("a message could not be written as JSON")
    return encode_loss(message, "the answer cannot be written as JSON")


def encode_loss(message: JSONRPCMessage, why: str) -> bytes:
    """Return the error that takes an answer's place."""
    lost = ErrorData(code=INTERNAL_ERROR, message=why)
    request_id = None if isinstance(message, JSONRPCNotification) else message.id
    answer = JSONRPCError(jsonrpc="2.0", id=_mend(request_id), error=lost)
    return _to_json(answer).encode() + b"\n"


def _to_json(message: JSONRPCMessage) -> str:
    return message.model_dump_json(by_alias=True, exclude_unset=True)


def _to_repaired_json(message: JSONRPCMessage) -> bytes:
    value = _mend(message.model_dump(by_alias=True, exclude_unset=True))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _mend(value: Any) -> Any:  # noqa: ANN401 - any JSON value, and what is nearly one
    match value:
        case str():
            # Pairs of surrogates join, lone ones become U+FFFD. An escape would be valid JSON too,
            # but strict readers (this SDK's own client) refuse the whole line for it.
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {_mend(key): _mend(item) for key, item in value.items()}
        case list() | tuple():
            return [_mend(item) for item in value]
        case _:
            return value
