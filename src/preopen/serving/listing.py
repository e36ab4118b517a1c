"""Tools as `tools/list` sends them, and what clients want to know of a change of them."""

import mcp_types as wire
from mcp.server.subscriptions import (
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

from preopen.level import PermissionLevel
from preopen.serving.current import Current
from preopen.serving.registry import Tool
from preopen.serving.resources import POLICY_URI, describe_policy, list_resources, tool_uri


def events_between(old: Current, new: Current) -> list[ServerEvent]:
    """Return what clients of `old` want to know: which lists, which resources read differently."""
    events: list[ServerEvent] = []
    if list_tools_of(old) != list_tools_of(new):
        events.append(ToolsListChanged())
    if list_resources(old) != list_resources(new):
        events.append(ResourcesListChanged())
    if describe_policy(old) != describe_policy(new):
        events.append(ResourceUpdated(uri=POLICY_URI))
    was = old.registry.tools
    events += [
        ResourceUpdated(uri=tool_uri(name))
        for name, tool in new.registry.tools.items()
        if name in was and was[name].manifest != tool.manifest
    ]
    return events


def list_tools_of(current: Current) -> list[wire.Tool]:
    """Return the tools as `tools/list` sends them: not paginated, in the registry's order."""
    return [describe(tool) for tool in current.registry.tools.values()]


def describe(tool: Tool) -> wire.Tool:
    """Return a tool as `tools/list` sends it."""
    return wire.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=dict(tool.input_schema),
        output_schema=None if tool.output_schema is None else dict(tool.output_schema),
        annotations=hints_of(tool.level, opens_network=bool(tool.grants.egress)),
        _meta={
            "preopen/level": tool.level.value,
            "preopen/grants": list(tool.grants_text),
            "preopen/sha256": tool.sha256,
            # One client asks a person then even for a tool on its own list of allowed ones.
            **({"anthropic/requiresUserInteraction": True} if tool.asks else {}),
        },
    )


def hints_of(level: PermissionLevel, *, opens_network: bool) -> wire.ToolAnnotations:
    """Return all four hints, for a client takes an absent one for the opposite.

    A derived level says what a tool can do, so "idempotent" only ever means: changes nothing.
    """
    harmless = level <= PermissionLevel.READ_ONLY
    return wire.ToolAnnotations(
        read_only_hint=harmless,
        destructive_hint=not harmless,
        idempotent_hint=harmless,
        open_world_hint=opens_network,
    )
