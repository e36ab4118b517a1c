"""The flags that verbs share, read into the policy's `Flags`."""

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeAlias

import click

from preopen.layer import LAYER_NAMES
from preopen.level import PermissionLevel
from preopen.policy.flags import Flags

_LEVELS = [level.value for level in PermissionLevel if level is not PermissionLevel.FORBIDDEN]
_Verb: TypeAlias = Callable[..., Any]

json_flag = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
spawn_flag = click.option(
    "--spawn",
    is_flag=True,
    help="Start a fresh process for every call instead of forking a warm one (0.2 s a call).",
)
approve_flag = click.option(
    "--approve-all",
    is_flag=True,
    help="Take every tool as it is, in this run only: nothing is quarantined, nothing is pinned.",
)
wall_flag = click.option(
    "--require-wall",
    metavar="LAYER",
    type=click.Choice(LAYER_NAMES),
    multiple=True,
    help="Run nothing where this layer of the wall is missing; 'all' for every one. May be given"
    " again; `preopen doctor` lists the layers.",
)


def _read_pairs(
    context: click.Context, parameter: click.Parameter, written: tuple[str, ...]
) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name:
            msg = f"{text!r} is no pair; write {parameter.metavar}"
            raise click.BadParameter(msg, context, parameter)
        if name in pairs:
            msg = f"{name!r} is given twice; write it once"
            raise click.BadParameter(msg, context, parameter)
        pairs[name] = value
    return pairs


_FLAGS = (
    click.option(
        "--workspace",
        metavar="PATH",
        help="The folder that tools may work in. Default: the current folder.",
    ),
    click.option(
        "--manifests",
        metavar="DIR",
        multiple=True,
        help="A folder of tool manifests beside the built-in ones. May be given again.",
    ),
    click.option(
        "--var",
        "variables",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_read_pairs,
        help="What ${NAME} in a manifest stands for. May be given again.",
    ),
    click.option(
        "--folder",
        "folders",
        metavar="NAME=PATH",
        multiple=True,
        callback=_read_pairs,
        help="One more folder that tools may read, ${NAME} in a manifest. May be given again.",
    ),
    click.option(
        "--egress",
        metavar="RULE",
        multiple=True,
        help="A host that network tools may reach, such as https://docs.python.org. May be given"
        " again.",
    ),
    click.option(
        "--egress-private",
        metavar="RULE",
        multiple=True,
        help="A host and port of your own network or machine, such as http://localhost:3000. May"
        " be given again.",
    ),
    click.option(
        "--allow",
        type=click.Choice(_LEVELS),
        help="The highest level of tools to offer. Default: execute.",
    ),
    click.option(
        "--without",
        metavar="NAME",
        multiple=True,
        help="Leave a tool out. May be given again.",
    ),
    click.option(
        "--policy",
        "policy_file",
        metavar="FILE",
        help="The operator's file. Default: preopen.toml in your configuration folder.",
    ),
)


def policy_flags(verb: _Verb) -> _Verb:
    """Give a verb the flags over `preopen.toml`; it gets them as one `flags: Flags`."""

    @functools.wraps(verb)
    def with_flags(**given: Any) -> Any:  # noqa: ANN401 - the verb's own, and what it returns
        names = [each.name for each in fields(Flags) if each.name in given]
        flags = Flags(**{name: given.pop(name) for name in names})
        return verb(flags=flags, **given)

    decorated: _Verb = with_flags
    for option in reversed(_FLAGS):
        decorated = option(decorated)
    return decorated


def examples(*lines: str) -> str:
    """Return a verb's epilog: command lines that work, one each."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
