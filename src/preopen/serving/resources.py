"""What an agent may read of its own sandbox: `preopen://policy`, and `preopen://tools/NAME`.

Read only, and without what is nobody's business there: values of variables, secrets and where they
come from, preopen's own folders.
"""

from collections.abc import Iterator
from typing import Final

import anyio.to_thread
import mcp_types as wire
from mcp.shared.exceptions import MCPError

from preopen.document import read_file
from preopen.egress.rules import format_rule
from preopen.errors import ManifestError
from preopen.policy.decisions import Decisions, describe_decisions
from preopen.policy.places import printable
from preopen.policy.policy import Policy
from preopen.serving.current import Current
from preopen.serving.registry import RefusedTool, Registry, Tool
from preopen.tool.failure import one_line
from preopen.tool.limits import format_limit
from preopen.tool.parsing import parse_manifest

POLICY_URI: Final = "preopen://policy"
TOOLS_URI: Final = "preopen://tools/"
_REFUSED_SHOWN: Final = 100  # a folder may hold a thousand broken manifests
_FAULTS_SHOWN: Final = 4  # of one refused tool
_URI_SHOWN: Final = 100


def list_resources(current: Current) -> list[wire.Resource]:
    """Return what can be read: the policy, then a manifest for each tool, in the tools' order."""
    policy = wire.Resource(
        uri=POLICY_URI,
        name="policy",
        title="What the sandbox allows",
        description="What each tool may reach, which tools were refused and why, and the limits.",
        mime_type="text/markdown",
    )
    return [policy, *(_resource_of(tool) for tool in current.registry.tools.values())]


def tool_uri(name: str) -> str:
    """Return where a tool's manifest is read; a name needs no escapes (design §5)."""
    return f"{TOOLS_URI}{name}"


async def read_resource(current: Current, uri: str) -> wire.ReadResourceResult:
    """Return the text of one resource.

    Raises:
        MCPError: invalid params: there is no such resource, or its file says by now something else
            than what is served.

    """
    if uri == POLICY_URI:
        return _text(uri, "text/markdown", describe_policy(current))
    name = uri.removeprefix(TOOLS_URI) if uri.startswith(TOOLS_URI) else ""
    tool = current.registry.tools.get(name)
    if tool is None:
        message = f"there is no resource {uri[:_URI_SHOWN]!r}; resources/list names those there are"
        raise MCPError(wire.INVALID_PARAMS, message, {"uri": uri[:_URI_SHOWN]})
    text = await anyio.to_thread.run_sync(_manifest_text, tool)
    if text is None:
        message = (
            f"the file of {name} was changed since, and says something else than what is served;"
            f" {POLICY_URI} says whether it was refused"
        )
        raise MCPError(wire.INVALID_PARAMS, message, {"uri": uri})
    return _text(uri, "application/toml", text)


def describe_policy(current: Current) -> str:
    """Return, as Markdown, what may be done at each tool and what was refused, and why."""
    registry = current.registry
    return "\n".join(
        [
            "# What the sandbox allows",
            "",
            *_policy_lines(current.policy),
            "",
            f"## Tools ({len(registry.tools)})",
            "",
            *(line for tool in registry.tools.values() for line in _tool_lines(tool)),
            *_refused_lines(registry),
            *_quarantined_lines(registry),
            "",
        ]
    )


def _policy_lines(policy: Policy) -> Iterator[str]:
    workspace = printable(policy.workspace) if policy.workspace else "none"
    yield "Only the operator changes any of this; no call does."
    yield ""
    yield f"- workspace: {workspace}"
    if policy.workspace_problem:
        yield f"- there is no workspace: {one_line(policy.workspace_problem)}"
    yield f"- highest level of tools that are offered: {policy.max_level.value}"
    yield f"- what happens at a call: {_decided(policy.decisions[0])}"
    for narrowing in policy.decisions[1:]:
        yield f"- and by the workspace's own file: {_decided(narrowing)}"
    for folder in policy.folders:
        yield f"- folder {folder.name}: {printable(folder.host_path)} ({folder.access.value})"
    rules = [format_rule(rule) for rule in policy.network.rules]
    yield f"- network: {', '.join(rules) if rules else 'closed'}"
    yield f"- calls at once, over all tools: {policy.cells}"


def _decided(decisions: Decisions) -> str:
    said = [f"{key} {value}" for key, value in describe_decisions(decisions)]
    return ", ".join(said).replace("decide.", "")


def _tool_lines(tool: Tool) -> Iterator[str]:
    yield f"### {tool.name} ({tool.level.value})"
    yield ""
    if tool.asks:
        yield "- a person is asked before some or all of its calls"
    for line in tool.grants_text or ("reaches no file, host or variable",):
        yield f"- {printable(line)}"
    limits = tool.grants.limits
    said = [
        f"{key} {format_limit(key, number)}"
        for key, number in (
            ("wall_time", limits.wall_time_ms),
            ("memory", limits.memory_bytes),
            ("output", limits.output_bytes),
            ("concurrency", limits.concurrency),
            ("rate", limits.rate),
        )
        if number is not None
    ]
    yield f"- limits of a call: {', '.join(said)}"
    yield ""


def _refused_lines(registry: Registry) -> Iterator[str]:
    if registry.refused:
        yield f"## Not offered ({len(registry.refused)})"
        yield ""
    served = {tool.manifest.file for tool in registry.tools.values()}
    for each in registry.refused[:_REFUSED_SHOWN]:
        yield from _lines_of_refused(each, kept=each.file in served)
    if len(registry.refused) > _REFUSED_SHOWN:
        yield f"- and {len(registry.refused) - _REFUSED_SHOWN} more"
    if registry.left_out:
        yield f"- left out by the operator: {', '.join(registry.left_out)}"


def _quarantined_lines(registry: Registry) -> Iterator[str]:
    if registry.quarantined:
        yield f"## Waiting for a person's approval ({len(registry.quarantined)})"
        yield ""
    for each in registry.quarantined[:_REFUSED_SHOWN]:
        for fault in each.faults[:1]:
            yield f"- {printable(each.name)}: {one_line(fault.found)}"
    if len(registry.quarantined) > _REFUSED_SHOWN:
        yield f"- and {len(registry.quarantined) - _REFUSED_SHOWN} more"
    yield ""


def _lines_of_refused(refused: RefusedTool, *, kept: bool) -> Iterator[str]:
    yield f"### {printable(refused.name)}"
    yield ""
    if kept:
        yield "- its file was changed and is refused; the tool is served as it was before"
    for fault in refused.faults[:_FAULTS_SHOWN]:
        yield f"- {one_line(str(fault))}"
    if len(refused.faults) > _FAULTS_SHOWN:
        yield f"- and {len(refused.faults) - _FAULTS_SHOWN} more"
    yield ""


def _resource_of(tool: Tool) -> wire.Resource:
    return wire.Resource(
        uri=tool_uri(tool.name),
        name=tool.name,
        title=f"Manifest of {tool.title}",
        description=f"What {tool.name} asks for, as its author wrote it.",
        mime_type="application/toml",
    )


def _manifest_text(tool: Tool) -> str | None:
    """Return the text of a tool's manifest, None where it is no longer that of this tool."""
    manifest = tool.manifest
    try:
        data = read_file(manifest.file, ManifestError)
        if parse_manifest(data, manifest.file, builtin=manifest.builtin) != manifest:
            return None
    except ManifestError:
        return None
    return data.decode()


def _text(uri: str, mime_type: str, text: str) -> wire.ReadResourceResult:
    contents = wire.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return wire.ReadResourceResult(contents=[contents])
