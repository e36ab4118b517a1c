"""`wire/frames.py`: any bytes are a frame that is valid in every field, or a FrameError."""

import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from fuzz.properties import expect_plain
from fuzz.target import Target
from preopen.capability import Access, Kept, Limits, Mount, Reach
from preopen.wire.codec import PREFIX, FrameError, decode, encode
from preopen.wire.frames import (
    Answer,
    Binary,
    Call,
    Forget,
    Fork,
    Forked,
    Frame,
    Hello,
    Load,
    Loaded,
    Reaped,
    Rule,
)

# An input is a header on one line, and a body behind it: JSON needs no newline of its own.
_CUT: Final = b"\n"
_DESCRIPTORS: Final = (3, 4, 5)  # what came beside it
_GROWTH: Final = 6  # JSON writes one character as six: "\u00e4"
_OVERHEAD: Final = 4096  # names of keys, numbers of limits
_HINTS: Final[Mapping[type, Mapping[str, Any]]] = {
    kind: get_type_hints(kind) for kind in (*get_args(Frame), Binary, Rule, Limits, Mount, Kept)
}


def check(data: bytes) -> None:
    """Hold a decoded frame to its own types, and its encoding to the frame."""
    header, _, body = data.partition(_CUT)
    try:
        frame = decode(header, body, _DESCRIPTORS)
    except FrameError as error:
        expect_plain(str(error))
        return
    _expect_types(frame)
    again, descriptors = encode(frame)
    assert len(again) <= _OVERHEAD + _GROWTH * len(data)
    assert set(descriptors) <= set(_DESCRIPTORS)
    assert frame == decode(*_split(again), descriptors)


def _split(encoded: bytes) -> tuple[bytes, bytes]:
    header, body, _ = PREFIX.unpack_from(encoded)
    assert len(encoded) == PREFIX.size + header + body
    return encoded[PREFIX.size : PREFIX.size + header], encoded[PREFIX.size + header :]


def _expect_types(value: Any) -> None:  # noqa: ANN401 - any dataclass of the wire
    for name, hint in _HINTS[type(value)].items():
        inner = getattr(value, name)
        assert _fits(inner, hint), f"{type(value).__name__}.{name} is {inner!r:.80}, no {hint}"


def _fits(value: Any, hint: Any) -> bool:  # noqa: ANN401 - any value, any annotation
    """Return whether a value is what its annotation says; True is no int, and NaN no float."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return any(_fits(value, each) for each in inner)
    if origin is tuple and type(value) is tuple:
        each = [inner[0]] * len(value) if inner[1:] == (...,) else inner
        return len(value) == len(each) and all(map(_fits, value, each))
    if origin is Mapping and type(value) is dict:
        return all(_fits(key, inner[0]) and _fits(item, inner[1]) for key, item in value.items())
    if hint is float:
        return type(value) in {int, float} and math.isfinite(float(value))
    if is_dataclass(hint) and type(value) is hint:
        _expect_types(value)
    return type(value) is hint


def _seeds() -> Iterator[bytes]:
    for frame in _FRAMES:
        yield _CUT.join(_split(encode(frame)[0]))
    yield b'{"frame":"Answer","end":"exited","cpu_ms":NaN,"stdout_bytes":0}'
    yield b'{"frame":"Answer","end":"exited","reason":"\\ud800","stdout_bytes":-1}\nab'
    yield b'{"frame":"Call"}'
    yield b"[[[[1e999]]]]"


_BINARY: Final = Binary(sha256="ab" * 32, kind="component", stack_bytes=1 << 20)
_FRAMES: Final[tuple[Frame, ...]] = (
    Load(binary=_BINARY),
    Loaded(binary=_BINARY, fault="because"),
    Forget(binary=_BINARY),
    Fork(first=3, count=2),
    Hello(layers=("seccomp",), missing={"landlock": "old kernel"}),
    Forked(cell=3, pid=77),
    Reaped(cell=3, status=9, cpu_ms=1.5, max_rss_bytes=1 << 20),
    Answer(end="exited", stdout=b"\xff\x00", stderr=b"e", cpu_ms=2.5, reason="ä\n"),
    Answer(end="trapped", exit_code=3, peak_memory_bytes=5, memory_of="process"),
    Call(
        binary=_BINARY,
        argv=("read", "a b\n", "ü"),
        environment=(("TZ", "UTC"),),
        mounts=(
            Mount(
                folder=3,
                guest_paths=("/w", "."),
                access=Access.WRITE,
                reach=Reach.TREE,
                host_paths=("/w",),
            ),
        ),
        rules=(Rule(descriptor=4, access=Access.READ, is_file=True),),
        limits=Limits(cpu_time_s=3),
        calls_left=2,
        kept=(Kept(folder=3, name="x"),),
        stdin=b"\x00\xff",
    ),
    Call(
        binary=_BINARY,
        argv=(),
        environment=(),
        mounts=(),
        rules=None,
        limits=Limits(),
        calls_left=1,
    ),
)

TARGET: Final = Target(
    name="frames",
    check=check,
    seeds=_seeds,
    tokens=(
        *(f'"frame":"{type(frame).__name__}"'.encode() for frame in _FRAMES),
        *(b'"exited"', b'"trapped"', b'"overflow"', b'"refused"', b'"stdout_bytes":1', b'"end":'),
        *(b"NaN", b"-Infinity", b"1e999", b"\\ud800", b"null", b"true", b"[]", b"{}", b"-1", b"\n"),
        *(
            b'["a","b"]',
            b'[0,"read",true]',
            b'[0,["."],"read","file",["/w"]]',
            b'"read"',
            b'"tree"',
        ),
        *(f'"{field.name}":'.encode() for field in fields(Call)),
        *(f'"{field.name}":'.encode() for field in fields(Answer)),
    ),
    max_bytes=4096,
)
