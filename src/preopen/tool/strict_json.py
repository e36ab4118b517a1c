"""One JSON value out of untrusted bytes, or the reason why it is none."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, NoReturn

from preopen.outcome import JsonValue

# pydantic-core, which writes every message, gives up at 255, and a result lies some levels deep in
# its message (test_the_deepest_value_that_passes_can_be_sent).
MAX_DEPTH = 200


class _Flaw(ValueError):  # noqa: N818 - a ValueError of `parse_json`, with a reason of ours
    """Raised inside this file where a value is JSON, and none that can be sent on."""


def parse_json(data: bytes) -> JsonValue:
    """Return the one JSON value that `data` is. Bytes that are no UTF-8 are replaced.

    Raises:
        ValueError: it is none, or one that can't be sent on: a key twice, NaN or an infinity, half
            a surrogate pair, a number of thousands of digits, more than `MAX_DEPTH` levels.

    """
    text = data.decode("utf-8", errors="replace")
    if not text.strip():
        raise ValueError("nothing was written, where one JSON value was promised")
    try:
        # Only `json.loads` says of a byte order mark that it is one.
        decode = json.loads if text.startswith("\ufeff") else _DECODER.decode
        value: JsonValue = decode(text)
    except RecursionError:
        raise _too_deep() from None
    except (json.JSONDecodeError, _Flaw):
        raise
    except ValueError:  # Python's own text tells the reader to change a setting of Python's
        raise ValueError("a number has thousands of digits") from None
    if _is_too_deep(value, data):
        raise _too_deep()
    if b"\\u" in data:
        write_json(value)  # which finds half a surrogate pair; unescaped, none was decoded above
    return value


def write_json(value: JsonValue) -> str:
    """Return the value as compact JSON that can be encoded.

    Raises:
        ValueError: it holds NaN, an infinity or half a surrogate pair.

    """
    text = _ENCODER.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a string holds half a surrogate pair") from None
    return text


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _Flaw(f"the key {_shown(twice)} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _Flaw(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # 1e999
        raise _Flaw("a number is larger than a JSON number is read")
    return number


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def _is_too_deep(value: JsonValue, data: bytes) -> bool:
    """Return whether there are more than `MAX_DEPTH` levels; one at a time, without a stack."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False  # nearly every result: so few brackets can't nest deeper
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for container in level
            for child in _children(container)
            if isinstance(child, (dict, list))
        ]
    return bool(level)


def _children(container: JsonValue) -> Iterable[JsonValue]:
    return container.values() if isinstance(container, dict) else container


def _shown(key: str) -> str:
    most = 80  # characters; a key may be megabytes of anything
    return repr(key if len(key) <= most else key[:most] + "…")


# Made once: a call of `json.loads` or `json.dumps` with such settings makes one of its own.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite
)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
