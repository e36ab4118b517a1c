"""What the operator said → lines: policy file, workspace, tools, the client's entry."""

import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from preopen.cli.approvals import read_approvals
from preopen.cli.clients import own_command, serve_arguments
from preopen.cli.health.line import Line, State, lines_of
from preopen.cli.health.network import examine_network
from preopen.cli.starting import name_of, owner_of_cells
from preopen.errors import PolicyError, PreopenError, found_and_write
from preopen.level import PermissionLevel
from preopen.policy.file import FILE_NAME
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.mentions import MOST_SAID, explain_unknown, find_unknown
from preopen.policy.policy import Policy
from preopen.serving.loading import load_registry
from preopen.serving.registry import Registry
from preopen.trust.lock import Approvals

SECTION: Final = "policy"


def refused_lines(error: PolicyError) -> Iterator[Line]:
    """Yield each fault of a policy that cannot be used, and what was left out for it."""
    yield from lines_of(SECTION, "file", error.faults)
    found = "not looked at: a refused policy serves none"
    yield Line(section=SECTION, name="tools", state=State.WARN, found=found)


def examine_operator(
    policy: Policy, flags: Flags, around: Surroundings, *, approve_all: bool
) -> Iterator[Line]:
    """Yield what this policy comes to."""
    yield _file(flags, around)
    yield _workspace(policy)
    try:
        yield from _tools(policy, read_approvals(around, approve_all=approve_all))
    except PreopenError as error:
        yield from lines_of(SECTION, "approvals", error.faults)
    words = own_command() + serve_arguments(flags, policy, around, spawn=False, stdio=False)
    found = f"`preopen serve` prints its entry, which starts: {shlex.join(words)}"
    yield Line(section=SECTION, name="client", state=State.OK, found=found)
    yield from examine_network(policy.network)


def _file(flags: Flags, around: Surroundings) -> Line:
    file = flags.policy_file or f"{around.config_dir}/{FILE_NAME}"
    found = f"{file}: valid"
    if flags.policy_file is None and not os.path.lexists(file):
        found = f"none, so every default is the tight one; {file} would be read"
    return Line(section=SECTION, name="file", state=State.OK, found=found)


def _workspace(policy: Policy) -> Line:
    if policy.workspace is None:
        found, write = found_and_write(policy.workspace_problem)
        # Who is asked in the home folder about this machine named no workspace, and serves none.
        named = policy.origins.get("workspace") != "default"
        state = State.FAIL if named else State.WARN
        return Line(section=SECTION, name="workspace", state=state, found=found, way_out=write)
    owner = Path(policy.workspace).stat()
    place = f"{policy.workspace}, of {name_of(owner.st_uid)}"
    if owner_of_cells(policy):
        return Line(section=SECTION, name="workspace", state=State.OK, found=place)
    if not os.access(policy.workspace, os.R_OK | os.X_OK):
        return Line(
            section=SECTION,
            name="workspace",
            state=State.FAIL,
            found=f"{place}: you may not read it",
            way_out="write --workspace FOLDER, one that is yours",
        )
    if policy.max_level >= PermissionLevel.WRITE and not os.access(policy.workspace, os.W_OK):
        return Line(
            section=SECTION,
            name="workspace",
            state=State.WARN,
            found=f"{place}: you may not write it, so no tool can",
            way_out="write --allow read-only, or --workspace FOLDER, one that is yours",
        )
    return Line(section=SECTION, name="workspace", state=State.OK, found=place)


def _tools(policy: Policy, approvals: Approvals) -> Iterator[Line]:
    began = time.perf_counter()
    registry = load_registry(policy, approvals)
    took_ms = (time.perf_counter() - began) * 1000
    offered = f"{len(registry.tools)} offered, loaded in {took_ms:.0f} ms"
    if not registry.tools:
        yield Line(
            section=SECTION,
            name="tools",
            # Without a workspace it is the workspace's line that says whether that is a fault.
            state=State.FAIL if policy.workspace else State.WARN,
            found=offered,
            way_out="`preopen list` says why; --manifests DIR adds a folder of them",
        )
    else:
        yield Line(section=SECTION, name="tools", state=State.OK, found=offered)
    if registry.refused:
        names = ", ".join(tool.name for tool in registry.refused)
        yield Line(
            section=SECTION,
            name="refused tools",
            state=State.WARN,
            found=names,
            way_out="`preopen check` says what each is refused for, and what to write",
        )
    if registry.quarantined:
        yield Line(
            section=SECTION,
            name="quarantined tools",
            state=State.WARN,
            found=", ".join(tool.name for tool in registry.quarantined),
            way_out="`preopen diff` says what is new or changed, `preopen approve` lets it in",
        )
    yield from _unknown_names(policy, registry)


def _unknown_names(policy: Policy, registry: Registry) -> Iterator[Line]:
    """Yield a line for each of the first ten places that name no tool, and one for all others."""
    unknown = find_unknown(policy, registry.known)
    for mention in unknown[:MOST_SAID]:
        fault = explain_unknown(mention, registry.known)
        found = f"{fault.place}: {fault.key}: {fault.found}"
        yield _unknown_name(found, fault.write)
    if len(unknown) > MOST_SAID:
        yield _unknown_name(
            f"{len(unknown) - MOST_SAID} more names of tools are not known here",
            "`preopen check` says them all",
        )


def _unknown_name(found: str, way_out: str) -> Line:
    return Line(
        section=SECTION, name="unknown tools", state=State.WARN, found=found, way_out=way_out
    )
