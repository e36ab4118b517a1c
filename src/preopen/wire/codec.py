"""Frames ↔ bytes. No socket and no clock here.

A frame is one JSON header and one binary body; descriptors travel beside it, and the header holds
their places in that list. What comes *from* a cell is untrusted: `decode` answers a frame that is
valid in every field, or raises FrameError.
"""

import functools
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import NoneType
from typing import Any, Final

from preopen.capability import Access, Kept, Limits, Mount, Reach
from preopen.wire.frames import (
    Answer,
    Ask,
    Binary,
    Call,
    Forget,
    Fork,
    Forked,
    Frame,
    Hello,
    Listening,
    Load,
    Loaded,
    Reaped,
    Rule,
    Verdict,
)

PREFIX: Final = struct.Struct(">IIB")  # lengths of header and body, number of descriptors
MAX_HEADER: Final = (
    32 << 20
)  # arguments of a call are bounded by the transport's 16 MiB a line; JSON may double it
MAX_BODY: Final = (
    96 << 20
)  # stdout and stderr at their ceilings, or stdin; a longer frame ends the cell
MAX_DESCRIPTORS: Final = 240  # the kernel's SCM_MAX_FD is 253
_MOST: Final = 1 << 63  # every number of ours fits
_NUMBERS: Final = (int, float)
_LONGEST_PART: Final = 128 << 10  # of an Ask; wasmtime takes a URL of 64 KiB at most


class FrameError(ValueError):
    """Raised when bytes are no frame of ours: the peer is broken or hostile."""


_LIMITS: Final = tuple(f.name for f in fields(Limits))
_MAY_BE_NONE: Final = frozenset(f.name for f in fields(Limits) if f.default is None)
# Made once: `json.dumps` and `json.loads` make, or look for, a dozen things at each call.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_DECODER: Final = json.JSONDecoder()
# `Access("read")` finds the same in three calls.
_ACCESS: Final = {each.value: each for each in Access}
_REACH: Final = {each.value: each for each in Reach}
_STR: Final = frozenset({str})
_ENDS: Final = frozenset({"exited", "trapped", "out_of_fuel", "overflow", "refused"})


def encode(frame: Frame, beside: tuple[int, ...] = ()) -> tuple[bytes, tuple[int, ...]]:
    """Return the bytes of a frame, length prefix included, and the descriptors to send beside it.

    Load and Forked carry descriptors too: their sender names them to the channel.
    """
    match frame:
        case Call():
            header, body, descriptors = _encode_call(frame)
        case Answer():
            header, body, descriptors = _plainly(frame), frame.stdout + frame.stderr, ()
            header["stdout_bytes"] = len(frame.stdout)
        case Load(binary=binary) | Loaded(binary=binary) | Forget(binary=binary):
            header, body, descriptors = _plainly(frame), b"", beside
            header["binary"] = _as_header(binary)
        case _:
            header, body, descriptors = _plainly(frame), b"", beside
    header["frame"] = type(frame).__name__
    text = _ENCODER.encode(header).encode()
    return PREFIX.pack(len(text), len(body), len(descriptors)) + text + body, descriptors


# `dataclasses.asdict` copies all that it meets, and asks of each what it is: a hundred calls for a
# frame, and a cell copies the memory of each function that it calls first.
def _plainly(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any of our dataclasses
    return {name: getattr(value, name) for name in _names(type(value))}  # type: ignore[arg-type]  # classes are hashable


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    """Return the fields of a kind of value that its header has; the others are in the body."""
    return tuple(each.name for each in fields(kind) if each.name not in ("stdout", "stderr"))


@functools.cache
def _as_header(binary: Binary) -> dict[str, Any]:
    return _plainly(binary)


@functools.cache
def _limits_as_header(limits: Limits) -> list[Any]:
    """Return its numbers in the order of its fields: names would be half of a call's frame."""
    return [getattr(limits, name) for name in _LIMITS]


def _encode_call(call: Call) -> tuple[dict[str, Any], bytes, tuple[int, ...]]:
    descriptors: list[int] = []

    def place(descriptor: int) -> int:
        if descriptor not in descriptors:
            descriptors.append(descriptor)
        return descriptors.index(descriptor)

    header = {
        "binary": _as_header(call.binary),
        "argv": call.argv,
        "environment": call.environment,
        "mounts": [
            [place(m.folder), m.guest_paths, m.access, m.reach, m.host_paths] for m in call.mounts
        ],
        "rules": None
        if call.rules is None
        else [[place(r.descriptor), r.access, r.is_file] for r in call.rules],
        "limits": _limits_as_header(call.limits),
        "calls_left": call.calls_left,
        "kept": [[place(k.folder), k.name] for k in call.kept],
        "gateway_port": call.gateway_port,
        "is_inert": call.is_inert,
    }
    if len(descriptors) > MAX_DESCRIPTORS:
        msg = f"a call carries {len(descriptors)} descriptors; {MAX_DESCRIPTORS} are possible"
        raise FrameError(msg)
    return header, call.stdin, tuple(descriptors)


def decode(text: bytes, body: bytes, descriptors: Sequence[int] = ()) -> Frame:
    """Return the frame of a header, a body and the descriptors that came beside them.

    Raises:
        FrameError: a field is missing, unknown or of another type, or names no descriptor.

    """
    try:
        written = text.decode()
        header, end = _DECODER.raw_decode(written)
        if end != len(written):
            raise FrameError("more than a header")  # noqa: TRY301 - it is told as all others are
        maker = _MAKERS[header.pop("frame")]
        return maker(header, body, descriptors)
    except FrameError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        msg = f"not a frame: {type(error).__name__}"
        raise FrameError(msg) from error


def _binary(value: Mapping[str, Any]) -> Binary:
    binary = Binary(**value)
    _expect(binary.sha256, str), _expect(binary.stack_bytes, int)
    known = _expect(binary.kind, str) in ("module", "component")
    if not known or not isinstance(binary.counts_fuel, bool):
        msg = "unknown kind of binary"
        raise FrameError(msg)
    return binary


def _call(header: dict[str, Any], body: bytes, descriptors: Sequence[int]) -> Call:
    mounts = tuple(
        Mount(
            folder=_descriptor(descriptors, place),
            guest_paths=_words(guest_paths),
            access=_ACCESS[access],
            reach=_REACH[reach],
            host_paths=_words(host_paths),
        )
        for place, guest_paths, access, reach, host_paths in header.pop("mounts")
    )
    rules = header.pop("rules")
    if rules is not None:
        rules = tuple(
            Rule(
                descriptor=_descriptor(descriptors, place),
                access=_ACCESS[access],
                is_file=bool(is_file),
            )
            for place, access, is_file in rules
        )
    return Call(
        binary=_binary(header.pop("binary")),
        argv=_words(header.pop("argv")),
        environment=tuple((name, value) for name, value in map(_words, header.pop("environment"))),
        mounts=mounts,
        rules=rules,
        limits=_read_limits(*_expect(header.pop("limits"), list)),
        calls_left=_expect(header.pop("calls_left"), int),
        kept=tuple(
            Kept(folder=_descriptor(descriptors, place), name=_expect(name, str))
            for place, name in header.pop("kept")
        ),
        gateway_port=_expect(header.pop("gateway_port"), int),
        is_inert=_expect(header.pop("is_inert"), bool),
        stdin=body,
        **header,
    )


# A tool's calls have the same ones. By type, too: 1 and true are equal, and true is no number.
@functools.lru_cache(maxsize=16, typed=True)
def _read_limits(*numbers: Any) -> Limits:  # noqa: ANN401 - JSON values have any type until here
    value = dict(zip(_LIMITS, numbers, strict=True))
    given = {name: number for name, number in value.items() if number is not None}
    if not value.keys() - given.keys() <= _MAY_BE_NONE:
        raise FrameError("a limit is missing")
    # All at once: one after another they would be half of what a cell does to read a call.
    if not {int}.issuperset(map(type, given.values())):
        raise FrameError("a limit is no number")
    if not -_MOST < min(given.values()) <= max(given.values()) < _MOST:
        raise FrameError("a limit is out of range")
    return Limits(**value)


def _descriptor(descriptors: Sequence[int], place: object) -> int:
    """Return the descriptor of a place; a negative one would count from the end."""
    number: int = _expect(place, int)
    if number < 0:
        msg = "a place before the first descriptor"
        raise FrameError(msg)
    return descriptors[number]


def _answer(header: dict[str, Any], body: bytes, _: Sequence[int]) -> Answer:
    cut = _expect(header.pop("stdout_bytes"), int)
    answer = Answer(
        **header,
        stdout=body[:cut],
        stderr=body[cut:],
    )
    _expect(answer.exit_code, int), _expect(answer.reason, str), _expect(answer.memory_of, str)
    _expect(answer.peak_memory_bytes, int), _expect(answer.cpu_ms, *_NUMBERS)
    _expect(answer.fuel_used, int, NoneType)
    if answer.end not in _ENDS or not 0 <= cut <= len(body):
        msg = "not an answer"
        raise FrameError(msg)
    return answer


def _ask(header: dict[str, Any], _body: bytes, _descriptors: Sequence[int]) -> Ask:
    ask = Ask(**header)
    _expect(ask.method, str)
    for part in (ask.method, ask.scheme, ask.authority, ask.path):
        if part is not None and len(_expect(part, str)) > _LONGEST_PART:
            raise FrameError("a part of a request is too long")
    return ask


def _hello(header: dict[str, Any], _body: bytes, _descriptors: Sequence[int]) -> Hello:
    missing = _expect(header["missing"], dict)
    return Hello(
        layers=_words(header["layers"]),
        missing={layer: _expect(why, str) for layer, why in missing.items()},
    )


def _words(value: object) -> tuple[str, ...]:
    """Return a list of strings; a string alone would be one of its letters."""
    words = _expect(value, list)
    if not _STR.issuperset(map(type, words)):
        raise FrameError("a word is no text")
    return tuple(words)


def _expect(value: Any, *kinds: type) -> Any:  # noqa: ANN401 - JSON values have any type until here
    """Return a value that is of one of these kinds itself: JSON makes no subclass but bool."""
    kind = type(value)
    if kind not in kinds:
        msg = f"expected {kinds}, found {kind.__name__}"
        raise FrameError(msg)
    # Python's JSON knows NaN and integers of 4300 digits, on which arithmetic raises elsewhere.
    if kind in _NUMBERS and not -_MOST < value < _MOST:
        raise FrameError("a number is out of range")
    return value


def _plain(kind: type, **types: tuple[type, ...]) -> Callable[..., Any]:
    def make(header: dict[str, Any], _body: bytes, _descriptors: Sequence[int]) -> Any:  # noqa: ANN401 - one of Frame
        for name, expected in types.items():
            _expect(header[name], *expected)
        if "binary" in header:
            header["binary"] = _binary(header["binary"])
        return kind(**header)

    return make


_MAKERS: Final[Mapping[str, Callable[[dict[str, Any], bytes, Sequence[int]], Frame]]] = {
    "Load": _plain(Load),
    "Loaded": _plain(Loaded, fault=(str,)),
    "Forget": _plain(Forget),
    "Fork": _plain(Fork, first=(int,), count=(int,)),
    "Hello": _hello,
    "Forked": _plain(Forked, cell=(int,), pid=(int,)),
    "Reaped": _plain(Reaped, cell=(int,), status=(int,), cpu_ms=_NUMBERS, max_rss_bytes=(int,)),
    "Call": _call,
    "Answer": _answer,
    "Listening": _plain(Listening),
    "Ask": _ask,
    "Verdict": _plain(Verdict, ticket=(str,), error=(str,)),
}
