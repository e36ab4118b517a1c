"""`preopen approve`: pins tools as they are now, so that they are offered until they change.

With --withdraw it takes approvals back: `cli/withdrawing.py`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from preopen.cli.approvals import lock_file
from preopen.cli.finding import advice
from preopen.cli.options import examples, json_flag, policy_flags
from preopen.cli.printing import aligned, fault_to_json, say, say_json, warn
from preopen.cli.surroundings import read_surroundings
from preopen.cli.withdrawing import take_back
from preopen.errors import Fault
from preopen.outcome import JsonValue
from preopen.policy.flags import Flags
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.loading import load_registry
from preopen.serving.registry import QuarantinedTool, Registry
from preopen.trust.asks import asks_in_words
from preopen.trust.lock import Lock, approve

_REFUSED = 3


@click.command(
    "approve",
    short_help="Approve tools as they are now, or take that back.",
    epilog=examples(
        "preopen diff weather",
        "preopen approve weather",
        "preopen approve --all --manifests ./tools",
        "preopen approve weather --withdraw",
    ),
)
@click.argument("names", metavar="[TOOL]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Approve every tool that may be offered.")
@click.option(
    "--withdraw", "takes_back", is_flag=True, help="Take the approval back; with --all, each."
)
@policy_flags
@json_flag
def command(
    names: tuple[str, ...], flags: Flags, *, everything: bool, takes_back: bool, as_json: bool
) -> int:
    """Approve each TOOL as it is now: its whole manifest, its binary, its imports, its level.

    Asks nothing, and prints what it pins. One approval holds in every workspace until anything of
    the tool changes. What comes with preopen needs none.
    Exits with 3 where a TOOL that was named is refused or unknown; the others are approved.

    With --withdraw only what was approved is looked at, not the manifests: each TOOL waits again,
    at once and in servers that run, and lasting answers about it are forgotten. Exits with 1 where
    a TOOL that was named has no approval; those of the others are taken back.
    """
    if bool(names) is everything:
        raise click.UsageError("name the tools, or write --all")
    around = read_surroundings()
    if takes_back:
        return take_back(around, names, as_json=as_json)
    return _approve(names, load_policy(flags, around), lock_file(around), as_json=as_json)


def _approve(names: tuple[str, ...], policy: Policy, lock: Path, *, as_json: bool) -> int:
    # Nothing is approved in this load, so every tool of the user's that may be offered waits in it.
    registry = load_registry(policy, Lock())
    chosen = [tool for tool in registry.quarantined if not names or tool.name in names]
    fresh: frozenset[str] = frozenset()
    if chosen:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        fresh = approve(lock, [tool.definition for tool in chosen], now)
    failed = dict(_failed(registry, names))
    if as_json:
        say_json(_to_json(chosen, fresh, failed, registry))
    else:
        for tool in chosen:
            say("\n".join(_lines(tool, fresh=tool.name in fresh)))
        _say_others(registry, names, failed)
    return _REFUSED if failed else 0


def _failed(registry: Registry, names: Iterable[str]) -> Iterator[tuple[str, tuple[Fault, ...]]]:
    """Yield each name that cannot be approved, and why."""
    waiting = {tool.name for tool in registry.quarantined}
    refused = {tool.name: tool.faults for tool in registry.refused}
    known = sorted({*waiting, *refused, *registry.tools})
    for name in dict.fromkeys(names):
        if name in waiting or name in registry.tools:
            continue
        found, write = "there is no such tool", advice(name, known)
        if name in registry.left_out:
            found, write = "left out by --without or [tools] without", "leave that away"
        yield name, refused.get(name, (Fault(place=name, found=found, write=write),))


def _lines(tool: QuarantinedTool, *, fresh: bool) -> Iterator[str]:
    if not fresh:
        yield f"already approved  {tool.name}"
        return
    definition = tool.definition
    yield f"approved  {tool.name}: level {definition.level.value}"
    asks = asks_in_words(definition.document) or ("asks for nothing",)
    yield from (f"  {line}" for line in asks)
    rows = [
        ("binary", definition.sha256),
        ("fingerprint", definition.fingerprint),
        ("manifest", tool.file),
    ]
    yield from aligned(rows, indent="  ")


def _say_others(
    registry: Registry, names: tuple[str, ...], failed: dict[str, tuple[Fault, ...]]
) -> None:
    for name in dict.fromkeys(names):
        if name in registry.tools:
            say(f"already approved  {name}: it comes with preopen")
    for name, faults in failed.items():
        warn("\n".join([f"not approved  {name}:", *_told(faults)]))
    if not names:
        for tool in registry.refused:
            warn("\n".join([f"not approved, for it is refused  {tool.name}:", *_told(tool.faults)]))
        if not registry.quarantined:
            say("there is no tool to approve; --manifests DIR names a folder of them")


def _told(faults: Iterable[Fault]) -> list[str]:
    return [f"  {fault}" for fault in faults]


def _to_json(
    chosen: list[QuarantinedTool],
    fresh: frozenset[str],
    failed: dict[str, tuple[Fault, ...]],
    registry: Registry,
) -> dict[str, JsonValue]:
    refused = failed or {tool.name: tool.faults for tool in registry.refused}
    return {
        "approved": [
            {
                "name": tool.name,
                "before": tool.name not in fresh,
                "level": tool.definition.level.value,
                "asks": list(asks_in_words(tool.definition.document)),
                "imports": list(tool.definition.imports),
                "sha256": tool.definition.sha256,
                "fingerprint": tool.definition.fingerprint,
                "manifest": tool.file,
            }
            for tool in chosen
        ],
        "refused": [
            {"name": name, "faults": [fault_to_json(fault) for fault in faults]}
            for name, faults in refused.items()
        ],
    }
