"""Lines that no honest client writes, each with the answers that JSON-RPC and MCP want for it."""

from dataclasses import dataclass

from mcp_types import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR

RESULT = 0  # in place of an error's code

PRINT = '"name":"module","arguments":{"words":["print","x"]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One line, and what is answered: the code, and the id or None for null."""

    line: bytes
    code: int | None  # None: nothing is
    answers_to: int | str | None = None


def ask(id_text: str, method: str = "ping", params: str = "{}") -> bytes:
    return f'{{"jsonrpc":"2.0","id":{id_text},"method":"{method}","params":{params}}}'.encode()


def call(number: int, more: str) -> bytes:
    return ask(str(number), "tools/call", "{" + more + "}")


def note(method: str, params: str = "{}") -> bytes:
    return f'{{"jsonrpc":"2.0","method":"{method}","params":{params}}}'.encode()


def unparsable(line: bytes) -> Hostile:
    return Hostile(line=line, code=PARSE_ERROR)


def invalid(line: bytes, answers_to: int | str | None = None) -> Hostile:
    return Hostile(line=line, code=INVALID_REQUEST, answers_to=answers_to)


def unfit(line: bytes, answers_to: int) -> Hostile:
    return Hostile(line=line, code=INVALID_PARAMS, answers_to=answers_to)


def answered(line: bytes, answers_to: int | str) -> Hostile:
    return Hostile(line=line, code=RESULT, answers_to=answers_to)


def unanswered(line: bytes) -> Hostile:
    return Hostile(line=line, code=None)


HUGE = 10**4000
LONG = "i" * (1 << 20)

# What is no JSON, and what is no message.
TEXTS = {
    "garbage": unparsable(b"\x00\x01\x7fno JSON"),
    "half a message": unparsable(ask("1")[:-9]),
    "invalid UTF-8": unparsable(b"\xff\xfe\xc0\x80"),
    "invalid UTF-8 in a string": invalid(ask("1", params='{"x":"?"}').replace(b"?", b"\xff"), 1),
    "1000 deep": unparsable(b"[" * 1000 + b"]" * 1000),
    "100 000 deep": unparsable(b"[" * 100_000 + b"]" * 100_000),
    "1000 deep objects": unparsable(b'{"a":' * 1000 + b"1" + b"}" * 1000),
    "99 000 deep arguments": unparsable(ask("1", params='{"x":%s}' % ("[" * 99_000))),
    "more than 100 000 deep": invalid(b"[" * 200_000),
    "NaN": invalid(call(1, '"name":"module","arguments":{"words":NaN}'), 1),
    "Infinity": invalid(call(1, '"name":"module","arguments":{"words":[-Infinity]}'), 1),
    "half of an emoji": invalid(call(1, '"name":"module","arguments":{"words":["\\ud83d"]}'), 1),
    "half of an emoji as method": invalid(ask("1", "\\ude00"), 1),
    "a batch": invalid(b"[%s,%s]" % (ask("1"), ask("2"))),
    "an empty batch": invalid(b"[]"),
    "a number": invalid(b"17"),
    "no jsonrpc": invalid(b'{"id":1,"method":"ping"}', 1),
    "jsonrpc 1.0": invalid(b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 1),
    "no method": invalid(b'{"jsonrpc":"2.0","id":1}', 1),
    "a number as method": invalid(b'{"jsonrpc":"2.0","id":1,"method":1}', 1),
    "many small values": invalid(ask("1", params='{"x":[%s1]}' % ("[]," * 100_000))),
}
IDS = {
    "null": invalid(ask("null")),
    "a float": invalid(ask("1.5")),
    "a whole float": invalid(ask("1.0")),
    "true": invalid(ask("true")),
    "a list": invalid(ask("[1]")),
    "half of an emoji": invalid(ask('"\\ud83d"'), "\ufffd"),
    "5000 digits": unparsable(ask("1" * 5000)),
    "negative": answered(ask("-5"), -5),
    "2**70": answered(ask(str(2**70)), 2**70),
    "4001 digits": answered(ask(str(HUGE)), HUGE),
    "empty": answered(ask('""'), ""),
    "1 MB": answered(ask(f'"{LONG}"'), LONG),
    "1 MB, unknown method": Hostile(
        line=ask(f'"{LONG}"', "nope"), code=METHOD_NOT_FOUND, answers_to=LONG
    ),
}
REQUESTS = {
    "unknown method": Hostile(line=ask("1", "nope"), code=METHOD_NOT_FOUND, answers_to=1),
    "a notification's method": Hostile(
        line=ask("1", "notifications/cancelled"), code=METHOD_NOT_FOUND, answers_to=1
    ),
    "params a list": invalid(ask("1", params="[1]"), 1),
    "params a string": invalid(ask("1", params='"x"'), 1),
    "params null": answered(ask("1", params="null"), 1),
    "no name": unfit(call(1, '"arguments":{}'), 1),
    "name a number": unfit(call(1, '"name":1'), 1),
    "name with NUL": unfit(call(1, '"name":"mod\\u0000ule"'), 1),
    "arguments a list": unfit(call(1, '"name":"module","arguments":[]'), 1),
    "arguments of another type": answered(call(1, '"name":"module","arguments":{"words":7}'), 1),
    "arguments past JSON": answered(call(1, '"name":"module","arguments":{"words":[1e999]}'), 1),
    "arguments 150 deep": answered(
        call(1, '"name":"module","arguments":{"words":%s}' % ("[" * 150 + "]" * 150)), 1
    ),
    "meta a list": unfit(call(1, PRINT + ',"_meta":[]'), 1),
    "progress token an object": unfit(call(1, PRINT + ',"_meta":{"progressToken":{}}'), 1),
    "progress token a float": unfit(call(1, PRINT + ',"_meta":{"progressToken":1.5}'), 1),
    "progress token true": answered(call(1, PRINT + ',"_meta":{"progressToken":true}'), 1),
    "progress token 2**90": answered(call(1, PRINT + f',"_meta":{{"progressToken":{2**90}}}'), 1),
    "initialize without params": unfit(ask("1", "initialize"), 1),
    "initialize of no version": unfit(ask("1", "initialize", '{"protocolVersion":5}'), 1),
}
NOTIFICATIONS = {
    "cancel of an unknown id": unanswered(note("notifications/cancelled", '{"requestId":"no"}')),
    "cancel of a list": unanswered(note("notifications/cancelled", '{"requestId":[]}')),
    "cancel of nothing": unanswered(note("notifications/cancelled")),
    "cancel by list": invalid(note("notifications/cancelled", "[1]")),
    "progress of nothing": unanswered(
        note("notifications/progress", '{"progressToken":1,"progress":1e308}')
    ),
    "unknown notification": unanswered(note("nope")),
    "meta a number": unanswered(note("notifications/roots/list_changed", '{"_meta":5}')),
    "response that nobody asked for": unanswered(b'{"jsonrpc":"2.0","id":1,"result":{}}'),
    "response that is none": unanswered(b'{"jsonrpc":"2.0","id":1,"result":5}'),
    "error that is none": unanswered(b'{"jsonrpc":"2.0","id":[],"error":{}}'),
    "blanks": unanswered(b" \t\r"),
}
