"""Sizes and times as people write them: `64MiB`, `250ms`. Binary sizes, whole milliseconds."""

import re
from typing import Final

_SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_TIMES: Final = {"ms": 1, "s": 1000, "m": 60_000}
_QUANTITY: Final = re.compile(r"([0-9]{1,15})\s*([A-Za-z]*)")


def parse_size(text: str | int) -> int:
    """Return the bytes that `text` says: a plain number, or one with `B`, `KiB`, `MiB` or `GiB`.

    Raises:
        ValueError: the text is no such size; the message says what to write.

    """
    return _parse(text, _SIZES, 'write bytes as a number, or a size such as "64MiB"')


def parse_time(text: str) -> int:
    """Return the milliseconds that `text` says: a number with `ms`, `s` or `m`.

    Raises:
        ValueError: the text is no such time; a number without a unit says nothing.

    """
    return _parse(text, _TIMES, 'write a time such as "250ms", "10s" or "2m"')


def _parse(text: str | int, units: dict[str, int], advice: str) -> int:
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[2] not in units:
        msg = f"{text!r} is not understood; {advice}"
        raise ValueError(msg)
    return int(match[1]) * units[match[2]]


def format_size(size: int) -> str:
    """Return the largest unit that says `size` bytes exactly, as `parse_size` reads it."""
    unit = max(
        (u for u in ("KiB", "MiB", "GiB") if size and size % _SIZES[u] == 0),
        key=_SIZES.__getitem__,
        default="B",
    )
    return f"{size // _SIZES[unit]}{unit}"


def format_time(milliseconds: int) -> str:
    """Return the largest unit that says the time exactly, as `parse_time` reads it."""
    unit = max(
        (u for u in ("ms", "s", "m") if milliseconds and milliseconds % _TIMES[u] == 0),
        key=_TIMES.__getitem__,
        default="ms",
    )
    return f"{milliseconds // _TIMES[unit]}{unit}"
