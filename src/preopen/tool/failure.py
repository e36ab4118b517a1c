"""An Outcome that is no result → a Reply that lets a model act: what happened, and the way out.

Whatever a guest wrote is untrusted: its stdout is sent as any result's text is, its stderr is
cleaned and cut. Nothing here tells of our own insides.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final, assert_never

from preopen.outcome import (
    Busy,
    Cancelled,
    CellLost,
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
)
from preopen.tool import media
from preopen.tool.manifest import Manifest
from preopen.tool.result import Block, Reply, TextBlock
from preopen.units import format_size, format_time

STDERR_LINES: Final = 20  # a screen's worth: the cause of a failure stands at the end
STDERR_BYTES: Final = 4 << 10

_RAW_TAIL: Final = 4 * STDERR_BYTES  # looked at before escapes are stripped; 64 KiB may be there
_REASON_SHOWN: Final = 500  # characters of a reason that a guest or a client may have shaped
_ITEMS_SHOWN: Final = 20
# CSI; then strings to the terminal (OSC, DCS, SOS, PM, APC), which end at BEL, ESC or their line so
# that an endless one costs linear time; then any other escape.
_ESCAPE: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
)
# Controls, format characters (bidi, zero width, tags), surrogates, line and paragraph separators.
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_LARGEST_STACK: Final = 2 << 20  # wasmtime panics above it (design §5)
_ANY_TEXT: Final = {"text", "json", "envelope"}


def explain_failure(manifest: Manifest, outcome: Outcome) -> Reply:
    """Return the reply for an outcome that is no result. Returned is one: `read_reply` reads it.

    What stdout held comes first, then what happened and the way out, then the tail of stderr. The
    stdout of an InvalidResult is withheld, but for the value that is wrong, shortened: what must
    be checked before it leaves was found wanting.
    """
    texts = _texts(manifest, outcome)
    said: tuple[Block, ...] = ()
    if isinstance(outcome, Exited | Trapped | OutputOverflow):
        said = _kept(manifest, outcome.stdout)
    # A client's own arguments stand in some reasons, and half a surrogate pair ends the server.
    text = "\n".join(texts).encode(errors="replace").decode()
    return Reply(content=(*said, TextBlock(text=text)), is_error=True)


def _texts(manifest: Manifest, outcome: Outcome) -> list[str]:
    """Return what happened, and the tail of stderr under a heading where there is one."""
    if not isinstance(outcome, Exited | Trapped | OutputOverflow | InvalidResult):
        return [_explain(manifest, outcome)]
    tail = _tail(outcome.stderr)
    if isinstance(outcome, Exited) and outcome.exit_code == 1 and len(tail) == 1:
        return [f"{manifest.name} failed: {tail[0]}"]  # the usual way to fail; no word too many
    heading = ["Its stderr ended with:"] if tail else []
    return [_explain(manifest, outcome), *heading, *tail]


def _explain(manifest: Manifest, outcome: Outcome) -> str:  # noqa: C901, PLR0911 - an arm for each outcome
    match outcome:
        case Exited():
            return f"{manifest.name} failed: it ended with exit code {outcome.exit_code}."
        case Trapped():
            return _trapped(manifest, outcome.reason)
        case TimedOut():
            return _timed_out(manifest, outcome)
        case OutOfFuel():
            return _out_of_fuel(manifest, outcome.limit)
        case OutputOverflow():
            return _overflowed(manifest, outcome.limit_bytes)
        case Cancelled():
            return f"The call of {manifest.name} was cancelled by the client."
        case Busy():
            return _busy(manifest, outcome)
        case InvalidArguments():
            return _misfit(manifest, outcome.problems)
        case InvalidResult():
            return _unfit(manifest, outcome)
        case Denied():
            return _denied(outcome)
        case CellLost():
            return f"{manifest.name} ended without an answer: {_line(outcome.reason)}. Try again."
        case Returned():
            raise ValueError("Returned is no failure: read_reply reads it")
    assert_never(outcome)


def _kept(manifest: Manifest, stdout: bytes) -> tuple[Block, ...]:
    """Return what stdout held, where it is text: half an image helps nobody."""
    text = stdout.decode("utf-8", errors="replace")
    promised = manifest.run.stdout
    readable = promised in _ANY_TEXT or media.is_text(media.parse_media_type(promised) or "")
    return (TextBlock(text=text),) if readable and text.strip() else ()


def _tail(stderr: bytes) -> list[str]:
    """Return the last lines of stderr that are readable."""
    lines = clean_lines(stderr[-_RAW_TAIL:].decode("utf-8", errors="replace"))
    text = "\n".join(lines[-STDERR_LINES:]).encode()[-STDERR_BYTES:].decode(errors="ignore")
    return text.split("\n") if text else []


def clean_lines(text: str) -> list[str]:
    """Return the lines that hold something, without terminal escapes and unseen characters."""
    plain = _ESCAPE.sub("", text.replace("\r", "\n")).replace("\t", " ")
    lines = (
        "".join(c for c in line if unicodedata.category(c) not in _UNSEEN).rstrip()
        for line in plain.split("\n")
    )
    return [line for line in lines if line]


def _line(text: str) -> str:
    """Return a reason as one cleaned line, without a full stop, cut."""
    line = " ".join(clean_lines(text)).strip().removesuffix(".")
    return line if len(line) <= _REASON_SHOWN else line[:_REASON_SHOWN] + "…"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _raise(manifest: Manifest, *lines: str) -> str:
    """Return how to raise a limit: the lines for `[limits]`, and where they go."""
    file = PurePath(manifest.file).name
    written = " and ".join(f"`{line}`" for line in lines)
    where = f"write {written} under [limits] in {file}"
    ceiling = "The operator's ceiling is under [limits] in preopen.toml."
    if manifest.builtin:
        return (
            f"{manifest.name} is built in: to raise it, the operator copies {file} to the tools "
            f"folder, {where.replace('write', 'writes', 1)} there, and starts with "
            f"--without {manifest.name}. {ceiling}"
        )
    return f"To raise it, {where}. {ceiling}"


def _timed_out(manifest: Manifest, outcome: TimedOut) -> str:
    is_cpu = outcome.limit == "cpu_time"
    kind = "CPU time" if is_cpu else "time"
    twice = format_time(2 * outcome.limit_ms)
    lines = [f"{outcome.limit} = {_quoted(twice)}"]
    if is_cpu and manifest.limits.cpu_time_s is None:
        lines = [f"wall_time = {_quoted(twice)}"]  # the CPU's limit follows it
    elif is_cpu and manifest.limits.wall_time_ms < 2 * outcome.limit_ms:
        lines.append(f"wall_time = {_quoted(twice)}")  # else that one stops it next
    return (
        f"{manifest.name} was stopped: it ran longer than its {kind} limit, {outcome.limit} = "
        f"{_quoted(format_time(outcome.limit_ms))}. Ask for less in one call.\n"
        f"{_raise(manifest, *lines)}"
    )


def _overflowed(manifest: Manifest, limit: int) -> str:
    twice = _quoted(format_size(2 * limit))
    return (
        f"{manifest.name} was stopped: it wrote more than its limit, output = "
        f"{_quoted(format_size(limit))}. The output is cut there. Ask for less in one call.\n"
        f"{_raise(manifest, f'output = {twice}')}"
    )


def _out_of_fuel(manifest: Manifest, limit: int) -> str:
    return (
        f"{manifest.name} was stopped: it used up its fuel = {limit}. Ask for less in one call.\n"
        f"{_raise(manifest, f'fuel = {2 * limit}')}"
    )


def _denied(outcome: Denied) -> str:
    allow = _line(outcome.denial.allow)
    way_out = f"\nTo allow it: {allow}" if allow else ""
    return f"Denied: {_line(outcome.denial.reason)}.{way_out}"


def _unfit(manifest: Manifest, outcome: InvalidResult) -> str:
    return (
        f"{manifest.name} ended well, but its result is not what its manifest promises "
        f"(stdout = {_quoted(manifest.run.stdout)}): {_line(outcome.problem)}.\n"
        f"Of what it wrote ({_counted(len(outcome.stdout), 'byte')}) no more is passed on. "
        "The tool itself needs mending; other arguments may avoid it."
    )


def _trapped(manifest: Manifest, reason: str) -> str:
    limits = manifest.limits
    text = f"{manifest.name} crashed: {_line(reason) or 'no reason is known'}."
    if "call stack exhausted" in reason:
        text += f" Its stack = {_quoted(format_size(limits.stack_bytes))} is full."
        if limits.stack_bytes < _LARGEST_STACK:
            twice = _quoted(format_size(min(2 * limits.stack_bytes, _LARGEST_STACK)))
            text += f"\n{_raise(manifest, f'stack = {twice}')}"
    elif "unreachable" in reason:
        # How guests end that could not get memory; a refused memory.grow itself is no trap.
        twice = _quoted(format_size(2 * limits.memory_bytes))
        text += (
            " The tool gave up by itself; it may have needed more than its memory = "
            f"{_quoted(format_size(limits.memory_bytes))}.\n{_raise(manifest, f'memory = {twice}')}"
        )
    return text


def _busy(manifest: Manifest, outcome: Busy) -> str:
    wait = f"Try again in {format_time(outcome.retry_after_ms)}."
    start = f"{manifest.name} is busy and was not started: {outcome.limit} = {outcome.limit_value}"
    line = f"{outcome.limit} = {2 * outcome.limit_value}"
    if outcome.limit == "cells":  # the operator's own limit, over all tools
        raised = f"To raise it, write `{line}` under [limits] in preopen.toml."
    else:
        raised = _raise(manifest, line)
    return f"{start} is reached. {wait}\n{raised}"


def _misfit(manifest: Manifest, problems: tuple[str, ...]) -> str:
    shown = _listed(map(_line, problems[:_ITEMS_SHOWN]))
    properties = manifest.input_schema.get("properties") or {}
    required = set(manifest.input_schema.get("required") or ())
    takes = ", ".join(
        f"{name} (required)" if name in required else str(name)
        for name in list(properties)[:_ITEMS_SHOWN]
    )
    return (
        f"The arguments do not fit {manifest.name}, which was not started:\n{shown}"
        f"It takes: {takes or 'no arguments'}."
    )


def _listed(items: Iterable[str]) -> str:
    return "".join(f"- {item}\n" for item in items)
