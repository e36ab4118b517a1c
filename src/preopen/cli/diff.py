"""`preopen diff`: what waits for an approval, and in words what changed since the last one."""

from collections.abc import Iterator

import click

from preopen.cli.approvals import read_approvals
from preopen.cli.finding import find_tool
from preopen.cli.options import examples, json_flag, policy_flags
from preopen.cli.printing import say, say_json, warn
from preopen.cli.surroundings import read_surroundings
from preopen.outcome import JsonValue
from preopen.policy.flags import Flags
from preopen.policy.settings import load_policy
from preopen.serving.loading import load_registry
from preopen.serving.registry import QuarantinedTool, RefusedTool, Registry

_WAITS = 1
_REFUSED = 3


@click.command(
    "diff",
    short_help="Say what changed since a tool was approved.",
    epilog=examples(
        "preopen diff",
        "preopen diff weather --manifests ./tools",
        "preopen diff --json",
    ),
)
@click.argument("names", metavar="[TOOL]...", nargs=-1)
@policy_flags
@json_flag
def command(names: tuple[str, ...], flags: Flags, *, as_json: bool) -> int:
    """Say what waits for `preopen approve`, and in words what changed since it was approved.

    Without TOOL: of every tool. A line with - is gone, one with + is there now.
    Exits with 1 where something waits, 3 where a TOOL that was named is refused, else 0.
    """
    around = read_surroundings()
    approvals = read_approvals(around, approve_all=False)
    registry = load_registry(load_policy(flags, around), approvals)
    found = [find_tool(registry, name) for name in dict.fromkeys(names)]
    refused = [tool for tool in found if isinstance(tool, RefusedTool)]
    waiting = [tool for tool in registry.quarantined if not names or tool.name in names]
    if as_json:
        say_json({"waiting": [waiting_to_json(tool) for tool in waiting]})
    else:
        for tool in waiting:
            say("\n".join(_lines(tool)))
        _say_none(registry, waiting, refused)
    for each in refused:
        warn("\n".join([f"{each.name} is refused, so it cannot wait:", *map(str, each.faults)]))
    if refused:
        return _REFUSED
    return _WAITS if waiting else 0


def waiting_to_json(tool: QuarantinedTool) -> dict[str, JsonValue]:
    """Return a quarantined tool and what changed, as `--json` shows it."""
    return {
        "name": tool.name,
        "manifest": tool.file,
        "what": tool.waiting.standing.value,
        "approved": tool.waiting.approved,
        "fingerprint": tool.definition.fingerprint,
        "changes": [
            {"key": change.key, "before": change.before, "after": change.after}
            for change in tool.waiting.changes
        ],
    }


def _lines(tool: QuarantinedTool) -> Iterator[str]:
    when = f" since {tool.waiting.approved}" if tool.waiting.approved else ""
    yield f"{tool.name} is {tool.waiting.standing.value}{when}: {tool.file}"
    for change in tool.waiting.changes:
        yield from (f"  {line}" for line in change.lines)


def _say_none(
    registry: Registry, waiting: list[QuarantinedTool], refused: list[RefusedTool]
) -> None:
    if waiting:
        say("\n`preopen approve TOOL`, with the flags of this run, approves what stands here")
    elif not refused:
        say("nothing waits: every tool that may be offered is as it was approved")
        for tool in registry.refused:
            warn(f"not compared, for it is refused: {tool.name}; `preopen check` says why")
