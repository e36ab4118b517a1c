"""`preopen serve`: the server on standard input and output; for a person, the clients' entries."""

import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

import anyio
import click

from preopen import __version__
from preopen.cells.pool import Pool
from preopen.cells.zygote import LAUNCH_SECONDS
from preopen.cli.clients import Entry, client_entries, own_command, serve_arguments
from preopen.cli.health.walls import check_required
from preopen.cli.interrupts import ending_at_once
from preopen.cli.options import examples, json_flag, policy_flags, spawn_flag, wall_flag
from preopen.cli.printing import say, say_json, warn
from preopen.cli.starting import Launcher, describe_owner, make_cache, open_cells, start_launcher
from preopen.cli.surroundings import read_surroundings
from preopen.egress.rules import format_rule
from preopen.policy.flags import Flags
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy, policy_place
from preopen.serving.loading import load_registry
from preopen.serving.registry import Registry
from preopen.serving.sources import Sources

_HOSTS: Final = 3  # that the line at the start names


@click.command(
    "serve",
    short_help="Serve an MCP client, or print the entry for it.",
    epilog=examples(
        "preopen serve --workspace ~/src/app          prints the entries to paste",
        "preopen serve --workspace ~/src/app --json   the same for a machine",
    ),
)
@click.option("--stdio", is_flag=True, help="Serve even where standard input is a terminal.")
@click.option(
    "--entries", is_flag=True, help="Print the entries for MCP clients, and do not serve."
)
@policy_flags
@spawn_flag
@wall_flag
@json_flag
def command(flags: Flags, *, stdio: bool, entries: bool, spawn: bool, as_json: bool) -> None:
    """Serve the tools to an MCP client over standard input and output.

    A client starts this by itself. At a terminal there is no client: then it prints the entry that
    each client wants, with these flags in it, and ends (--stdio serves all the same).
    With --json it prints the entries as JSON: while serving, stdout belongs to the protocol.
    """
    began_ns = time.time_ns()
    around = read_surroundings()
    policy = load_policy(flags, around)
    if entries or as_json or (sys.stdin.isatty() and not stdio):
        words = own_command() + serve_arguments(flags, policy, around, spawn=spawn, stdio=stdio)
        _show_entries(client_entries(words[0], words[1:]), policy, as_json=as_json)
        return
    check_required(policy)
    make_cache(around).check()
    launcher = start_launcher(policy, spawn=spawn)
    try:
        registry = load_registry(policy)
        sources = Sources(
            read_policy=partial(load_policy, flags, around),
            read_registry=load_registry,
            policy_file=policy_place(flags, around),
            began_ns=began_ns,
            folders=(f"{around.config_dir}/tools",),
        )
        # The zygote warms while this is imported: 0.6 s of CPU, most of a start.
        with ending_at_once():
            importlib.import_module("preopen.serving.live")
        gc.freeze()  # what the imports made stays, and no collection has to look at it
        loop = {"use_uvloop": find_spec("uvloop") is not None}  # a third less of a call's own cost
        announce = partial(_announce, launcher, registry, policy, spawn=spawn)
        cells = partial(open_cells, launcher, policy, around)
        anyio.run(_serve, cells, registry, policy, sources, announce, backend_options=loop)
    finally:
        launcher.close()


async def _serve(
    cells: Callable[[], AbstractAsyncContextManager[Pool]],
    registry: Registry,
    policy: Policy,
    sources: Sources,
    announce: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    # Not at the top: every other verb would wait for it, and so would the zygote.
    from preopen.serving.invocation import make_invoker  # noqa: PLC0415 - as said above
    from preopen.serving.live import open_live  # noqa: PLC0415 - as said above
    from preopen.serving.transports.stdio import serve_stdio  # noqa: PLC0415 - as said above

    async with cells() as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, tasks.cancel_scope)
        tasks.start_soon(announce)
        invoker = partial(make_invoker, pool)
        async with open_live(pool, policy, registry, sources, invoker) as server:
            await serve_stdio(server)
        tasks.cancel_scope.cancel()


async def _end_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _announce(launcher: Launcher, registry: Registry, policy: Policy, *, spawn: bool) -> None:
    """Say in one line what is served, then each refusal; once a process has said what wall it has.

    Nobody waits for this: the server answers meanwhile.
    """
    try:
        with anyio.move_on_after(LAUNCH_SECONDS):
            await launcher.greeted.wait()
    finally:  # a client that leaves at once leaves a line, too
        _say_start(launcher, registry, policy, spawn=spawn)


def _say_start(launcher: Launcher, registry: Registry, policy: Policy, *, spawn: bool) -> None:
    parts = [
        f"preopen {__version__}",
        f"workspace {policy.workspace or 'none'}",
        f"tools: {len(registry.tools)} offered, {len(registry.refused)} refused",
        describe_wall(launcher),
        describe_network(policy),
    ]
    if os.geteuid() == 0:
        parts.append(f"started by {describe_owner(policy)}")
    parts += ["a fresh process for every call"] if spawn else []
    warn("; ".join(parts))
    if policy.workspace_problem:
        warn(f"preopen: {policy.workspace_problem}")
    for tool in registry.refused:
        for fault in tool.faults:
            warn(f"preopen: {tool.name} is refused: {fault}")


def describe_network(policy: Policy) -> str:
    """Return in a few words which hosts the operator opened."""
    rules = [format_rule(rule) for rule in policy.network.rules]
    if not rules:
        return "network: closed"
    more = f" and {len(rules) - _HOSTS} more" if len(rules) > _HOSTS else ""
    return f"network: open to {', '.join(rules[:_HOSTS])}{more}"


def describe_wall(launcher: Launcher) -> str:
    """Return in a few words which wall the cells have, as far as one of them has said it."""
    if not launcher.greeted.is_set():
        return "wall: not known yet"
    if launcher.missing:
        return f"wall: without {', '.join(launcher.missing)} (`preopen doctor` says why)"
    return f"wall: all {len(launcher.layers)} layers"


def _show_entries(entries: tuple[Entry, ...], policy: Policy, *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                entry.client: {"where": entry.where, "entry": entry.data, "text": entry.text}
                for entry in entries
            }
        )
        return
    say("preopen is an MCP server: your client starts it and talks to it. Give it this entry.")
    if policy.workspace_problem:
        say(f"\nNo workspace yet: {policy.workspace_problem}.")
    for entry in entries:
        say(f"\n{entry.client}: {entry.where}\n")
        say("\n".join(f"  {line}" for line in entry.text.splitlines()))
    if policy.workspace is not None and policy.origins.get("workspace") == "default":
        say(f"\nThe workspace is {policy.workspace}; --workspace names another one.")
