"""`preopen learn TOOL`: the smallest manifest that some calls would have needed, as a diff."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from preopen.cli.approvals import read_approvals
from preopen.cli.arguments import read_object, read_pairs
from preopen.cli.beginning import Start, begin
from preopen.cli.consent import ask_at_terminal
from preopen.cli.finding import find_tool, withheld_text
from preopen.cli.learned import learned_lines, learned_to_json
from preopen.cli.looping import run_loop
from preopen.cli.options import (
    approve_flag,
    examples,
    json_flag,
    policy_flags,
    spawn_flag,
    wall_flag,
)
from preopen.cli.printing import fault_to_json, say, say_json, warn
from preopen.cli.starting import open_cells
from preopen.cli.surroundings import read_surroundings
from preopen.outcome import JsonValue
from preopen.policy.flags import Flags
from preopen.policy.settings import load_policy
from preopen.schema import fill_defaults
from preopen.serving.invocation import make_invoker
from preopen.serving.learning import Calls, Learned, Learner
from preopen.serving.loading import load_registry
from preopen.serving.registry import Tool
from preopen.tool.strict_json import parse_json
from preopen.trust.consent import Caller

_REFUSED = 3
MAX_CALLS: Final = 1000  # each is a process; what a person learns from is a handful
MAX_BYTES: Final = 16 << 20  # of a file of calls


@click.command(
    "learn",
    short_help="Run calls, and say the smallest manifest that would do.",
    epilog=examples(
        "preopen learn my-tool path=README.md --manifests ./tools",
        "preopen learn my-tool --calls calls.jsonl --manifests ./tools",
        "preopen learn fetch url=https://docs.python.org/3/ --json",
    ),
)
@click.argument("name", metavar="TOOL")
@click.argument("pairs", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "--args", "text", metavar="JSON", help="All arguments as one JSON object; - reads stdin."
)
@click.option(
    "--calls",
    "file",
    metavar="FILE",
    help="A JSON object of arguments in each line; - reads stdin.",
)
@policy_flags
@approve_flag
@spawn_flag
@wall_flag
@json_flag
def command(
    name: str,
    pairs: tuple[str, ...],
    text: str | None,
    file: str | None,
    flags: Flags,
    *,
    approve_all: bool,
    spawn: bool,
    as_json: bool,
) -> int:
    """Run calls of TOOL exactly as the server would, and print the smallest manifest for them.

    The calls are real: what they write is written. Nothing is granted by it, and no file of yours
    is changed: what is printed is a diff to the present manifest, with a reason for each change.
    Exits with 0 whatever was learned, 2 when arguments do not fit.
    """
    around = read_surroundings()
    policy = load_policy(flags, around)
    approvals = read_approvals(around, approve_all=approve_all)
    tool = find_tool(load_registry(policy, approvals), name)
    if not isinstance(tool, Tool):
        if as_json:
            faults = [fault_to_json(fault) for fault in tool.faults]
            say_json({"name": name, "offered": False, "faults": faults})
        else:
            warn(withheld_text(tool))
        return _REFUSED
    calls = [*_calls(pairs, text, file, tool)]
    _check(tool, calls)
    start = begin(flags, policy, around, approve_all=approve_all, spawn=spawn)
    learned = _learn(start, tool, calls)
    if as_json:
        say_json(learned_to_json(tool, learned))
    else:
        say("\n".join(learned_lines(tool, learned)))
    return 0


def _calls(
    pairs: tuple[str, ...], text: str | None, file: str | None, tool: Tool
) -> Iterator[dict[str, JsonValue]]:
    given = sum((bool(pairs), text is not None, file is not None))
    if given > 1:
        raise click.UsageError("arguments are given twice; write --calls, --args or key=value")
    if file is not None:
        yield from _read_calls(file)
    elif text is not None:
        yield read_object(sys.stdin.buffer.read() if text == "-" else text.encode(errors="replace"))
    else:
        yield read_pairs(pairs, tool.input_schema)


def _read_calls(file: str) -> Iterator[dict[str, JsonValue]]:
    """Yield the arguments of each call that a file of JSON lines says; empty lines say none.

    Raises:
        UsageError: it cannot be read, or one of its lines is no object.

    """
    place = "standard input" if file == "-" else file
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"--calls {place}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise click.UsageError(f"--calls {place}: it is larger than {MAX_BYTES >> 20}MiB")
    lines = [(n, line) for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if not 1 <= len(lines) <= MAX_CALLS:
        raise click.UsageError(f"--calls {place}: {len(lines)} calls; write 1 to {MAX_CALLS}")
    for number, line in lines:
        try:
            value = parse_json(line)
        except ValueError as problem:
            raise click.UsageError(f"--calls {place}: line {number}: {problem}") from None
        if not isinstance(value, dict):
            found = f'line {number} is no JSON object; write one such as {{"path": "a.txt"}}'
            raise click.UsageError(f"--calls {place}: {found}")
        yield value


def _check(tool: Tool, calls: Calls) -> None:
    for number, arguments in enumerate(calls, 1):
        if problems := tool.arguments.problems(fill_defaults(tool.input_schema, arguments)):
            which = f"call {number}: " if len(calls) > 1 else ""
            raise click.UsageError(f"{which}{'; '.join(problems)}")


def _learn(start: Start, tool: Tool, calls: Calls) -> Learned:
    try:
        return run_loop(_run, start, tool, calls)
    finally:
        start.launcher.close()


async def _run(start: Start, tool: Tool, calls: Calls) -> Learned:
    async with open_cells(start.launcher, start.policy, start.around, spares=0) as pool:
        learner = Learner(
            pool=pool,
            invoke=make_invoker(pool, start.policy, start.session),
            policy=start.policy,
            progress=_progress,
            caller=Caller(ask=ask_at_terminal, name="preopen learn"),
        )
        return await learner.learn(tool, calls)


async def _progress(text: str) -> None:
    warn(text)
