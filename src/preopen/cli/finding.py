"""One tool by its name, or the usage error that says which names there are."""

import difflib

import click

from preopen.serving.registry import QuarantinedTool, RefusedTool, Registry, Tool


def find_tool(registry: Registry, name: str) -> Tool | RefusedTool | QuarantinedTool:
    """Return the tool of that name: offered, refused or quarantined.

    Raises:
        UsageError: there is none, or it was left out; close names are in the text.

    """
    if name in registry.tools:
        return registry.tools[name]
    for each in registry.withheld:
        if each.name == name:
            return each
    if name in registry.left_out:
        msg = f"{name} is left out by --without or [tools] without in preopen.toml"
        raise click.UsageError(msg)
    names = sorted({*registry.tools, *(each.name for each in registry.withheld)})
    raise click.UsageError(f"there is no tool {name!r}; {advice(name, names)}")


def withheld_text(tool: RefusedTool | QuarantinedTool) -> str:
    """Return why a tool is not offered, for the verbs that would have called it."""
    return "\n".join([f"{tool.name} is not offered:", *map(str, tool.faults)])


def advice(name: str, names: list[str]) -> str:
    """Return the close names, or all where none is close."""
    if close := difflib.get_close_matches(name, names, n=3):
        return f"did you mean {' or '.join(close)}?"
    return f"there are {', '.join(names)}" if names else "there is none at all"
