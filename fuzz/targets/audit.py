"""`trust/audit_*.py`: a log that is not what was written is never whole, whatever was done."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fuzz.ledger import tamper, write_log
from fuzz.properties import expect_plain, expect_ways_out
from fuzz.tables import split
from fuzz.target import Target
from preopen.document import walk
from preopen.errors import PlatformError
from preopen.outcome import JsonValue
from preopen.trust.audit_chain import MAX_FAULTS
from preopen.trust.audit_files import Follower, read_shown
from preopen.trust.audit_line import (
    BEGINNING,
    MAX_LINE,
    Head,
    holds,
    make_head,
    make_line,
    read_body,
    read_head,
    split_line,
)
from preopen.trust.audit_register import (
    FOLDER,
    KEY,
    Pruning,
    Register,
    read_register,
    write_register,
)
from preopen.trust.audit_verify import Report, verify

# An input is lines. An array of JSON tampers with the log (`fuzz/ledger.py`), an object is written
# as a record, and what is left comes to the end of the log's first file.
_WRITTEN: Final = write_log()
_KEY: Final = _WRITTEN[KEY]
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="fuzz-audit-")
_STATE: Final = Path(_FOLDER.name)
_FIRST: Final = min(name for name in _WRITTEN if name.endswith(".jsonl"))
_FEW: Final = 4  # faults of a file beyond those of its lines: head, neighbours, how many more
_FLIPS: Final = 8

_there: dict[str, bytes] = {}  # what lies in the folder


def check(data: bytes) -> None:
    """Hold every record to its line, and the check of a log to the bytes that were written."""
    values, rest = split(data)
    files = dict(_WRITTEN)
    for value in values:
        if isinstance(value, dict):
            _expect_record(value)
            _expect_register(value)
        else:
            tamper(files, value)
    if rest and _FIRST in files:
        files[_FIRST] += rest
    _expect_line(rest)
    _lay(files)
    _expect_verdict(files)
    _expect_shown(files)


def _lay(files: dict[str, bytes]) -> None:
    """Put these files into the folder, and no others."""
    (_STATE / FOLDER).mkdir(mode=0o700, exist_ok=True)
    for name in _there.keys() - files.keys():
        (_STATE / name).unlink()
        del _there[name]
    for name, content in files.items():
        if _there.get(name) != content:
            (_STATE / name).write_bytes(content)
            (_STATE / name).chmod(0o600)
            _there[name] = content


def _expect_verdict(files: dict[str, bytes]) -> None:
    """Hold the log to be whole where it is as it was written, and nowhere else."""
    try:
        report = verify(_STATE)
    except PlatformError as error:
        assert files[KEY] != _KEY
        expect_ways_out(error)
        return
    assert report == verify(_STATE)
    _expect_faults(report)
    if report.faults:
        assert files != _WRITTEN, report.faults
        return
    assert files.keys() == _WRITTEN.keys()
    notes = list(report.notes)
    for name, content in files.items():
        tail = content.removeprefix(_WRITTEN[name])
        if tail and name.endswith(".jsonl"):
            # A process that was killed leaves a line without an end, which is said and no fault.
            assert content.startswith(_WRITTEN[name])
            assert b"\n" not in tail
            assert any("unfinished" in note for note in notes)
        else:
            assert content == _WRITTEN[name], name


def _expect_faults(report: Report) -> None:
    for file in report.files:
        assert len(file.faults) <= MAX_FAULTS + _FEW
    for fault in report.faults:
        assert fault.place.startswith(str(_STATE))
        assert fault.found
        expect_plain(str(fault))
    for note in report.notes:
        expect_plain(note)


def _expect_shown(files: dict[str, bytes]) -> None:
    """Hold what is shown to the lines that there are: each once, and none of our making."""
    shown = list(Follower(_STATE / FOLDER).new())
    assert len({(each.file, each.line) for each in shown}) == len(shown)
    for each in shown:
        lines = files[f"{FOLDER}/{each.file}"].split(b"\n")
        assert json.loads(lines[each.line - 1])["kind"] == each.fields["kind"]


def _expect_record(fields: dict[str, JsonValue]) -> None:
    """Hold a record to one line that reads back as it was, and only behind its own predecessor."""
    heading: dict[str, JsonValue] = {"n": 1, "time": "now", "kind": "call"}
    line, mac = make_line(_KEY, BEGINNING, heading, {"values": fields})
    assert line.endswith(b"\n")
    expect_plain(line[:-1].decode("ascii"), MAX_LINE - 1)
    assert _accepted(line, BEGINNING) == {**heading, "values": fields}
    assert _accepted(line, mac) is None
    assert split_line(line) == (line[: -len(mac) - 11] + b"}", mac)
    for part in range(_FLIPS):
        at = len(line) * part // _FLIPS
        assert _accepted(line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :], BEGINNING) is None
    spaced = json.dumps({**heading, "values": fields, "mac": mac}).encode() + b"\n"
    assert _accepted(spaced, BEGINNING) is None


def _expect_line(line: bytes) -> None:
    """Hold the reader of a line to bytes that nobody wrote."""
    assert _accepted(line, BEGINNING) is None
    assert _accepted(line + b"\n", BEGINNING) is None
    shown = read_shown("f", 1, line)
    assert shown is None or isinstance(shown.fields, dict)
    assert read_head(_KEY, line) is None
    assert read_register(_KEY, line.decode(errors="replace")) is None


def _accepted(line: bytes, previous: str) -> dict[str, JsonValue] | None:
    """Return a line's fields where it is a record behind `previous`."""
    parts = split_line(line)
    if parts is None or not holds(_KEY, previous, *parts):
        return None
    return read_body(parts[0])


def _expect_register(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Hold head and register to read back what they say, and nothing under another key."""
    texts = tuple(each for _, each in walk(value) if isinstance(each, str))
    numbers = [each for _, each in walk(value) if type(each) is int]
    text, number = "".join(texts[:1]), sum(numbers[:1])
    register = Register(
        files=texts,
        going=texts[:1],
        lost=text,
        prunings=(Pruning(time=text, files=number),),
    )
    written = write_register(_KEY, register)
    assert read_register(_KEY, written) == register
    assert read_register(_KEY[::-1], written) is None
    head = Head(file=text, count=number, last=text)
    assert read_head(_KEY, make_head(_KEY, head)) == head
    assert read_head(_KEY[::-1], make_head(_KEY, head)) is None


def _seeds() -> Iterator[bytes]:
    yield b""
    yield from (json.dumps(edit).encode() for edit in _EDITS)
    yield from (json.dumps(["flip", place, 99, 3]).encode() for place in range(len(_WRITTEN)))
    yield from (json.dumps(["remove", place]).encode() for place in range(len(_WRITTEN)))
    yield from (line.encode() for line in _LINES)


_EDITS: Final = (
    *(["cut", place, 400] for place in range(1, 8)),
    *([verb, place, 0, 1, "x"] for verb in ("drop", "swap", "repeat", "end") for place in (2, 6)),
    *(["bring", place, 1, 4] for place in (2, 4, 6)),
    *(["insert", 2, 1, 0, text] for text in ("", "{}", '{"n":2,"mac":"' + "0" * 64 + '"}')),
    *(["put", 2, 4], ["put", 1, 3], ["put", 7, 1], ["say", 7, 0, 0, "{}"], ["say", 0, 0, 0, "k"]),
    *(["say", 2, 0, 0, "x\n" * 40], ["say", 1, 0, 0, '{"count":true}'], ["swap", 2, 0, 0]),
)
_LINES: Final = (
    '{"tool":"read","receipt":{"grants":["\\u007f\\u2028",1.5,-0.0,true,null]},"mac":"x"}',
    '{"n":7,"kind":"start","file":"\\u202e","big":123456789012345678901234567890}',
    '["flip",2,50,1]\n["flip",2,50,1]',
    '["remove",1]\n["remove",1]\n["remove",1]',
    'an end without one\n["cut",2,0]',
    '{"kind":"rotated","next":"../x","mac":"' + "0" * 64 + '"}',
)

TARGET: Final = Target(
    name="audit",
    check=check,
    seeds=_seeds,
    tokens=(
        *(f'["{verb}",2,1,0,"x"]\n'.encode() for verb in ("flip", "cut", "drop", "swap", "end")),
        *(f'["{verb}",4,1,0,"x"]\n'.encode() for verb in ("repeat", "bring", "insert", "put")),
        *(b'["remove",3]\n', b'["say",7,0,0,"{}"]\n', b'"flip"', b'"insert"', b'"say"', b'"end"'),
        *(b'"kind":"start"', b'"kind":"rotated"', b'"next":', b'"previous":', b'"n":1', b'"key":'),
        *(b'{"time":"","kind":""}', b',"mac":"' + b"0" * 64 + b'"}', b"\\n", b"\n", b"\xff", b"\0"),
    ),
    max_bytes=2048,
)
