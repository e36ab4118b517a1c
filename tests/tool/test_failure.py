import re
import unicodedata
from typing import TypedDict, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.capability import LIMIT_KEYS, Limits
from preopen.level import PermissionLevel
from preopen.outcome import (
    Busy,
    Cancelled,
    CellLost,
    Denial,
    Denied,
    Exited,
    InvalidArguments,
    InvalidResult,
    Outcome,
    OutOfFuel,
    OutputOverflow,
    Returned,
    TimedOut,
    Trapped,
    Uncompilable,
)
from preopen.tool.failure import STDERR_BYTES, STDERR_LINES, clean_lines, explain_failure
from preopen.tool.limits import RANGES, format_limit
from preopen.tool.manifest import Manifest, Run
from preopen.tool.result import TextBlock


class OfManifest(TypedDict, total=False):
    """What a test chooses of its manifest."""

    stdout: str
    builtin: bool
    limits: Limits


def manifest(
    *, stdout: str = "text", builtin: bool = False, limits: Limits | None = None
) -> Manifest:
    return Manifest(
        file="/home/me/tools/fetch.toml",
        name="fetch",
        title="T",
        description="d",
        level=PermissionLevel.NONE,
        binary_path="/home/me/tools/fetch.wasm",
        sha256="00",
        run=Run(stdout=stdout),
        input_schema={"properties": {"url": {}, "depth": {}}, "required": ["url"]},
        limits=limits or Limits(),
        asked_limits={},
        document={},
        builtin=builtin,
    )


def texts(outcome: Outcome, **of_manifest: Unpack[OfManifest]) -> list[str]:
    reply = explain_failure(manifest(**of_manifest), outcome)
    assert reply.is_error
    assert reply.structured is None
    blocks = [block for block in reply.content if isinstance(block, TextBlock)]
    assert len(blocks) == len(reply.content)
    return [block.text for block in blocks]


def only(outcome: Outcome, **of_manifest: Unpack[OfManifest]) -> str:
    (text,) = texts(outcome, **of_manifest)
    return text


def test_an_exit_code_shows_stdout_first_and_then_the_tail_of_stderr() -> None:
    """Design §5, Results: what stdout held comes first, then the tail of stderr."""
    out, said = texts(Exited(exit_code=3, stdout=b"half\xff", stderr=b"one\ntwo\n"))

    assert out == "half\ufffd"
    assert said == "fetch failed: it ended with exit code 3.\nIts stderr ended with:\none\ntwo"
    assert texts(Exited(exit_code=1, stdout=b" \n")) == ["fetch failed: it ended with exit code 1."]


def test_the_usual_way_to_fail_takes_no_word_too_many() -> None:
    """Ours: a model pays for each; exit code 1 and one line of stderr say all there is."""
    (said,) = texts(Exited(exit_code=1, stderr=b"a.txt does not exist\n"))

    assert said == "fetch failed: a.txt does not exist"


def test_binary_output_of_a_failed_tool_is_not_shown_as_text() -> None:
    """Ours: half an image helps nobody; text of another type does."""
    failed = Exited(exit_code=1, stdout=b"\x89PNG")

    assert len(texts(failed, stdout="image/png")) == 1
    assert len(texts(failed, stdout="text/csv")) == 2


def test_only_the_end_of_stderr_is_shown() -> None:
    """Ours: a cause stands at the end; the model's context is no log file."""
    text = only(Exited(exit_code=1, stderr=b"".join(b"line %d\n" % n for n in range(5000))))
    long = only(Exited(exit_code=1, stderr="é".encode() * 100_000 + b" end"))

    assert text.splitlines()[2:] == [f"line {n}" for n in range(5000 - STDERR_LINES, 5000)]
    assert long.endswith("é end")
    assert len(long.encode()) <= STDERR_BYTES + 200


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31;1mred\x1b[0m", ["red"]),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", ["ab"]),
        ("\x1bP1$r\x1b\\a\x1b(Bb\x1bcc", ["abc"]),
        ("10%\r20%\r\nend", ["10%", "20%", "end"]),
        ("a\tb\0\x08\x9b\u202e\u200b\ufeff\U000e0041c", ["a bc"]),
        ("a\u2028b", ["ab"]),
        ("\x1b", []),
        ("\x1b]endless\nnext", ["next"]),
    ],
)
def test_terminal_escapes_and_unseen_characters_are_stripped(
    written: str, shown: list[str]
) -> None:
    """Ours: stderr is untrusted, and is read by people in terminals and by models."""
    assert clean_lines(written) == shown


@given(st.text())
def test_no_control_or_format_character_is_left(text: str) -> None:
    """Ours: the same for any text."""
    for line in clean_lines(text):
        assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_hostile_escapes_take_linear_time() -> None:
    """Ours: strings to the terminal that never end; quadratic, this would not come back."""
    assert clean_lines("\x1b]" * 500_000) == []


def test_a_timeout_names_its_limit_and_how_to_raise_it() -> None:
    """Ours: a limit that was hit is named with its value and with the line that raises it."""
    text = only(TimedOut(limit="wall_time", limit_ms=10_000))

    assert 'wall_time = "10s"' in text
    assert '`wall_time = "20s"` under [limits] in fetch.toml.' in text
    assert "ceiling is under [limits] in preopen.toml" in text
    assert "/home/me" not in text


def test_a_cpu_timeout_names_the_limit_that_stands_in_the_way() -> None:
    """Design §5, Limits: cpu_time follows wall_time unless it is written."""
    stopped = TimedOut(limit="cpu_time", limit_ms=10_000)
    tight = only(stopped, limits=Limits(cpu_time_s=10, wall_time_ms=10_000))
    wide = only(stopped, limits=Limits(cpu_time_s=10, wall_time_ms=60_000))

    assert '`wall_time = "20s"` under' in only(stopped)
    assert '`cpu_time = "20s"` and `wall_time = "20s"` under' in tight
    assert '`cpu_time = "20s"` under' in wide


def test_a_limit_of_a_built_in_is_raised_in_a_copy() -> None:
    """Design §5, Names: `--without NAME` frees a built-in's name."""
    text = only(TimedOut(limit="wall_time", limit_ms=10_000), builtin=True)

    assert "copies fetch.toml to the tools folder" in text
    assert "--without fetch" in text


def test_an_overflow_shows_the_part_that_was_kept() -> None:
    """Design §5, Results: OutputOverflow, and the part kept is shown."""
    kept, text = texts(OutputOverflow(limit_bytes=1 << 20, stdout=b"aaa", stderr=b"warned"))

    assert kept == "aaa"
    assert 'output = "1MiB"' in text
    assert '`output = "2MiB"`' in text
    assert text.endswith("Its stderr ended with:\nwarned")


def test_a_trap_says_what_wasmtime_said_and_which_limit_it_may_have_hit() -> None:
    """Design §5, Limits: stack ends in Trapped; memory in the guest's own failure."""
    full = Trapped(reason="wasm trap: call stack exhausted", stderr=b"deep")
    gave_up = Trapped(reason="wasm trap: wasm `unreachable` instruction executed")

    assert 'That is its limit, stack = "1MiB".' in only(full)
    assert '`stack = "2MiB"`' in only(full)
    assert only(full).endswith("Its stderr ended with:\ndeep")
    assert "To raise it" not in only(full, limits=Limits(stack_bytes=2 << 20))
    assert '`memory = "128MiB"`' in only(gave_up)
    assert only(Trapped(reason="")) == "fetch crashed: no reason is known."


def test_fuel_names_its_limit() -> None:
    """Design §5, Limits: fuel ends in OutOfFuel."""
    assert "fuel = 100." in only(OutOfFuel(limit=100))
    assert "`fuel = 200`" in only(OutOfFuel(limit=100))
    kept, text = texts(OutOfFuel(limit=100, stdout=b"aaa", stderr=b"warned"))
    assert kept == "aaa"
    assert text.endswith("Its stderr ended with:\nwarned")


def test_limit_at_its_end_is_not_told_to_be_raised_past_it() -> None:
    """Ours: what a text says to write is a value that a manifest may hold."""
    high = RANGES["fuel"][1]
    assert f"`fuel = {high}`" in only(OutOfFuel(limit=high - 1))
    assert "`cells = 1000`" in only(Busy(limit="cells", limit_value=999, retry_after_ms=1))


def test_busy_says_when_to_try_again_and_whose_limit_it_is() -> None:
    """Design §5, Limits: Busy, with when to retry."""
    queue = only(Busy(limit="queue", limit_value=0, retry_after_ms=500))
    cells = only(Busy(limit="cells", limit_value=32, retry_after_ms=1000))
    rate = only(Busy(limit="rate", limit_value=10, retry_after_ms=59_999))

    assert "concurrency = 4 of its calls run and queue = 0 wait. Try again in 500ms." in queue
    assert "`concurrency = 8` and `queue = 1` under [limits] in fetch.toml" in queue
    assert "`cells = 64` under [limits] in preopen.toml" in cells
    assert "fetch.toml" not in cells
    assert "of the last minute have used up rate = 10. Try again in 59999ms." in rate


# The outcome in which each limit ends; None where the guest goes on with an error of its own, or
# with less, and nothing that we see tells it from any other.
ENDS: dict[str, Outcome | None] = {
    "wall_time": TimedOut(limit="wall_time", limit_ms=Limits().wall_time_ms),
    "cpu_time": TimedOut(limit="cpu_time", limit_ms=10_000),
    "memory": Trapped(reason="memory minimum size of 10 pages exceeds memory limits"),
    "stack": Trapped(reason="wasm trap: call stack exhausted"),
    "table_elements": Trapped(reason="table minimum size of 9 elements exceeds table limits"),
    "tables": Trapped(reason="resource limit exceeded: table count too high at 17"),
    "instances": Trapped(reason="resource limit exceeded: instance count too high at 65"),
    "output": OutputOverflow(limit_bytes=Limits().output_bytes),
    "stderr": None,  # the guest goes on, and a line in what was kept says that it was cut
    "file_size": Exited(exit_code=1, stderr=b"big: File too large (os error 22)"),
    "open_files": None,  # EIO, like any other fault of a disk
    "request_bytes": None,  # these three: a request fails, and `network_failure.py` says why
    "response_bytes": None,
    "requests": None,
    "concurrency": Busy(limit="queue", limit_value=Limits().queue, retry_after_ms=1),
    "queue": Busy(limit="queue", limit_value=Limits().queue, retry_after_ms=1),
    "rate": Busy(limit="rate", limit_value=7, retry_after_ms=1),
    "fuel": OutOfFuel(limit=1000),
}


@pytest.mark.parametrize("key", LIMIT_KEYS)
def test_each_end_names_its_limit_with_its_value_and_the_key_that_raises_it(key: str) -> None:
    """Issue: each end names the limit, its value, and the key that raises it."""
    held = Limits(rate=7, fuel=1000, cpu_time_s=10, wall_time_ms=10_000)
    outcome = ENDS[key]
    if outcome is None:
        return
    text = only(outcome, limits=held)
    number = format_limit(key, getattr(held, LIMIT_KEYS[key]))
    value = number if number.isdecimal() else f'"{number}"'

    assert f"{key} = {value}" in text
    assert re.search(rf"`{key} = [^`]+`.* under \[limits\] in fetch.toml", text)


def test_only_the_guests_own_errors_name_no_limit() -> None:
    """Ours: a new limit is added to the list above, or to this one with its reason."""
    network = {"request_bytes", "response_bytes", "requests"}
    unsaid = {key for key, outcome in ENDS.items() if outcome is None}
    assert unsaid == {"stderr", "open_files"} | network
    assert set(ENDS) == set(LIMIT_KEYS)


def test_invalid_arguments_are_listed_with_what_the_tool_takes() -> None:
    """Ours: a model mends its call from this text alone."""
    text = only(InvalidArguments(problems=("url: missing", "deep\x1b[1m: unknown\nkey")))

    assert "- url: missing\n- deep: unknown key\n" in text
    assert text.endswith("It takes: url (required), depth.")
    assert only(InvalidArguments(problems=("x",) * 5000)).count("\n- ") == 20


def test_an_invalid_result_is_explained_and_withheld() -> None:
    """Design §5: `[output]` is checked before it leaves, so what did not fit stays."""
    text = only(
        InvalidResult(problem="a: expected an integer", stdout=b"secret", stderr=b"oops"),
        stdout="json",
    )

    assert '(stdout = "json"): a: expected an integer.' in text
    assert "6 bytes" in text
    assert "secret" not in text
    assert text.endswith("Its stderr ended with:\noops")


def test_a_denial_carries_the_line_that_would_allow_it() -> None:
    """Design §2: Denial, with the line that would allow it."""
    denial = Denial(target="/etc", reason='"/etc" is outside', allow='--folder etc="/etc"')

    assert only(Denied(denial=denial)) == (
        'Denied: "/etc" is outside.\nTo allow it: --folder etc="/etc"'
    )
    assert only(Denied(denial=Denial(target="x", reason="no."))) == "Denied: no."


def test_the_rest_is_said_in_one_line() -> None:
    """Ours: Cancelled and CellLost have no limit to raise."""
    assert only(Cancelled()) == "The call of fetch was cancelled by the client."
    assert only(CellLost(reason="signal 9")) == (
        "fetch ended without an answer: signal 9. Try again."
    )


def test_a_binary_that_does_not_compile_is_the_operators_to_mend() -> None:
    """Issue: nobody is told to try again what cannot go better, and the way out is named."""
    said = only(Uncompilable(reason="fetch.wasm: wasmtime cannot compile it: it is cut; rebuild"))

    assert said == (
        "fetch was not started: fetch.wasm: wasmtime cannot compile it: it is cut; rebuild.\n"
        "Trying again does not help: the binary itself must be mended or replaced. "
        "The operator runs `preopen check fetch.toml`, which compiles it and says what is wrong."
    )


def test_a_machine_that_cannot_run_it_is_not_asked_again() -> None:
    """Issue: a fault of the platform says "Try again" only where that may help."""
    said = only(CellLost(reason="/cache: it is a file; remove it", may_pass=False))

    assert "Try again" not in said
    assert "fetch was not started: /cache: it is a file; remove it.\n" in said
    assert "`preopen doctor`" in said


def test_a_result_is_no_failure() -> None:
    """Ours: a bug of ours is an exception."""
    with pytest.raises(ValueError, match="read_reply reads it"):
        explain_failure(manifest(), Returned(stdout=b""))


OUTCOMES = st.one_of(
    st.builds(Exited, exit_code=st.integers(), stdout=st.binary(), stderr=st.binary()),
    st.builds(Trapped, reason=st.text(), stdout=st.binary(), stderr=st.binary()),
    st.builds(
        TimedOut, limit=st.sampled_from(["wall_time", "cpu_time"]), limit_ms=st.integers(1, 10**9)
    ),
    st.builds(OutOfFuel, limit=st.integers(1, 10**14), stdout=st.binary(), stderr=st.binary()),
    st.builds(
        Busy,
        limit=st.sampled_from(["queue", "rate", "cells"]),
        limit_value=st.integers(1, 10**6),
        retry_after_ms=st.integers(1, 60_000),
    ),
    st.builds(OutputOverflow, limit_bytes=st.integers(1, 1 << 40), stdout=st.binary()),
    st.builds(InvalidArguments, problems=st.lists(st.text()).map(tuple)),
    st.builds(InvalidResult, problem=st.text(), stdout=st.binary(), stderr=st.binary()),
    st.builds(
        Denied, denial=st.builds(Denial, target=st.text(), reason=st.text(), allow=st.text())
    ),
    st.builds(Uncompilable, reason=st.text()),
    st.builds(CellLost, reason=st.text(), may_pass=st.booleans()),
)


@given(OUTCOMES, st.sampled_from(["text", "json", "image/png"]))
def test_any_failure_is_a_reply_that_can_be_sent(outcome: Outcome, stdout: str) -> None:
    """Design §7: one lone surrogate in a result kills the server."""
    for text in texts(outcome, stdout=stdout):
        assert text.encode()
