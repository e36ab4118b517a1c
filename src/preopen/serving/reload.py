"""What is served, loaded again when its files change: policy, manifests, binaries → a new Current.

A broken edit takes no tool away; a policy that allows less takes it away at once.
"""

import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import anyio.to_thread

from preopen.capability import Access
from preopen.cells.cache import BinarySource
from preopen.errors import PolicyError, PreopenError
from preopen.policy.mentions import find_unknown, first_unknown
from preopen.policy.policy import Policy
from preopen.serving.current import Current
from preopen.serving.invocation import Invoke
from preopen.serving.loading import folders_of, judge_tool
from preopen.serving.registry import RefusedTool, Registry, Tool
from preopen.serving.sources import Sources
from preopen.serving.watching import Stamps, folders_to_watch, has_changed, take_stamps
from preopen.tool.failure import one_line
from preopen.trust.fingerprint import define
from preopen.trust.lock import Approvals, waiting

_LINES: Final = 20  # of one reload; a folder may hold a thousand broken manifests

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Reloader:
    """Holds the one reference to what is served, and swaps it; `swapped` hears of both.

    `holds` says whether a binary can be run without its bytes. `swapped` must not wait for a
    client: what the next change takes away would stay meanwhile.
    """

    sources: Sources
    current: Current
    make_invoke: Callable[[Policy], Invoke]
    holds: Callable[[BinarySource], bool]
    swapped: Callable[[Current, Current], Awaitable[None]]
    _seen: Stamps = field(default_factory=dict)
    _read_ns: int = 0  # when the reading of what is served began
    _had_file: bool = False
    _gone: bool = False  # the policy's file was there, and at the last look it was not
    _failed: str = ""  # how the look before failed in preopen itself
    _fault: str = ""  # why the policy stays as it was

    def __post_init__(self) -> None:
        self._read_ns = self.sources.began_ns
        self._had_file = os.path.lexists(self.sources.policy_file)

    def wanted(self) -> frozenset[str]:
        """Return the folders to watch for what is served now."""
        files, folders = self._places()
        return folders_to_watch(files, folders)

    async def look(self) -> None:
        """Load again if a file changed. Whatever is wrong with one, what was served goes on."""
        try:
            await self._look()
        except Exception as error:  # the boundary: a bug here must not end the server
            if repr(error) != self._failed:  # every look may meet it again
                self._failed = repr(error)
                log.exception(
                    "preopen: a reload failed in preopen itself; what was read before holds"
                )
        else:
            self._failed = ""

    async def _look(self) -> None:
        began_ns = time.time_ns()
        seen = await anyio.to_thread.run_sync(take_stamps, *self._places())
        changed = has_changed(seen, self._seen, self._read_ns)
        if not changed and not self._fault and not self._gone:
            return
        made = await anyio.to_thread.run_sync(self._load, changed)
        # Of the files before they were read: what is written meanwhile is seen by the next look.
        self._seen = seen
        if changed:
            self._read_ns = began_ns
        if made is not None:
            old, self.current = self.current, made
            for line in describe_reload(old, made):
                log.warning("preopen: %s", one_line(line))
            await self.swapped(old, made)

    def _places(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        files = (self.sources.policy_file, *self.sources.files, *self.current.registry.files)
        return files, (*self.sources.folders, *self.current.policy.tool_folders)

    def _load(self, changed: bool) -> Current | None:  # noqa: FBT001 - to_thread takes no keyword
        """Return what is to be served now; None where nothing changed but the hope for a policy."""
        now, policy = self.current, self._read_policy()
        if policy == now.policy:
            if not changed:
                return None
            policy = now.policy
        fresh = self.sources.read_registry(policy)
        invoke = now.invoke if policy is now.policy else self.make_invoke(policy)
        registry = keep_old(now.registry, fresh, policy, self.holds)
        return Current(policy=policy, registry=registry, invoke=invoke)

    def _read_policy(self) -> Policy:
        """Return the policy as it is written now, the one before where that is none.

        A file that is gone counts at the second look: an editor may be about to put it back, and
        for that moment a tool could be offered that it withholds.
        """
        there = os.path.lexists(self.sources.policy_file)
        if self._had_file and not there and not self._gone:
            self._gone = True
            return self.current.policy
        self._had_file, self._gone = there, False
        try:
            policy = self.sources.read_policy()
        except PolicyError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                for fault in error.faults:
                    log.warning("preopen: the policy stays as it was: %s", one_line(str(fault)))
            return self.current.policy
        self._fault = ""
        return policy


def keep_old(
    old: Registry, fresh: Registry, policy: Policy, holds: Callable[[BinarySource], bool]
) -> Registry:
    """Return `fresh`, and in it each tool of `old` whose own file is refused since.

    It stays as it was before the edit, under the policy and the approvals as they are now: what
    they do not let the old definition have is refused with the new one. Its binary is the one that
    was pinned: compiled already, or still where it lay.
    """
    before = {tool.manifest.file: tool for tool in old.tools.values()}
    kept = [before[each.file] for each in fresh.refused if each.file in before]
    # A name of --without that this tool had all the same is a built-in's, which it freed.
    taken = {*fresh.tools, *(policy.without - set(old.left_out))}
    kept = [tool for tool in kept if tool.name not in taken and _is_approved(tool, fresh.approvals)]
    if not kept:
        return fresh
    manifests = [tool.manifest for tool in (*fresh.tools.values(), *kept)]
    keep_out = folders_of(manifests)
    tools, refused = dict(fresh.tools), list(fresh.refused)
    for tool in kept:
        again = _judge_again(tool, policy, keep_out)
        if isinstance(again, Tool) and _can_run(again, holds):
            tools[tool.name] = again
    for tool in fresh.tools.values():
        # A kept tool's folders are fenced off, too, as they were before the edit.
        if any(each.access is Access.WRITE for each in tool.grants.directories):
            again = _judge_again(tool, policy, keep_out)
            if isinstance(again, RefusedTool):
                del tools[tool.name]
                refused.append(again)
    return replace(
        fresh,
        tools=MappingProxyType(dict(sorted(tools.items()))),
        refused=tuple(refused),
        files=tuple(dict.fromkeys((*fresh.files, *(t.manifest.binary_path for t in kept)))),
    )


def _is_approved(tool: Tool, approvals: Approvals) -> bool:
    """Whether nobody took the approval back: an edit that breaks a manifest must not outlast it."""
    if tool.manifest.builtin:
        return True
    return waiting(define(tool.manifest, tool.facts), approvals) is None


def _judge_again(tool: Tool, policy: Policy, keep_out: tuple[str, ...]) -> Tool | RefusedTool:
    try:
        return judge_tool(tool.manifest, tool.facts, policy, keep_out)
    except PreopenError as error:
        return RefusedTool(name=tool.name, file=tool.manifest.file, faults=error.faults)


def _can_run(tool: Tool, holds: Callable[[BinarySource], bool]) -> bool:
    if holds(tool.source):
        return True
    try:
        tool.source.read()
    except PreopenError:
        return False
    return True


def describe_reload(old: Current, new: Current) -> list[str]:
    """Return what a reload changed, a line each: tools that came, changed and went; refusals."""
    was, now = old.registry.tools, new.registry.tools
    parts = {
        "new": [name for name in now if name not in was],
        "changed": [name for name in now if name in was and _differ(was[name], now[name])],
        "gone": [name for name in was if name not in now],
    }
    said = [f"{what}: {_listed(names)}" for what, names in parts.items() if names]
    lines = [f"reloaded; {'; '.join(said)}"] if said else []
    if new.policy != old.policy:
        lines.append("the policy was read again, and holds for every call from now on")
    if new.policy.cells != old.policy.cells:
        lines.append(f"limits.cells = {new.policy.cells} counts from the next start on")
    told = set(find_unknown(old.policy, old.registry.known))
    unknown = find_unknown(new.policy, new.registry.known)
    lines += first_unknown([each for each in unknown if each not in told], new.registry.known)
    waited = {(each.file, each.definition.fingerprint) for each in old.registry.quarantined}
    for held in new.registry.quarantined:
        if (held.file, held.definition.fingerprint) not in waited:
            lines += [f"{held.name} is not offered: {fault}" for fault in held.faults]
    before = set(old.registry.refused)
    files = {tool.manifest.file for tool in now.values()}
    for each in new.registry.refused:
        if each not in before:
            kept = " (as it was before, it is served on)" if each.file in files else ""
            lines += [f"{each.name} is refused{kept}: {fault}" for fault in each.faults]
    more = len(lines) - _LINES
    return [*lines[:_LINES], f"and {more} lines more"] if more > 0 else lines


def _differ(one: Tool, other: Tool) -> bool:
    return (one.manifest, one.grants) != (other.manifest, other.grants)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LINES} more" if len(names) > _LINES else ""
    return f"{', '.join(names[:_LINES])}{more}"
