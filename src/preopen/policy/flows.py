"""`[[flow]]` of `preopen.toml`: after which sources which sinks are asked for or denied."""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from preopen.document import shown
from preopen.errors import Fault

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class FlowSource(enum.StrEnum):
    """What a call could read that is not to leave."""

    OUTSIDE = "outside"  # a directory outside of the workspace
    SECRETS = "secrets"  # a host to which the gateway adds a credential
    ENVIRONMENT = "environment"  # a variable of the host
    WORKSPACE = "workspace"  # only where a rule says so


class FlowSink(enum.StrEnum):
    """Where a call could put what it, or the model, has read."""

    NETWORK = "network"  # any egress: a URL carries data, too
    OUTSIDE = "outside"  # writing in a directory outside of the workspace


class Then(enum.StrEnum):
    """What becomes of a call that could reach a sink after a source."""

    ASK = "ask"
    DENY = "deny"


_SOURCES: Final = (FlowSource.OUTSIDE, FlowSource.SECRETS, FlowSource.ENVIRONMENT)
_SINKS: Final = tuple(FlowSink)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRule:
    """One `[[flow]]`. `tools` are sources by their names, whatever they could read.

    `key` and `place` say where it stands: "flow[0]", and the file.
    """

    key: str
    place: str
    sources: tuple[FlowSource, ...] = _SOURCES
    tools: tuple[str, ...] = ()
    sinks: tuple[FlowSink, ...] = _SINKS
    then: Then


def read_flows(
    document: Mapping[str, Any], file: str
) -> tuple[tuple[FlowRule, ...], tuple[Fault, ...]]:
    """Return the rules of a file, and every fault in them; the schema saw keys and types."""
    rules: list[FlowRule] = []
    faults: list[Fault] = []
    for number, table in enumerate(document.get("flow", ())):
        key = f"flow[{number}]"
        written: Sequence[str | Mapping[str, str]] = table.get("from", _SOURCES)
        tools = [each["tool"] for each in written if not isinstance(each, str)]
        for name in tools:
            if not _TOOL_NAME.fullmatch(name):
                found = f"{shown(name)} is no tool's name"
                write = 'write one such as { tool = "fetch" }'
                faults.append(Fault(place=file, key=f"{key}.from", found=found, write=write))
        sources = [FlowSource(each) for each in written if isinstance(each, str)]
        rules.append(
            FlowRule(
                key=key,
                place=file,
                sources=tuple(sources),
                tools=tuple(tools),
                sinks=tuple(FlowSink(each) for each in table.get("to", _SINKS)),
                then=Then(table["then"]),
            )
        )
    return tuple(rules), tuple(faults)


def describe_flows(rules: Sequence[FlowRule]) -> Iterator[tuple[str, str]]:
    """Yield each rule's key and what it says, as `preopen policy` shows them."""
    if not rules:
        yield "flow", "none"
    for rule in rules:
        sources = ", ".join([*rule.sources, *(f"tool {name}" for name in rule.tools)])
        yield rule.key, f"from {sources} to {', '.join(rule.sinks)}: {rule.then}"
