"""New inputs from old ones, by their structure. Knows JSON on a line; the rest is bytes to it.

Coverage does not lead through a JSON parser that is C or Rust: of bytes flipped in a frame nearly
none is a frame. So a line that is JSON has its values exchanged, and stays JSON.
"""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from preopen.document import MAX_DEPTH, walk

_CUT: Final = b"\n"
_ROUNDS: Final = 3  # changes of one input, at most
_SLICE: Final = 16  # bytes that are taken out or said again, at most
_SCALARS: Final = (
    *(None, True, False, 0, 1, -1, 3, 255, 1 << 31, 1 << 63, -(1 << 63), 1 << 64, 10**400),
    *(0.0, -0.0, 0.5, 1e15, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", "a", "\0", "\x1b[31m", "\ud83d", "\ude00", "\u202e", "\u2028", "é", "😀", "a" * 300),
    *("AA==", "{a}", "../x", "image/png", "read", "tree", "text", "exited", "module"),
)


def mutate(data: bytes, random: Random, tokens: tuple[bytes, ...]) -> bytes:
    """Return another input: a line's JSON changed, or bytes and tokens put in, out or twice."""
    for _ in range(random.randint(1, _ROUNDS)):
        lines = data.split(_CUT)
        at = random.randrange(len(lines))
        value = _parse(lines[at])
        if isinstance(value, (dict, list)) and random.random() < 0.9:  # noqa: PLR2004 - mostly JSON, and bytes where JSON is broken
            lines[at] = json.dumps(_changed(value, random), separators=(",", ":")).encode()
            data = _CUT.join(lines)
        else:
            data = _edited(data, random, tokens)
    return data


def _parse(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    # What is deeper could be read, and not written again.
    return None if any(len(place) >= MAX_DEPTH for place, _ in walk(value)) else value


def _changed(value: Any, random: Random) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value with one container in it changed."""
    containers = list(_containers(value))
    chosen = random.choice(containers)
    new = _another(value, random)
    if isinstance(chosen, dict):
        keys = list(chosen)
        others = [key for each in containers if isinstance(each, dict) for key in each]
        key = random.choice([*keys, *others, "x"])
        if key in chosen and random.random() < 0.3:  # noqa: PLR2004 - a key that lacks is worth a third
            del chosen[key]
        else:
            chosen[key] = new
    else:
        at = random.randint(0, len(chosen))
        chosen[at : at + random.randint(0, 2)] = [new] * random.randint(0, 2)
    return value


def _containers(value: object) -> Iterator[dict[str, Any] | list[Any]]:
    for _, each in walk(value):
        if isinstance(each, (dict, list)):
            yield each


def _another(value: object, random: Random) -> Any:  # noqa: ANN401 - any JSON value
    """Return a scalar, a part of the value itself, or one of these in a list or an object."""
    part = random.choice([each for _, each in walk(value)])
    part = json.loads(json.dumps(part))  # a copy: a value that holds itself has no end
    new = random.choice([random.choice(_SCALARS), part])
    return random.choice([new, new, new, [new], {"a": new}, [], {}])


def _edited(data: bytes, random: Random, tokens: tuple[bytes, ...]) -> bytes:
    at = random.randint(0, len(data))
    end = min(len(data), at + random.randint(0, _SLICE))
    piece = random.choice(
        [b"", random.choice(tokens), bytes([random.randrange(256)]), data[at:end] * 2]
    )
    return data[:at] + piece + data[end:]
