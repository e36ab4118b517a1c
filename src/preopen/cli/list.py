"""`preopen list`: the tools that a client would be offered, and why others are not."""

import click

from preopen.cli.approvals import read_approvals
from preopen.cli.options import approve_flag, examples, json_flag, policy_flags
from preopen.cli.printing import fault_to_json, say, say_json, say_table
from preopen.cli.surroundings import read_surroundings
from preopen.outcome import JsonValue
from preopen.policy.flags import Flags
from preopen.policy.settings import load_policy
from preopen.serving.loading import load_registry
from preopen.serving.registry import Registry
from preopen.shipped import MANIFESTS, shipped


@click.command(
    "list",
    short_help="List the tools, and what each may reach.",
    epilog=examples(
        "preopen list",
        "preopen list --workspace ~/src/app --allow read-only",
        "preopen list --json",
    ),
)
@policy_flags
@approve_flag
@json_flag
def command(flags: Flags, *, approve_all: bool, as_json: bool) -> None:
    """List the tools that a client would be offered, and what each may reach."""
    around = read_surroundings()
    approvals = read_approvals(around, approve_all=approve_all)
    registry = load_registry(load_policy(flags, around), approvals)
    if as_json:
        say_json(registry_to_json(registry))
        return
    _say_tools(registry)
    _say_withheld(registry)


def registry_to_json(registry: Registry) -> dict[str, JsonValue]:
    """Return the tools, and what is not offered, as `--json` shows them."""
    return {
        "tools": [
            {
                "name": tool.name,
                "title": tool.title,
                "level": tool.level.value,
                "grants": list(tool.grants_text),
                "sha256": tool.sha256,
                "manifest": tool.manifest.file,
                "warnings": list(tool.warnings),
            }
            for tool in registry.tools.values()
        ],
        "refused": [
            {
                "name": tool.name,
                "manifest": tool.file,
                "faults": [fault_to_json(fault) for fault in tool.faults],
            }
            for tool in registry.refused
        ],
        "quarantined": [
            {
                "name": tool.name,
                "manifest": tool.file,
                "what": tool.waiting.standing.value,
                "changes": [line for change in tool.waiting.changes for line in change.lines],
            }
            for tool in registry.quarantined
        ],
        "left_out": list(registry.left_out),
    }


def _say_tools(registry: Registry) -> None:
    if not registry.tools:
        say(f"No tools are offered. Built-in manifests are looked for in {shipped(MANIFESTS)};")
        say("write --manifests DIR to add a folder of your own.")
        return
    rows = [
        (tool.name, tool.level.value, "; ".join(tool.grants_text) or "nothing")
        for tool in registry.tools.values()
    ]
    say_table(("TOOL", "LEVEL", "MAY REACH"), rows)


def _say_withheld(registry: Registry) -> None:
    if registry.withheld:
        say("\nNot offered:")
    for tool in registry.withheld:
        say(f"  {tool.name}")
        for fault in tool.faults:
            say(f"    {fault}")
    if registry.left_out:
        say(f"\nLeft out by --without or [tools] without: {', '.join(registry.left_out)}")
