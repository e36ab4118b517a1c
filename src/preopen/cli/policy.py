"""`preopen policy`: what is allowed at most, and where each value came from."""

from collections.abc import Iterator

import click

from preopen.capability import LIMIT_KEYS
from preopen.cli.options import examples, json_flag, policy_flags
from preopen.cli.printing import say, say_json, say_table
from preopen.cli.surroundings import read_surroundings
from preopen.policy.auditing import describe_auditing
from preopen.policy.flags import Flags
from preopen.policy.network import describe_network
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.tool.limits import format_limit


@click.command(
    "policy",
    short_help="Show what is allowed, and where that was said.",
    epilog=examples(
        "preopen policy",
        "preopen policy --allow read-only --folder docs=~/Documents",
        "preopen policy --policy ./preopen.toml --json",
    ),
)
@policy_flags
@json_flag
def command(flags: Flags, *, as_json: bool) -> None:
    """Show the effective policy, and where each value came from: default, file or flag."""
    policy = load_policy(flags, read_surroundings())
    rows = list(_rows(policy))
    if as_json:
        say_json([{"key": key, "value": value, "from": origin} for key, value, origin in rows])
        return
    say_table(("KEY", "VALUE", "FROM"), rows)
    if policy.workspace_problem:
        say(f"\n{policy.workspace_problem}")


def _rows(policy: Policy) -> Iterator[tuple[str, str, str]]:
    for key, value in _values(policy):
        yield key, value, policy.origins.get(key, "default")


def _values(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield each key of `preopen.toml`, dotted, and its value as it is written there."""
    yield "workspace", policy.workspace or "none"
    yield "max_level", policy.max_level.value
    yield from describe_auditing(policy.auditing)
    yield "tools.folders", ", ".join(policy.tool_folders) or "none"
    yield "tools.without", ", ".join(sorted(policy.without)) or "none"
    for folder in policy.folders:
        yield f"folders.{folder.name}", f"{folder.host_path} ({folder.access.value})"
    for name, value in policy.variables.items():
        yield f"variables.{name}", value
    names = [
        name if name in policy.environment else f"{name} (not set)"
        for name in policy.environment_names
    ]
    yield "environment.names", ", ".join(names) or "none"
    yield from describe_network(policy.network)
    for key in LIMIT_KEYS:
        ceiling = policy.ceilings.get(key)
        yield f"limits.{key}", "none" if ceiling is None else format_limit(key, ceiling)
    yield "limits.cells", str(policy.cells)
    for tool, calls in policy.calls_per_cell.items():
        yield f"cells.{tool}.calls_per_cell", str(calls)
    yield "wall.require", ", ".join(sorted(policy.required_layers)) or "none"
