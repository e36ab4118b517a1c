"""`preopen list`: the tools that a client would be offered, and why others are not."""

import click

from preopen.cli.options import examples, json_flag, policy_flags
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
@json_flag
def command(flags: Flags, *, as_json: bool) -> None:
    """List the tools that a client would be offered, and what each may reach."""
    registry = load_registry(load_policy(flags, read_surroundings()))
    if as_json:
        say_json(registry_to_json(registry))
        return
    _say_tools(registry)
    _say_refused(registry)


def registry_to_json(registry: Registry) -> dict[str, JsonValue]:
    """Return the tools and refusals as `--json` shows them."""
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


def _say_refused(registry: Registry) -> None:
    if registry.refused:
        say("\nNot offered:")
    for tool in registry.refused:
        say(f"  {tool.name}")
        for fault in tool.faults:
            say(f"    {fault}")
    if registry.left_out:
        say(f"\nLeft out by --without or [tools] without: {', '.join(registry.left_out)}")
