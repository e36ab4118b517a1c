import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.capability import Access, Limits, Mount, Reach
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

BINARY = Binary(sha256="ab" * 32, kind="module", stack_bytes=1 << 20)
MOUNT = Mount(
    folder=7,
    guest_paths=("/w", "."),
    access=Access.WRITE,
    reach=Reach.TREE,
    host_paths=("/w",),
)
CALL = Call(
    binary=BINARY,
    argv=("read", "a b\n", "ü"),
    environment=(("TZ", "UTC"),),
    mounts=(MOUNT,),
    rules=(Rule(descriptor=7, access=Access.WRITE, is_file=False),),
    limits=Limits(cpu_time_s=3),
    calls_left=2,
    stdin=b"\x00\xff",
)
LIMITS = [getattr(CALL.limits, each.name) for each in fields(CALL.limits)]
FRAMES: list[Frame] = [
    Load(binary=BINARY),
    Load(binary=replace(BINARY, counts_fuel=True)),
    Loaded(binary=BINARY, fault="because"),
    Forget(binary=BINARY),
    Fork(first=3, count=2),
    Hello(layers=("seccomp",), missing={"landlock": "old kernel"}),
    Forked(cell=3, pid=77),
    Reaped(cell=3, status=9, cpu_ms=1.5, max_rss_bytes=1 << 20),
    CALL,
    Answer(end="out_of_fuel", fuel_used=7),
    Answer(end="exited", stdout=b"\xff\x00", stderr=b"e", cpu_ms=2, peak_memory_bytes=5),
]


def split(data: bytes) -> tuple[bytes, bytes, int]:
    """Take a frame's bytes apart as the channel does."""
    header, body, count = PREFIX.unpack_from(data)
    start = PREFIX.size
    assert len(data) == start + header + body
    return data[start : start + header], data[start + header :], count


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_frame_survives_the_way_there(frame: Frame) -> None:
    """Ours: what is decoded is what was encoded."""
    data, descriptors = encode(frame)
    text, body, count = split(data)

    assert count == len(descriptors)
    assert frame == decode(text, body, descriptors)


def test_descriptors_are_named_by_place_and_each_is_sent_once() -> None:
    """Ours: a mount and its rule share one descriptor, which has another number in the cell."""
    data, descriptors = encode(CALL)
    text, body, _ = split(data)
    call = decode(text, body, (42,))

    assert descriptors == (7,)
    assert isinstance(call, Call)
    assert call.rules is not None
    assert (call.mounts[0].folder, call.rules[0].descriptor) == (42, 42)


def answers_with(**fields: object) -> Iterator[bytes]:
    """Yield the header of an answer in which each of these fields is not what it should be."""
    good = json.loads(split(encode(FRAMES[-1])[0])[0])
    for name, value in fields.items():
        yield json.dumps(good | {name: value}).encode()


def test_answer_of_a_hostile_cell_is_no_frame() -> None:
    """Ours: every field of an answer is checked, for the cell may have been taken over."""
    hostile = [
        *answers_with(
            end="fine",
            exit_code="0",
            reason=7,
            cpu_ms="1",
            peak_memory_bytes=None,
            memory_of=3,
            fuel_used="1",
            stdout_bytes=10**9,
            unknown=1,
        ),
        *answers_with(stdout_bytes=-1, exit_code=True, fuel_used=True, frame="Nothing"),
    ]
    for text in hostile:
        with pytest.raises(FrameError):
            decode(text, b"\xff\x00e")


def test_binary_of_an_unknown_engine_is_no_frame() -> None:
    """Ours: 1 is no true; the engine is chosen by it."""
    text = encode(Load(binary=BINARY))[0][PREFIX.size :].replace(b"false", b"1")
    with pytest.raises(FrameError):
        decode(text, b"")


def test_number_that_no_arithmetic_takes_is_no_frame() -> None:
    """Ours: Python reads NaN and integers of 4300 digits out of JSON, and raises at them later."""
    for number in (float("nan"), float("inf"), -float("inf"), 1e300, 10**400, -(1 << 63)):
        for text in answers_with(cpu_ms=number, peak_memory_bytes=number, exit_code=number):
            with pytest.raises(FrameError):
                decode(text, b"\xff\x00e")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("argv", "text"),
        ("environment", [["TZ", 1]]),
        ("environment", ["ab"]),
        ("mounts", [[0, "/w", "read", "tree", ["/w"]]]),
        ("mounts", [[-1, ["/w"], "read", "tree", ["/w"]]]),
        ("mounts", [[False, ["/w"], "read", "tree", ["/w"]]]),
        ("rules", [[-1, "read", True]]),
        ("limits", {}),
        ("limits", []),
        ("limits", [*LIMITS, 1]),
        *(("limits", [wrong, *LIMITS[1:]]) for wrong in ("1", None, True, 1 << 63, 1.5, [1])),
    ],
)
def test_call_with_a_field_of_another_type_is_no_frame(name: str, value: object) -> None:
    """Ours: a string is no list of its letters, and -1 not the last descriptor."""
    text, body, _ = split(encode(CALL)[0])
    assert isinstance(decode(text, body, (42,)), Call)

    with pytest.raises(FrameError):
        decode(json.dumps(json.loads(text) | {name: value}).encode(), body, (42,))


@given(st.binary(max_size=300), st.binary(max_size=10))
def test_any_bytes_are_a_frame_or_a_frame_error(text: bytes, body: bytes) -> None:
    """Ours: what comes from a cell can end its channel and nothing more."""
    with contextlib.suppress(FrameError):
        decode(text, body)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_values_in_a_frame_s_fields_are_checked(value: object) -> None:
    """Ours: as above, past the JSON."""
    for name in ("Call", "Answer", "Hello", "Loaded", "Reaped", "Forked", "Load", "Fork"):
        keys = ("cell", "binary", "missing", "layers", "fault", "argv", "end", "stdout_bytes")
        header = json.dumps(dict.fromkeys(keys, value) | {"frame": name}).encode()
        with pytest.raises(FrameError):
            decode(header, b"")


def test_deep_json_is_a_frame_error() -> None:
    """Ours: a RecursionError never leaves the reader."""
    with pytest.raises(FrameError):
        decode(b"[" * 100_000, b"")


def test_more_descriptors_than_the_kernel_sends_are_refused() -> None:
    """unix(7): SCM_MAX_FD is 253."""
    mounts = tuple(
        Mount(
            folder=number,
            guest_paths=(".",),
            access=Access.READ,
            reach=Reach.TREE,
            host_paths=("/",),
        )
        for number in range(241)
    )
    many = Call(
        binary=BINARY,
        argv=(),
        environment=(),
        mounts=mounts,
        rules=None,
        limits=Limits(),
        calls_left=1,
    )
    with pytest.raises(FrameError, match="241"):
        encode(many)


def test_encode_opens_and_closes_nothing() -> None:
    """Ours: descriptors belong to whoever holds the Mount."""
    before = os.listdir("/proc/self/fd")
    encode(CALL)

    assert before == os.listdir("/proc/self/fd")
