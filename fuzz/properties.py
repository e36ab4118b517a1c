"""What must hold of any message and of any JSON that preopen sends, whoever provoked it."""

import json
from typing import Any, NoReturn

from pydantic_core import from_json

from preopen.document import MAX_FAULTS
from preopen.errors import PreopenError

MESSAGE = 2000  # characters of one message: ten lines of a terminal, with a margin


def expect_plain(text: str, most: int = MESSAGE) -> None:
    """Hold a message to what a terminal and a log can take: short, printable, one line."""
    assert text.isprintable(), f"does not print: {text[:200]!r}"
    assert len(text) <= most, f"{len(text)} characters: {text[:200]!r}…"


def expect_faults(error: PreopenError, place: str) -> None:
    """Hold an error of load time to Style rule 1: each fault names the place and what was found."""
    assert 1 <= len(error.faults) <= MAX_FAULTS, f"{len(error.faults)} faults"
    for fault in error.faults:
        assert fault.place == place
        assert fault.found
        expect_plain(str(fault))


def expect_ways_out(error: PreopenError) -> None:
    """Hold each fault to say what to do about it."""
    assert error.faults
    for fault in error.faults:
        assert fault.found
        assert fault.write
        expect_plain(str(fault))


def expect_json_line(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a line that a strict reader takes, or fail: there must be one line."""
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.count(b"\r") == 0
    value = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    assert value == from_json(line, allow_inf_nan=False)  # refuses lone surrogates, too
    return value


def _refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")
