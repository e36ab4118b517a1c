"""Rows of the section *liars*: results that are not what they say, or say more than they may."""

import json
from typing import Final

from preopen.selftest.asking import Ask, Seen, Stop, Who
from preopen.selftest.files import READ
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.judging import done, ended, says
from preopen.selftest.row import Fight, Row, by, on_each
from preopen.selftest.wire import CALL_ID

FRAME: Final = '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"lie"}]}}'
SCHEMA: Final = '[output]\ntype = "object"\nrequired = ["n"]\nproperties.n = { type = "integer" }\n'
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(16)
ESCAPE: Final = "\x1b]0;gotcha\x07\x1b[2J"
_LONG: Final = 5000  # digits of a number


def _emits(data: bytes, stdout: str = "text", output: str = "") -> Ask:
    return Ask(words=("emit", data.hex()), stdout=stdout, output=output)


def _json() -> list[Row]:
    honest = by(_emits(b'{"n": 1}', "json"), says('"n"'))

    def row(name: str, tries: str, data: bytes | Ask) -> Row:
        lie = data if isinstance(data, Ask) else _emits(data, "json")
        return Row(
            id=f"liars/{name}",
            tries=tries,
            who=Who.GUESTS,
            stopped_by=(Stop.RESULT,),
            attack=by(lie, ended("InvalidResult")),
            control="one plain JSON object is returned",
            allowed=honest,
        )

    return [
        row("nan", "promise JSON and write NaN", b'{"n": NaN}'),
        row("infinity", "write a number that is read as infinity", b'{"n": 1e999}'),
        row("surrogate", "write half of a surrogate pair", b'{"n": "\\ud800"}'),
        row("deep", "nest 100 000 levels", Ask(words=("nest", str(100_000)), stdout="json")),
        row("twice", "write a key twice in one object", b'{"n": 1, "n": 2}'),
        row("two-values", "write two values", b'{"n": 1} {"n": 2}'),
        row("nothing", "write nothing", b""),
        row("long-number", "write a number of 5000 digits", b'{"n": ' + b"9" * _LONG + b"}"),
    ]


def _row(
    name: str, tries: str, stop: Stop, lie: Ask, honest: Ask, *, control: str, shows: str = ""
) -> Row:
    return Row(
        id=f"liars/{name}",
        tries=tries,
        who=Who.GUESTS,
        stopped_by=(stop,),
        attack=by(lie, ended("InvalidResult")),
        control=control,
        allowed=by(honest, says(shows)),
    )


def _promises() -> list[Row]:
    page = b"<html><script>alert(1)</script></html>"
    return [
        _row(
            "schema",
            "break the output schema",
            Stop.SCHEMA,
            _emits(b'{"n": "one"}', "json", SCHEMA),
            _emits(b'{"n": 1}', "json", SCHEMA),
            control="what fits the schema is returned",
            shows='"n"',
        ),
        _row(
            "image",
            "send a web page as an image",
            Stop.RESULT,
            _emits(page, "image/png"),
            _emits(PNG, "image/png"),
            control="an image is returned",
        ),
    ]


def _envelopes() -> list[Row]:
    envelope = _emits(b'{"content": "hello"}', "envelope")
    said = "an honest envelope is returned"
    return [
        _row(
            "envelope-image",
            "send one as an image in an envelope",
            Stop.RESULT,
            _emits(
                b'{"content": [{"type": "image", "mimeType": "image/png", "data": "PGh0bWw+"}]}',
                "envelope",
            ),
            envelope,
            control=said,
            shows="hello",
        ),
        _row(
            "envelope-key",
            "put a key into an envelope that it has not",
            Stop.RESULT,
            _emits(b'{"content": "x", "structuredContent": {"isError": false}}', "envelope"),
            envelope,
            control=said,
            shows="hello",
        ),
        _row(
            "envelope-uri",
            "name a resource by an URI with a line break in it",
            Stop.RESULT,
            _emits(
                b'{"content": [{"type": "resource", "resource":'
                b' {"uri": "file:///a\\nb", "text": "x"}}]}',
                "envelope",
            ),
            envelope,
            control=said,
            shows="hello",
        ),
    ]


def _wire() -> list[Row]:
    plain = _on_wire(_emits(b"hello"), "hello")
    fine = "plain text arrives"

    def row(name: str, tries: str, ask: Ask, text: str, *stops: Stop) -> Row:
        return Row(
            id=f"liars/{name}",
            tries=tries,
            who=Who.GUESTS,
            stopped_by=stops,
            attack=_on_wire(ask, text),
            control=fine,
            allowed=plain,
        )

    frame = f"\n{FRAME}\n"
    return [
        row(
            "frame",
            "write a message of the protocol's to stdout",
            _emits(frame.encode()),
            frame,
            Stop.TRANSPORT,
        ),
        row(
            "invalid-utf-8",
            "write bytes that are no UTF-8",
            _emits(b"\xff\xfe\xed\xa0\x80 and on"),
            " and on",
            Stop.RESULT,
            Stop.TRANSPORT,
        ),
    ]


def _on_wire(ask: Ask, text: str) -> Fight:
    """Call over the protocol: exactly two lines come, of strict JSON, the second with this text."""

    async def fight(camp: Camp, who: Who) -> Seen:
        async def one(ground: Ground) -> Seen:
            written = await ground.call_over_wire(ask)
            return _judge_lines(written, text)

        return await on_each(camp, who, one)

    return fight


def _judge_lines(written: bytes, text: str) -> Seen:
    lines = written.splitlines()
    try:
        answers = [json.loads(line.decode()) for line in lines]
        told = answers[-1]["result"]["content"][0]["text"]
        told.encode()  # half of a surrogate pair would end a strict client
        holds = [each.get("id") for each in answers] == [1, CALL_ID] and text in told
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Seen(holds=False, saw=f"{len(lines)} lines: {type(error).__name__}")
    return Seen(holds=holds, saw=f"{len(lines)} lines, the text in one of them")


def _raw_output(*words: str) -> Fight:
    """Call, and look whether anything came out where the server writes its messages."""

    async def fight(camp: Camp, who: Who) -> Seen:
        async def one(ground: Ground) -> Seen:
            answer = await ground.call(Ask(words=words, grant=READ))
            wrote = camp.written()
            holds = answer.receipt.outcome == "Returned" and not wrote
            return Seen(holds=holds, saw=f"{len(wrote)} bytes on the server's output")

        return await on_each(camp, who, one)

    return fight


def _others() -> list[Row]:
    failed = Ask(words=("fail",), arguments={"reason": f"{ESCAPE}why"})
    return [
        Row(
            id="liars/native-frame",
            tries="write one to the cell's own descriptor 1",
            who=Who.NATIVE,
            stopped_by=(Stop.START,),
            attack=_raw_output("print-raw", FRAME),
            control="what it prints is returned",
            allowed=by(Ask(words=("print", "hello")), done("hello")),
        ),
        Row(
            id="liars/escapes",
            tries="send escapes for a terminal with an error",
            who=Who.GUESTS,
            stopped_by=(Stop.MESSAGES,),
            attack=by(failed, says("why", without="\x1b", outcome="Exited")),
            control="the error's text is told",
            allowed=by(
                Ask(words=("fail",), arguments={"reason": "the reason"}),
                ended("Exited", "the reason"),
            ),
        ),
    ]


ROWS: Final = (*_json(), *_promises(), *_envelopes(), *_wire(), *_others())
