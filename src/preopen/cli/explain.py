"""`preopen explain TOOL`: what one tool may do, from the values that its calls are held to."""

import time
from collections.abc import Iterator

import click

from preopen.capability import LIMIT_KEYS, Access, Source
from preopen.cli.approvals import read_approvals
from preopen.cli.deciding import at_a_call, rulings_of
from preopen.cli.explain_flow import flow_lines, flow_parts, flows_to_json
from preopen.cli.explain_quota import QuotaUse, quota_lines, quota_to_json, read_quota_use
from preopen.cli.finding import find_tool
from preopen.cli.options import approve_flag, examples, json_flag, policy_flags
from preopen.cli.printing import aligned, fault_to_json, say, say_json
from preopen.cli.surroundings import read_surroundings
from preopen.outcome import JsonValue
from preopen.policy.flags import Flags
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.loading import load_registry
from preopen.serving.registry import QuarantinedTool, RefusedTool, Tool
from preopen.tool.limits import format_limit

_REFUSED = 3


@click.command(
    "explain",
    short_help="Say what one tool may do, and why.",
    epilog=examples(
        "preopen explain read", "preopen explain my-tool --manifests ./tools --workspace ~/src/app"
    ),
)
@click.argument("name", metavar="TOOL")
@policy_flags
@approve_flag
@json_flag
def command(name: str, flags: Flags, *, approve_all: bool, as_json: bool) -> int:
    """Say what TOOL may do and why: its level, grants, limits, and what it cannot do."""
    around = read_surroundings()
    policy = load_policy(flags, around)
    approvals = read_approvals(around, approve_all=approve_all)
    tool = find_tool(load_registry(policy, approvals), name)
    match tool:
        case RefusedTool() | QuarantinedTool():
            _explain_withheld(tool, as_json=as_json)
            return _REFUSED
        case Tool():
            use = read_quota_use(tool.name, policy, time.time())
            if as_json:
                say_json(explanation_to_json(tool, policy, use))
            else:
                say("\n".join(explain_tool(tool, policy, use)))
    return 0


def explain_tool(tool: Tool, policy: Policy, use: QuotaUse | None) -> Iterator[str]:
    """Yield the lines that explain an offered tool."""
    yield f"{tool.name}: {tool.title}"
    yield from _section("TAKES", aligned(_takes(tool)))
    yield from _section("LEVEL", _level(tool))
    yield from _section("MAY", tool.grants_text or ("nothing but compute on its arguments",))
    yield from _section("NARROWED BY EACH CALL", _narrowing(tool))
    yield from _section("CANNOT", _cannot(tool))
    yield from _section("WHAT HAPPENS AT A CALL", at_a_call(tool, policy))
    yield from _section("QUOTA", quota_lines(use))
    yield from _section("FLOW RULES", flow_lines(flow_parts(tool, policy), tool, policy))
    yield from _section("LIMITS OF ONE CALL", aligned(_limits(tool)))
    yield from _section("RUNS IN", (_cell(tool, policy),))
    yield from _section("FROM", aligned(_origin(tool)))
    yield from _section("WARNINGS", tool.warnings)


def explanation_to_json(tool: Tool, policy: Policy, use: QuotaUse | None) -> dict[str, JsonValue]:
    """Return the same as `--json` shows it."""
    return {
        "name": tool.name,
        "title": tool.title,
        "offered": True,
        "level": tool.level.value,
        "declared_level": tool.manifest.level.value,
        "reasons": [
            {"level": reason.level.value, "text": reason.text} for reason in tool.grants.reasons
        ],
        "grants": list(tool.grants_text),
        "narrowed": list(_narrowing(tool)),
        "cannot": list(_cannot(tool)),
        "decisions": [
            {
                "decision": each.decision.value,
                "why": each.why,
                "key": each.key,
                "from": each.place or "default",
            }
            for each in rulings_of(tool, policy)
        ],
        "quota": quota_to_json(use),
        "flows": flows_to_json(flow_parts(tool, policy)),
        "limits": [
            {"key": key, "value": value, "from": source} for key, value, source in _limits(tool)
        ],
        "cell": "tool" if policy.calls_per_cell.get(tool.name, 1) > 1 else "call",
        "manifest": tool.manifest.file,
        "binary": tool.manifest.binary_path,
        "sha256": tool.sha256,
        "warnings": list(tool.warnings),
    }


def _explain_withheld(tool: RefusedTool | QuarantinedTool, *, as_json: bool) -> None:
    if as_json:
        faults = [fault_to_json(fault) for fault in tool.faults]
        say_json({"name": tool.name, "offered": False, "manifest": tool.file, "faults": faults})
        return
    say(f"{tool.name} is not offered:")
    for fault in tool.faults:
        say(f"  {fault}")


def _section(heading: str, lines: Iterator[str] | tuple[str, ...] | list[str]) -> Iterator[str]:
    lines = list(lines)
    if lines:
        yield f"\n{heading}"
        yield from (f"  {line}" for line in lines)


def _level(tool: Tool) -> Iterator[str]:
    declared = tool.manifest.level
    yield (
        f"{tool.level.value}: the highest of what it was granted; its manifest declares "
        f"{declared.value}"
    )
    rows = [(f"  {reason.level.value}", reason.text) for reason in tool.grants.reasons]
    yield from aligned(rows) if rows else ("  none       it was granted nothing",)


def _takes(tool: Tool) -> Iterator[tuple[str, str]]:
    required = tool.input_schema.get("required", ())
    for name, schema in tool.input_schema.get("properties", {}).items():
        kind = schema.get("type", "one of " + ", ".join(map(str, schema.get("enum", ()))))
        must = "required" if name in required else "optional"
        if "default" in schema:
            must = f"{schema['default']} by default"
        said = " ".join(str(schema.get("description", "")).split())
        yield name, f"{kind}, {must}" + (f": {said}" if said else "")


def _narrowing(tool: Tool) -> Iterator[str]:
    for directory in tool.grants.directories:
        if not directory.narrow_to:
            yield f"{directory.host_path}: not narrowed, every call gets all of it"
            continue
        names = " and ".join(f'"{name}"' for name in directory.narrow_to)
        what = (
            "the nearest folder that exists around it"
            if directory.access is Access.WRITE
            else "that one file, or that folder"
        )
        always = set(directory.narrow_to) & set(tool.input_schema.get("required", ()))
        none = "" if always else "; a call that names none gets all"
        yield f"{directory.host_path}: a call that names a path in {names} gets {what}{none}"
    for name in dict.fromkeys(rule.narrow_to for rule in tool.grants.egress if rule.narrow_to):
        yield f'network: a call reaches the scheme, host and port of "{name}" and no other'


def _cannot(tool: Tool) -> Iterator[str]:
    """Yield what no grant opens. Clock and randomness are not here: every guest has them."""
    grants = tool.grants
    yield _unreachable(tool)
    if not grants.directories:
        yield "read or write any file"
    elif all(directory.access is Access.READ for directory in grants.directories):
        yield "write, create or remove any file; read any outside of what is named above"
    else:
        yield "read or write any file outside of what is named above"
    if not any(variable.source is Source.HOST for variable in grants.environment):
        yield "see your environment: no variable of the host is handed in"
    yield "start a process, or signal one"
    writes = any(directory.access is Access.WRITE for directory in grants.directories)
    but = " but the files that it wrote" if writes else ""
    yield f"leave anything behind{but}: its memory ends with its call"


def _unreachable(tool: Tool) -> str:
    if tool.grants.egress:
        return "reach any other host, open a socket, or look a name up by itself"
    if tool.manifest.egress:
        return (
            "reach the network: of what it asks for nothing is open;"
            " --egress https://docs.python.org would open that host"
        )
    return "reach the network: no socket, no name is looked up"


def _limits(tool: Tool) -> Iterator[tuple[str, str, str]]:
    for key, field in LIMIT_KEYS.items():
        number = getattr(tool.grants.limits, field)
        source = "manifest" if key in tool.manifest.asked_limits else "default"
        if key == "cpu_time" and number is None:
            number = tool.grants.limits.cpu_seconds
            source = "default: wall_time, rounded up, and 1s"
        yield key, "not counted" if number is None else format_limit(key, number), source


def _cell(tool: Tool, policy: Policy) -> str:
    calls = policy.calls_per_cell.get(tool.name, 1)
    if calls > 1:
        return (
            f"a walled process of this tool's own, for up to {calls} calls "
            f"({policy.origins.get(f'cells.{tool.name}.calls_per_cell', 'default')})"
        )
    narrows = any(directory.narrow_to for directory in tool.grants.directories)
    only = ", open only for what that call names" if narrows else ""
    return f"a fresh walled process for every call{only}"


def _origin(tool: Tool) -> Iterator[tuple[str, str]]:
    yield "manifest", tool.manifest.file + (" (built in)" if tool.manifest.builtin else "")
    yield "binary", tool.manifest.binary_path
    yield "sha256", tool.sha256
