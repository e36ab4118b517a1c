"""`preopen serve`: the server on standard input and output; for a person, the clients' entries."""

import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

import anyio
import click

from preopen import __version__
from preopen.cells.zygote import LAUNCH_SECONDS
from preopen.cli.approvals import Followed, lock_file, read_approvals
from preopen.cli.beginning import Start, begin
from preopen.cli.clients import Entry, client_entries, own_command, serve_arguments
from preopen.cli.heap import map_large_blocks_apart
from preopen.cli.interrupts import ending_at_once
from preopen.cli.looping import run_loop
from preopen.cli.options import (
    approve_flag,
    examples,
    json_flag,
    policy_flags,
    spawn_flag,
    wall_flag,
)
from preopen.cli.printing import say, say_json, warn
from preopen.cli.starting import (
    Launcher,
    describe_owner,
    open_cells,
    open_recorder,
)
from preopen.cli.surroundings import read_surroundings
from preopen.egress.rules import format_rule
from preopen.policy.file import FILE_NAME
from preopen.policy.flags import Flags
from preopen.policy.mentions import find_unknown, first_unknown
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy, policy_place
from preopen.policy.workspace_file import first_ignored
from preopen.serving.loading import load_registry
from preopen.serving.registry import Registry
from preopen.serving.sources import Sources

_HOSTS: Final = 3  # that the line at the start names
# Objects made since the last collection, and not freed, before the next: with Python's 700 there
# was one in every third call, for 2 % of its time. A call leaves no cycle that holds what it read.
_GARBAGE: Final = 10_000


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
@approve_flag
@spawn_flag
@wall_flag
@json_flag
def command(
    flags: Flags, *, stdio: bool, entries: bool, approve_all: bool, spawn: bool, as_json: bool
) -> None:
    """Serve the tools to an MCP client over standard input and output.

    A client starts this by itself. At a terminal there is no client: then it prints the entry that
    each client wants, with these flags in it, and ends (--stdio serves all the same).
    With --json it prints the entries as JSON: while serving, stdout belongs to the protocol.
    """
    began_ns = time.time_ns()
    around = read_surroundings()
    # What a workspace's file narrowed once stays so while this runs: a tool may write there.
    read_policy = partial(load_policy, flags, around, held={})
    policy = read_policy()
    if entries or as_json or (sys.stdin.isatty() and not stdio):
        words = own_command() + serve_arguments(flags, policy, around, spawn=spawn, stdio=stdio)
        _show_entries(client_entries(words[0], words[1:]), policy, as_json=as_json)
        if approve_all:
            warn("--approve-all is for one run, so no entry holds it; `preopen approve --all` pins")
        return
    approvals = read_approvals(around, approve_all=approve_all)
    start = begin(flags, policy, around, approve_all=approve_all, spawn=spawn)
    try:
        registry = load_registry(policy, approvals)
        sources = Sources(
            read_policy=read_policy,
            read_registry=partial(_read_registry, Followed(around, approve_all, approvals)),
            policy_file=policy_place(flags, around),
            began_ns=began_ns,
            files=(str(lock_file(around)), *_beside(policy)),
            folders=(f"{around.config_dir}/tools",),
        )
        # The zygote warms while this is imported: 0.6 s of CPU, most of a start.
        with ending_at_once():
            importlib.import_module("preopen.serving.live")
        map_large_blocks_apart()
        gc.freeze()  # what the imports made stays, and no collection has to look at it
        gc.set_threshold(_GARBAGE, 10, 10)
        loop = {"use_uvloop": find_spec("uvloop") is not None}  # a third less of a call's own cost
        announce = partial(_announce, start.launcher, registry, policy, spawn=spawn)
        run_loop(_serve, start, registry, sources, announce, options=loop)
    finally:
        start.launcher.close()


def _beside(policy: Policy) -> tuple[str, ...]:
    """Return where the workspace's own file is, or would be."""
    return () if policy.workspace is None else (f"{policy.workspace}/{FILE_NAME}",)


def _read_registry(followed: Followed, policy: Policy) -> Registry:
    return load_registry(policy, followed.read())


async def _serve(
    start: Start,
    registry: Registry,
    sources: Sources,
    announce: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    # Not at the top: every other verb would wait for it, and so would the zygote.
    from preopen.serving.invocation import Invoker, make_invoker  # noqa: PLC0415 - as said above
    from preopen.serving.live import open_live  # noqa: PLC0415 - as said above
    from preopen.serving.transports.stdio import serve_stdio  # noqa: PLC0415 - as said above

    async with AsyncExitStack() as stack:
        recorder = stack.enter_context(open_recorder(start.policy, start.around))
        recorder.start()
        cells = open_cells(start.launcher, start.policy, start.around)
        pool = await stack.enter_async_context(cells)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(_end_on_signal, tasks.cancel_scope)
        tasks.start_soon(announce)

        def invoker(policy: Policy) -> Invoker:
            start.session.adopt(policy)
            return make_invoker(pool, policy, start.session)

        live = open_live(pool, start.policy, registry, sources, invoker, recorder=recorder)
        async with live as server:
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
        f"tools: {len(registry.tools)} offered, {len(registry.refused)} refused"
        + (f", {len(registry.quarantined)} quarantined" if registry.quarantined else ""),
        describe_wall(launcher),
        describe_network(policy),
    ]
    if os.geteuid() == 0:
        parts.append(f"started by {describe_owner(policy)}")
    parts += ["a fresh process for every call"] if spawn else []
    warn("; ".join(parts))
    if policy.workspace_problem:
        warn(f"preopen: {policy.workspace_problem}")
    for line in first_ignored(policy):
        warn(f"preopen: {line}")
    for line in first_unknown(find_unknown(policy, registry.known), registry.known):
        warn(f"preopen: {line}")
    for tool in registry.refused:
        for fault in tool.faults:
            warn(f"preopen: {tool.name} is refused: {fault}")
    for held in registry.quarantined:
        warn(f"preopen: {held.name} is not offered: {held.faults[0]}")


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
