import json

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.outcome import JsonValue
from preopen.tool.strict_json import MAX_DEPTH, parse_json, write_json

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    plain | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20
)


@given(json_values)
def test_what_is_written_is_read_back(value: JsonValue) -> None:
    """Ours: round trip; RFC 8259."""
    assert parse_json(write_json(value).encode()) == value
    assert parse_json(json.dumps(value, indent=1).encode()) == value


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (b"", "nothing was written"),
        (b" \n", "nothing was written"),
        (b"{} {}", "Extra data"),
        (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM"),
        (b"{'a': 1}", "Expecting property name"),
        (b'{"a": 1, "b": 2, "b": 3}', "the key 'b' stands twice"),
        (b'[{"a": 1, "a": 1}]', "the key 'a' stands twice"),
        (b'{"\\ud800": 1, "\\ud800": 1}', r"the key '\\ud800' stands twice"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"-Infinity", "-Infinity is no JSON number"),
        (b"1e999", "larger than a JSON number is read"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b'{"\\udfff": 1}', "half a surrogate pair"),
        (b"9" * 5000, "^a number has thousands of digits$"),
        (b"[" * 100_000, "levels deep"),
        (b'{"a":' * 100_000, "levels deep"),
        (b"[" * 201 + b"]" * 201, "levels deep"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "levels deep"),
    ],
)
def test_what_could_not_be_sent_on_is_refused(written: bytes, problem: str) -> None:
    """Design §5, Results: exactly one JSON value; §7: no surrogates, no NaN."""
    with pytest.raises(ValueError, match=problem) as refused:
        parse_json(written)

    assert str(refused.value).encode()


def test_many_shallow_containers_are_not_deep() -> None:
    """Ours: the counterpart of the depth rows above, where brackets alone can't decide."""
    assert len(parse_json(b"[" + b"[[]]," * 500 + b"{}]")) == 501


def test_the_deepest_value_that_passes_can_be_sent() -> None:
    """Ours: pydantic-core writes every message and gives up at 255 levels."""
    value = parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    message = {"result": {"structuredContent": {"result": value}}}

    assert pydantic_core.to_json(message)


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    """Design §7: errors="replace"; a whole pair of surrogates is one character."""
    assert parse_json(b'"a\xff"') == "a\ufffd"
    assert parse_json(b'"\xed\xa0\x80"') == "\ufffd" * 3
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"


@given(st.binary() | st.text('[]{}":,\\u0dNaIe19 -.').map(str.encode))
def test_any_bytes_end_in_a_value_or_a_value_error(data: bytes) -> None:
    """Ours: what a guest wrote is untrusted."""
    try:
        value = parse_json(data)
    except ValueError:
        return
    assert write_json(value).encode()
