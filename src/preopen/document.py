"""TOML documents that people write, as checked values.

Checks size, encoding, syntax, depth and hidden characters. Knows no schema and no key. Both
manifests and `preopen.toml` come through here.
"""

import json
import math
import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from preopen.errors import Fault, PreopenError

MAX_BYTES: Final = 256 << 10  # a long page of TOML is 10 KiB
MAX_DEPTH: Final = 64  # twice what a schema in a manifest may have
MAX_FAULTS: Final = 8  # more than a person corrects before the next try
MAX_BITS: Final = 8192  # of an integer; Python writes out at most 4300 digits
_SHOWN: Final = 60  # characters of a found value that a message repeats
_LISTED: Final = 12  # names that a message lists; a file can hold thousands
_SAID: Final = 200  # characters of tomllib's own message, which may repeat a key of any length

# tomllib takes time in the square of a dotted key's parts (4000: 0.1 s; 100 000: a minute). Texts
# and comments are taken whole, to their ends or that of the line or file: what stands in them is no
# key, and each character is looked at a bounded number of times.
_TOKEN: Final = re.compile(
    r"""
    (?P<long>(?:(?:[\w-]++|"(?:[^"\\\n]|\\[^\n])*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64})
    | \"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}+)?
    | '''(?:[^']|'(?!''))*+(?:'{3,5}+)?
    | "(?:[^"\\\n]|\\[^\n])*+"?
    | '[^'\n]*+'?
    | \#[^\n]*+
    | [\w-]++
    """,
    re.VERBOSE | re.DOTALL,
)
# Shown as nothing, though no category says so: fillers, joiners, and variation selectors (but
# U+FE0F, which emoji need).
_BLANKS: Final = frozenset(
    map(
        chr,
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE0F)),
    )
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def read_file(host_path: str, error: type[PreopenError], *, flags: int = 0) -> bytes:
    """Return the bytes of a regular file, at most 256 KiB and one byte more, which is too much.

    `flags` stand beside those of the open: `os.O_NOFOLLOW` where no link may lead elsewhere.

    Raises:
        PreopenError: of the kind `error`, when it cannot be read, is no regular file, or is larger.

    """
    try:
        # Without O_NONBLOCK the open of a named pipe would wait for a writer.
        always = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = os.open(host_path, always | flags)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    return file.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        found = f"cannot be read: {reason_of(problem)}"
    else:
        found = "not a regular file"
    raise error(Fault(place=printable(host_path), found=found, write="name a readable TOML file"))


def reason_of(problem: OSError | ValueError) -> str:
    """Return why a path could not be opened, without the path."""
    return str(getattr(problem, "strerror", None) or problem)


def parse_document(text: str | bytes, place: str, error: type[PreopenError]) -> dict[str, Any]:
    """Return the TOML document as JSON values: no dates, no infinities, no integers beyond 64 bits.

    Raises:
        PreopenError: of the kind `error`, with every fault of the first kind that was found.

    """
    try:
        document = _read(_decode(text))
    except UnicodeError:
        fault = Fault(place=place, found="not UTF-8", write="save the file as UTF-8")
    except tomllib.TOMLDecodeError as problem:
        fault = Fault(place=place, found=f"not TOML: {_said(problem)}", write="correct it")
    except RecursionError:
        fault = Fault(
            place=place, found="nested too deeply", write=f"nest at most {MAX_DEPTH} deep"
        )
    except ValueError as problem:
        fault = Fault(
            place=place, found=f"not readable: {printable(str(problem))}", write="correct it"
        )
    else:
        faults = tuple(_value_faults(document, place))[:MAX_FAULTS]
        if faults:
            raise error(*faults)
        return document
    raise error(fault)


def _decode(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES >> 10} KiB")
    return raw.decode()


def load_toml(text: str) -> dict[str, Any]:
    """Return a TOML document of any size, as a file of preopen's own has it; no value is looked at.

    Raises:
        ValueError: it cannot be read; the reason is short and prints.

    """
    try:
        return _read(text)
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(_said(problem)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _said(problem: tomllib.TOMLDecodeError) -> str:
    said = printable(str(problem))
    return said if len(said) <= _SAID else said[:_SAID] + "…"


def _read(text: str) -> dict[str, Any]:
    if any(token.lastgroup == "long" for token in _TOKEN.finditer(text)):
        raise ValueError("a dotted key has more than 64 parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python's own text tells the reader to change a setting of Python's
        raise ValueError("an integer has thousands of digits") from None


def walk(
    value: object, parts: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield every value inside `value` with its place, in order, without recursion.

    What lies deeper than MAX_DEPTH is not entered; its container has a place of that length.
    """
    stack: list[tuple[tuple[str | int, ...], object]] = [(parts, value)]
    while stack:
        place, item = stack.pop()
        yield place, item
        if len(place) - len(parts) >= MAX_DEPTH:
            continue
        inner: Iterable[tuple[str | int, object]] = ()
        if isinstance(item, dict):
            inner = item.items()
        elif isinstance(item, list):
            inner = enumerate(item)
        stack.extend(reversed([((*place, part), child) for part, child in inner]))


def _value_faults(document: dict[str, Any], place: str) -> Iterator[Fault]:
    for parts, value in walk(document):
        found, write = _value_fault(parts, value)
        if found:
            yield Fault(place=place, key=key_of(parts), found=found, write=write)


def _value_fault(  # noqa: PLR0911 - one return per kind of value
    parts: tuple[str | int, ...], value: object
) -> tuple[str, str]:
    if len(parts) >= MAX_DEPTH:
        return "nested too deeply", f"nest at most {MAX_DEPTH} deep"
    if parts and isinstance(parts[-1], str) and (hidden := hidden_character(parts[-1])):
        return f"the key holds {hidden}, which a reader cannot see", "remove it"
    match value:
        case str():
            hidden = hidden_character(value, allowed="\n\t")
            return (
                (f"holds {hidden}, which a reader cannot see", "remove it") if hidden else ("", "")
            )
        case bool() | dict() | list():
            return "", ""
        case int():
            return (
                ("", "")
                if -(1 << 63) <= value < 1 << 63
                else ("an integer beyond 64 bits", "write a smaller one")
            )
        case float():
            return (
                ("", "")
                if math.isfinite(value)
                else (f"{value} is no JSON number", "write a finite number")
            )
        case _:
            return f"{value} is a date or time", "write it as text, in quotes"


def json_flaw(value: object, depth: int = MAX_DEPTH) -> str:
    """Return why a value is no JSON that may be looked at, or ""; without recursion."""
    level: list[object] = [value]
    for _ in range(depth + 1):
        following: list[object] = []
        for item in level:
            if isinstance(item, dict):
                following += item.keys()
                following += item.values()
            elif isinstance(item, list):
                following += item
            elif flaw := _scalar_flaw(item):
                return flaw
        if not following:
            return ""
        level = following
    return f"nested more than {depth} deep"


def _scalar_flaw(value: object) -> str:
    match value:
        case None | bool():
            return ""
        case str():
            torn = not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)
            return "holds half of a surrogate pair" if torn else ""
        case float():
            return "" if math.isfinite(value) else f"holds {value}, which is no JSON number"
        case int():  # beyond this, str() of it raises
            return "" if value.bit_length() < MAX_BITS else "holds a number that is too large"
        case _:
            return f"holds a value that is no JSON ({type(value).__name__})"


def hidden_character(text: str, allowed: str = "") -> str:
    """Return the first control, bidi, zero-width or invisible character as "U+202E", or ""."""
    if text.isascii() and text.isprintable():
        return ""
    for character in text:
        if character in allowed:
            continue
        if character in _BLANKS or unicodedata.category(character) in _HIDDEN_CATEGORIES:
            return f"U+{ord(character):04X}"
    return ""


def key_of(parts: Iterable[str | int]) -> str:
    """Return a place inside a document as people write it: `edits[0].old_string`, `env["a b"]`."""
    key = ""
    for part in parts:
        if isinstance(part, int):
            key += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_$-]{1,64}", part):
            key += f".{part}" if key else part
        else:
            key += f"[{shown(part)}]"
    return key


def shown(value: object) -> str:
    """Return a found value for a message: short, one line, printable; containers by their size."""
    match value:
        case str():
            cut = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
            return printable(json.dumps(cut, ensure_ascii=False))
        case dict():
            return f"an object with {len(value)} keys"
        case list():
            return f"an array of {len(value)} items"
        case bool() | None:
            return json.dumps(value)
        case int() if value.bit_length() > 128:  # noqa: PLR2004 - 39 digits; str() of a huge one raises
            return "a very large integer"
        case _:
            return str(value)


def listed(names: Iterable[str]) -> str:
    """Return names for a message, one after another: the first twelve, and … for the others."""
    first = list(islice(names, _LISTED + 1))
    return ", ".join([*first[:_LISTED], "…"] if first[_LISTED:] else first)


def printable(text: str) -> str:
    """Return the text with all that does not print, or disguises, as escapes."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
