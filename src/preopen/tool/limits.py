"""Limits as people write them, in a manifest and in `preopen.toml`: text → numbers in range."""

import re
from collections.abc import Mapping
from typing import Final

from preopen.capability import LIMIT_KEYS
from preopen.errors import Fault, found_and_write
from preopen.units import format_size, format_time, parse_size, parse_time

# Stacks that the zygote has an engine for; a larger one makes wasmtime end the process (design §5).
STACKS: Final = (512 << 10, 1 << 20, 2 << 20)

_LONGEST: Final = 64  # characters; a message repeats them

# What a limit may be at all, in the units of its field. The upper ends only keep numbers that the
# system could not hold out of it; what an operator allows is the ceilings' business.
RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "wall_time": (1, 24 * 3600 * 1000),
    "cpu_time": (1, 24 * 3600),
    "memory": (64 << 10, 64 << 30),  # one page of wasm
    "stack": (STACKS[0], STACKS[-1]),
    "table_elements": (0, (1 << 32) - 1),
    "tables": (0, 100_000),
    "instances": (1, 100_000),  # a component is several
    "output": (0, 1 << 30),
    "stderr": (0, 1 << 30),
    "file_size": (0, 1 << 40),
    "open_files": (16, 1 << 16),  # the cell's own descriptors count, too
    "concurrency": (1, 1000),
    "queue": (0, 100_000),
    "request_bytes": (0, 1 << 40),
    "response_bytes": (0, 1 << 40),
    "requests": (1, 1000),
    "rate": (1, 60_000),  # a thousand a second; the server remembers that many moments
    "fuel": (1, 10**14),  # about a day at full speed
}


def parse_limit(key: str, value: str | int) -> int:
    """Return a limit in the unit of its field: milliseconds, whole seconds, bytes or a count.

    Raises:
        ValueError: it is not understood or out of range; "what was found; what to write".

    """
    if len(str(value)) > _LONGEST:
        raise ValueError(f"{len(str(value))} characters are no limit; write a number and its unit")
    field = LIMIT_KEYS[key]
    if field.endswith(("_ms", "_s")):
        number = _parse_time(value, whole_seconds=field.endswith("_s"))
    elif field.endswith("_bytes"):
        number = parse_size(value)
    else:
        number = _parse_count(value)
    low, high = RANGES[key]
    if not low <= number <= high:
        msg = f"{value!r} is out of range; write {_text(field, low)} to {_text(field, high)}"
        raise ValueError(msg)
    if key == "stack" and number not in STACKS:
        names = ", ".join(map(format_size, STACKS))
        raise ValueError(f"{value!r} is no stack size that preopen has; write one of {names}")
    return number


def parse_limits(
    written: Mapping[str, str | int], place: str
) -> tuple[dict[str, int], tuple[Fault, ...]]:
    """Return the limits of a `[limits]` table that are right, and a fault for each that is not."""
    numbers: dict[str, int] = {}
    faults: list[Fault] = []
    for key, value in written.items():
        try:
            numbers[key] = parse_limit(key, value)
        except ValueError as problem:
            found, write = found_and_write(problem)
            faults.append(Fault(place=place, key=f"limits.{key}", found=found, write=write))
    return numbers, tuple(faults)


def format_limit(key: str, number: int) -> str:
    """Return a limit as `parse_limit` reads it."""
    return _text(LIMIT_KEYS[key], number)


def _parse_time(value: str | int, *, whole_seconds: bool) -> int:
    milliseconds = parse_time(str(value))
    if not whole_seconds:
        return milliseconds
    if milliseconds % 1000:
        raise ValueError(f'{value!r} is no whole number of seconds; write a time such as "10s"')
    return milliseconds // 1000


def _parse_count(value: str | int) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", str(value)):
        raise ValueError(f"{value!r} is no count; write a plain number")
    return int(value)


def _text(field: str, number: int) -> str:
    if field.endswith("_ms"):
        return format_time(number)
    if field.endswith("_s"):
        return format_time(number * 1000)
    return format_size(number) if field.endswith("_bytes") else str(number)
