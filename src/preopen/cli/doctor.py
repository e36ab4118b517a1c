"""`preopen doctor`: whether this machine and this configuration are fit, by trying each part."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

import click

from preopen.cli.health.folders import examine_folders
from preopen.cli.health.line import Line, State, lines_of
from preopen.cli.health.machine import examine_machine
from preopen.cli.health.operator import SECTION, examine_operator, refused_lines
from preopen.cli.health.trial import examine_sandbox
from preopen.cli.health.walls import examine_wall
from preopen.cli.interrupts import ending_at_once
from preopen.cli.options import approve_flag, examples, json_flag, policy_flags, wall_flag
from preopen.cli.printing import is_terminal, safe, say, say_json
from preopen.cli.surroundings import read_surroundings
from preopen.errors import PlatformError, PolicyError
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy

_NO = 1
_WIDTH = 80
_WORDS = {State.OK: "ok", State.WARN: "warn", State.FAIL: "FAIL"}
_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
_INDENT = 2 + 6  # before the name: two spaces, the longest word, two spaces
_NAME = 19  # the longest name, and two spaces


@click.command(
    "doctor",
    short_help="Try this machine and this configuration, part by part.",
    epilog=examples(
        "preopen doctor",
        "preopen doctor --workspace ~/src/app --require-wall all",
        "preopen doctor --json",
    ),
)
@policy_flags
@approve_flag
@wall_flag
@json_flag
def command(flags: Flags, *, approve_all: bool, as_json: bool) -> int:
    """Try what preopen needs: Python, sandbox, each layer of the wall, folders, policy, workspace.

    Whatever does not stand well comes with the way out. Nothing is changed but the cache and its
    key, which are filled as by a call. Exits with 1 where something fails; a warning is none.
    """
    lines: list[Line] = []
    for line in examine(flags, approve_all=approve_all):
        if not as_json:
            _say(line, first=not lines or lines[-1].section != line.section)
        lines.append(line)
    if as_json:
        say_json({"checks": [line_to_json(line) for line in lines]})
    else:
        say(f"\n{summary(lines)}")
    return _NO if any(line.state is State.FAIL for line in lines) else 0


def examine(flags: Flags, *, approve_all: bool) -> Iterator[Line]:
    """Yield each check as it is made; a policy that is refused is one more fault, not the end."""
    around, policy, ends = _read(flags)
    yield from examine_machine(policy)
    yield from examine_wall(policy)
    folders = [] if around is None else list(examine_folders(around))
    yield from folders
    usable = not any(line.state is State.FAIL for line in folders)
    yield from examine_sandbox(policy, around if usable else None)
    if ends or around is None:
        yield from ends
        return
    yield from examine_operator(policy, flags, around, approve_all=approve_all)


def _read(flags: Flags) -> tuple[Surroundings | None, Policy, list[Line]]:
    """Return what could be read; beside it the lines that say what could not."""
    nothing = Policy(workspace=None)
    try:
        around = read_surroundings()
    except PlatformError as error:
        return None, nothing, lines_of(SECTION, "surroundings", error.faults)
    try:
        return around, load_policy(flags, around), []
    except PolicyError as error:
        return around, nothing, list(refused_lines(error))


def line_to_json(line: Line) -> dict[str, str]:
    """Return a line as `--json` shows it."""
    return {
        "section": line.section,
        "name": line.name,
        "state": line.state.value,
        "found": line.found,
        "way_out": line.way_out,
    }


def summary(lines: Iterable[Line]) -> str:
    """Return the last line: how many of each."""
    counts = Counter(line.state for line in lines)
    fails, warns = counts[State.FAIL], counts[State.WARN]
    parts = [f"{counts[State.OK]} ok"]
    parts += [f"{warns} warning{'' if warns == 1 else 's'}"] if warns else []
    parts += [f"{fails} fault{'' if fails == 1 else 's'}"] if fails else []
    return ", ".join(parts)


def _say(line: Line, *, first: bool) -> None:
    """Print a line and its way out below it, within 80 columns; a longer word stays whole."""
    if first:
        say(f"\n{line.section}" if line.section != "machine" else line.section)
    state, rest = _WORDS[line.state], "\n".join(_wrapped(line))
    if not is_terminal():
        say(f"  {state:<4}  {rest}")
        return
    # Only a person waits for these imports.
    with ending_at_once():
        from rich.console import Console  # noqa: PLC0415 - as said above
        from rich.text import Text  # noqa: PLC0415 - as said above

    text = Text("  ").append(f"{state:<4}", style=_COLOURS[line.state]).append(f"  {safe(rest)}")
    Console(soft_wrap=True).print(text)


def _wrapped(line: Line) -> Iterator[str]:
    """Yield the rest of a line after its state: the name, what was found, the way out."""
    indent = " " * (_INDENT + _NAME)
    width = _WIDTH - len(indent)
    found = textwrap.wrap(line.found, width, break_long_words=False, break_on_hyphens=False)
    way = textwrap.wrap(
        line.way_out and f"-> {line.way_out}",
        width,
        subsequent_indent="   ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    head, *more = found or [""]
    yield f"{line.name:<{_NAME}}{head}".rstrip()
    yield from (f"{indent}{each}" for each in (*more, *way))
