"""An Outcome that is no result → a Reply that lets a model act: what happened, and the way out.

Whatever a guest wrote is untrusted: its stdout is sent as any result's text is, its stderr is
cleaned and cut. Nothing here tells of our own insides.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final, assert_never

from preopen.capability import LIMIT_KEYS
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
    Uncompilable,
)
from preopen.tool import media
from preopen.tool.limits import RANGES, format_limit
from preopen.tool.manifest import Manifest
from preopen.tool.result import Block, Reply, TextBlock
from preopen.units import format_time

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
# What wasmtime says of a guest that one of our limits refused or ended → the limit's key.
_REFUSALS: Final = {
    "call stack exhausted": "stack",
    "exceeds memory limits": "memory",
    "the cell reached memory": "memory",  # cells/verdict.py
    "exceeds table limits": "table_elements",
    "table count too high": "tables",
    "instance count too high": "instances",
}
_MOST_CELLS: Final = 1000  # policy/preopen.schema.json
# EFBIG, in the words of most guests' C library, and of the built-in tools.
_FILE_TOO_LARGE: Final = re.compile(rb"File too large|larger than this tool may write")
_ANY_TEXT: Final = {"text", "json", "envelope"}


def explain_failure(manifest: Manifest, outcome: Outcome) -> Reply:
    """Return the reply for an outcome that is no result. Returned is one: `read_reply` reads it.

    The limits of `manifest` are those that the call was held to, which the policy may have lowered.
    What stdout held comes first, then what happened and the way out, then the tail of stderr. The
    stdout of an InvalidResult is withheld, but for the value that is wrong, shortened: what must
    be checked before it leaves was found wanting.
    """
    texts = _texts(manifest, outcome)
    said: tuple[Block, ...] = ()
    if isinstance(outcome, Exited | Trapped | OutOfFuel | OutputOverflow):
        said = _kept(manifest, outcome.stdout)
    # A client's own arguments stand in some reasons, and half a surrogate pair ends the server.
    text = "\n".join(texts).encode(errors="replace").decode()
    return Reply(content=(*said, TextBlock(text=text)), is_error=True)


def _texts(manifest: Manifest, outcome: Outcome) -> list[str]:
    """Return what happened, and the tail of stderr under a heading where there is one."""
    if not isinstance(outcome, Exited | Trapped | OutOfFuel | OutputOverflow | InvalidResult):
        return [_explain(manifest, outcome)]
    tail = _tail(outcome.stderr)
    if isinstance(outcome, Exited) and outcome.exit_code == 1 and len(tail) == 1:
        # The usual way to fail; no word too many.
        return [f"{manifest.name} failed: {tail[0]}", *_file_size(manifest, outcome)]
    heading = ["Its stderr ended with:"] if tail else []
    return [_explain(manifest, outcome), *_file_size(manifest, outcome), *heading, *tail]


def _explain(manifest: Manifest, outcome: Outcome) -> str:  # noqa: C901, PLR0911, PLR0912 - an arm for each outcome
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
        case Uncompilable():
            return _uncompilable(manifest, outcome.reason)
        case CellLost():
            return _lost(manifest, outcome)
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


def one_line(text: str) -> str:
    """Return a reason as one cleaned line, without a full stop, cut."""
    line = " ".join(clean_lines(text)).strip().removesuffix(".")
    return line if len(line) <= _REASON_SHOWN else line[:_REASON_SHOWN] + "…"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def how_to_raise(manifest: Manifest, *lines: str) -> str:
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


def written(key: str, number: int) -> str:
    """Return a limit's line under `[limits]`, as people write it."""
    text = format_limit(key, number)
    return f"{key} = {text if text.isdecimal() else _quoted(text)}"


def twice(key: str, number: int) -> str:
    """Return the line that doubles a limit, as far as it can be raised at all."""
    return written(key, min(max(1, 2 * number), RANGES[key][1]))


def held_to(manifest: Manifest, key: str) -> int:
    """Return what a call is held to, in the unit of the limit's field."""
    number: int = getattr(manifest.limits, LIMIT_KEYS[key])
    return number


def _timed_out(manifest: Manifest, outcome: TimedOut) -> str:
    is_cpu = outcome.limit == "cpu_time"
    kind, number = ("CPU time", outcome.limit_ms // 1000) if is_cpu else ("time", outcome.limit_ms)
    wall = twice("wall_time", outcome.limit_ms)
    lines = [twice(outcome.limit, number)]
    if is_cpu and manifest.limits.cpu_time_s is None:
        lines = [wall]  # the CPU's limit follows it
    elif is_cpu and manifest.limits.wall_time_ms < 2 * outcome.limit_ms:
        lines.append(wall)  # else that one stops it next
    return (
        f"{manifest.name} was stopped: it ran longer than its {kind} limit, "
        f"{written(outcome.limit, number)}. Ask for less in one call.\n"
        f"{how_to_raise(manifest, *lines)}"
    )


def _overflowed(manifest: Manifest, limit: int) -> str:
    return (
        f"{manifest.name} was stopped: it wrote more than its limit, {written('output', limit)}. "
        "The output is cut there. Ask for less in one call.\n"
        f"{how_to_raise(manifest, twice('output', limit))}"
    )


def _out_of_fuel(manifest: Manifest, limit: int) -> str:
    return (
        f"{manifest.name} was stopped: it used up its {written('fuel', limit)}. "
        f"Ask for less in one call.\n{how_to_raise(manifest, twice('fuel', limit))}"
    )


def _file_size(manifest: Manifest, outcome: Outcome) -> list[str]:
    """Return what a guest's own error most likely comes from, in a line; or nothing."""
    if not isinstance(outcome, Exited) or not _FILE_TOO_LARGE.search(outcome.stderr):
        return []
    size = held_to(manifest, "file_size")
    limit, more = written("file_size", size), how_to_raise(manifest, twice("file_size", size))
    return [f"No file may grow past its limit, {limit}. {more}"]


def _denied(outcome: Denied) -> str:
    allow = one_line(outcome.denial.allow)
    way_out = f"\nTo allow it: {allow}" if allow else ""
    return f"Denied: {one_line(outcome.denial.reason)}.{way_out}"


def _unfit(manifest: Manifest, outcome: InvalidResult) -> str:
    return (
        f"{manifest.name} ended well, but its result is not what its manifest promises "
        f"(stdout = {_quoted(manifest.run.stdout)}): {one_line(outcome.problem)}.\n"
        f"Of what it wrote ({_counted(len(outcome.stdout), 'byte')}) no more is passed on. "
        "The tool itself needs mending; other arguments may avoid it."
    )


def _trapped(manifest: Manifest, reason: str) -> str:
    text = f"{manifest.name} crashed: {one_line(reason) or 'no reason is known'}."
    key = next((key for words, key in _REFUSALS.items() if words in reason), None)
    if key is not None:
        return f"{text}{_hit(manifest, key)}"
    if "unreachable" in reason:
        # How guests end that could not get memory; a refused memory.grow itself is no trap.
        number = held_to(manifest, "memory")
        text += (
            " The tool gave up by itself; it may have needed more than its "
            f"{written('memory', number)}.\n{how_to_raise(manifest, twice('memory', number))}"
        )
    return text


def _hit(manifest: Manifest, key: str) -> str:
    number = held_to(manifest, key)
    text = f" That is its limit, {written(key, number)}."
    if number < RANGES[key][1]:
        text += f"\n{how_to_raise(manifest, twice(key, number))}"
    return text


def _busy(manifest: Manifest, outcome: Busy) -> str:
    limit, number = outcome.limit, outcome.limit_value
    match limit:
        case "cells":  # the operator's own limit, over all tools
            full = f"the calls of all tools together have used up cells = {number}"
            line = f"cells = {min(2 * number, _MOST_CELLS)}"
            raised = f"To raise it, write `{line}` under [limits] in preopen.toml."
        case "rate":
            full = f"its calls of the last minute have used up {written(limit, number)}"
            raised = how_to_raise(manifest, twice(limit, number))
        case _:
            runs = held_to(manifest, "concurrency")
            running, waiting = written("concurrency", runs), written(limit, number)
            full = f"{running} of its calls run and {waiting} wait"
            raised = how_to_raise(manifest, twice("concurrency", runs), twice(limit, number))
    wait = format_time(outcome.retry_after_ms)
    return f"{manifest.name} was not started: {full}. Try again in {wait}.\n{raised}"


def _uncompilable(manifest: Manifest, reason: str) -> str:
    return (
        f"{manifest.name} was not started: {one_line(reason)}.\nTrying again does not help: the "
        "binary itself must be mended or replaced. The operator runs "
        f"`preopen check {PurePath(manifest.file).name}`, which compiles it and says what is wrong."
    )


def _lost(manifest: Manifest, outcome: CellLost) -> str:
    if outcome.may_pass:
        return f"{manifest.name} ended without an answer: {one_line(outcome.reason)}. Try again."
    return (
        f"{manifest.name} was not started: {one_line(outcome.reason)}.\nTrying again does not help "
        "before the operator has mended that; `preopen doctor` says what this machine lacks."
    )


def _misfit(manifest: Manifest, problems: tuple[str, ...]) -> str:
    shown = _listed(map(one_line, problems[:_ITEMS_SHOWN]))
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
