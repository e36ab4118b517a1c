"""`preopen call TOOL`: one call from the shell, run exactly as the server runs it."""

import base64
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from preopen import __version__
from preopen.cli.approvals import read_approvals
from preopen.cli.arguments import read_object, read_pairs
from preopen.cli.beginning import Start, begin
from preopen.cli.consent import ask_at_terminal
from preopen.cli.finding import find_tool, withheld_text
from preopen.cli.looping import run_loop
from preopen.cli.options import (
    approve_flag,
    examples,
    json_flag,
    policy_flags,
    spawn_flag,
    wall_flag,
)
from preopen.cli.printing import safe, say_json, warn
from preopen.cli.receipt import receipt_lines
from preopen.cli.starting import (
    open_cells,
    open_recorder,
)
from preopen.cli.surroundings import read_surroundings
from preopen.outcome import JsonValue
from preopen.policy.flags import Flags
from preopen.policy.settings import load_policy
from preopen.serving.invocation import Answer, make_invoker
from preopen.serving.loading import load_registry
from preopen.serving.registry import Tool
from preopen.serving.results import to_result
from preopen.tool.result import Block, MediaBlock, Reply, ResourceBlock, TextBlock
from preopen.trust.consent import Caller

_NO = 1
_USAGE = 2
_REFUSED = 3


@click.command(
    "call",
    short_help="Call one tool once, exactly as the server would.",
    epilog=examples(
        "preopen call read path=README.md",
        "preopen call read path=README.md --receipt",
        'preopen call write --args \'{"path": "a.txt", "content": "hello"}\'',
        "git diff | jq -Rs '{path: \"my.diff\", content: .}' | preopen call write --args -",
    ),
)
@click.argument("name", metavar="TOOL")
@click.argument("pairs", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "--args", "text", metavar="JSON", help="All arguments as one JSON object; - reads stdin."
)
@click.option("--output", metavar="FILE", help="Write an image, a sound or a blob to FILE.")
@click.option(
    "--receipt", "with_receipt", is_flag=True, help="Show on stderr what it could reach and used."
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
    output: str | None,
    flags: Flags,
    *,
    with_receipt: bool,
    approve_all: bool,
    spawn: bool,
    as_json: bool,
) -> int:
    """Call TOOL once, exactly as the server would run it: same policy, same cell, same limits.

    A VALUE is read by the type in the tool's input schema; a repeated KEY makes an array.
    Exits with 1 when the tool failed or was stopped, 2 when the arguments do not fit.
    """
    around = read_surroundings()
    policy = load_policy(flags, around)
    approvals = read_approvals(around, approve_all=approve_all)
    tool = find_tool(load_registry(policy, approvals), name)
    if not isinstance(tool, Tool):
        warn(withheld_text(tool))
        return _REFUSED
    arguments = _arguments(pairs, text, tool)
    start = begin(flags, policy, around, approve_all=approve_all, spawn=spawn)
    answer = _call(start, tool, arguments)
    if with_receipt:
        warn("\n".join(receipt_lines(answer.receipt)))
    if output is not None:
        _keep(answer.reply, Path(output))
    if as_json:
        say_json(to_result(answer))
    else:
        _say(answer.reply, noted=output is None)
    if answer.receipt.outcome == "InvalidArguments":
        return _USAGE
    return _NO if answer.reply.is_error else 0


def _arguments(pairs: tuple[str, ...], text: str | None, tool: Tool) -> dict[str, JsonValue]:
    if text is None:
        return read_pairs(pairs, tool.input_schema)
    if pairs:
        raise click.UsageError("arguments are given twice; write either --args or key=value")
    return read_object(sys.stdin.buffer.read() if text == "-" else text.encode(errors="replace"))


def _call(start: Start, tool: Tool, arguments: Mapping[str, JsonValue]) -> Answer:
    try:
        return run_loop(_run, start, tool, arguments)
    finally:
        start.launcher.close()


async def _run(start: Start, tool: Tool, arguments: Mapping[str, JsonValue]) -> Answer:
    caller = Caller(ask=ask_at_terminal, name="preopen call", version=__version__)
    async with open_cells(start.launcher, start.policy, start.around, spares=0) as pool:
        run = partial(make_invoker(pool, start.policy, start.session), tool, arguments, _progress)
        with open_recorder(start.policy, start.around) as recorder:
            return await recorder.recorded(caller, tool, arguments, run)


async def _progress(text: str) -> None:
    warn(text)


def _say(reply: Reply, *, noted: bool) -> None:
    """Print what a tool said: to stdout what is a result, to stderr what went wrong."""
    stream = sys.stderr if reply.is_error else sys.stdout
    texts = [_text(block, noted=noted) for block in reply.content]
    whole = "".join(
        text if n == len(texts) - 1 or text.endswith("\n") else f"{text}\n"
        for n, text in enumerate(texts)
    )
    if stream.isatty() or reply.is_error:
        # A guest's escapes must not reach a terminal; a pipe gets what the guest wrote.
        whole = safe(whole) if whole.endswith("\n") else f"{safe(whole)}\n"
    stream.flush()
    stream.buffer.write(whole.encode(errors="replace"))
    stream.buffer.flush()


def _text(block: Block, *, noted: bool) -> str:
    match block:
        case TextBlock(text=text) | ResourceBlock(text=str(text)):
            return text
        case MediaBlock() | ResourceBlock():
            size = len(_bytes(block) or b"")
            way = "; --output FILE keeps it" if noted else ""
            return f"[{block.mime_type}, {size} bytes{way}]\n"


def _bytes(block: Block) -> bytes | None:
    match block:
        case MediaBlock(data=data) | ResourceBlock(blob=str(data)):
            return base64.b64decode(data)
        case _:
            return None


def _keep(reply: Reply, file: Path) -> None:
    """Write the first image, sound or blob to a file; where there is none, the text."""
    found = next((data for data in map(_bytes, reply.content) if data is not None), None)
    if found is None:
        found = "\n".join(_text(block, noted=False) for block in reply.content).encode()
    if reply.is_error:
        return
    try:
        file.write_bytes(found)
    except OSError as error:
        raise click.UsageError(f"--output {file}: {error.strerror}") from error
