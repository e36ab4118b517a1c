"""Inputs that are lines: JSON, which mutations keep whole, beside any other bytes."""

import json
from typing import Any

from preopen.document import json_flaw

MAX_LINES = 64  # of one input; the rest of it is not looked at


def split(data: bytes) -> tuple[list[Any], bytes]:
    """Return the JSON objects and arrays that stand on lines of their own, and all other lines."""
    values: list[Any] = []
    others: list[bytes] = []
    for line in data.split(b"\n")[:MAX_LINES]:
        value = _value(line) if line[:1] in {b"{", b"["} else None
        if isinstance(value, (dict, list)) and not json_flaw(value, depth=32):
            values.append(value)
        else:
            others.append(line)
    return values, b"\n".join(others)


def without_null(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value without what TOML cannot say."""
    if isinstance(value, dict):
        return {key: without_null(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_null(each) for each in value if each is not None]
    return value


def _value(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
