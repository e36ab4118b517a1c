"""What the pool is asked to run, and what it answers; and the Call that a cell gets."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from preopen.capability import EnvVar, Kept, Limits, Mount, Reach
from preopen.cells.cache import BinarySource
from preopen.outcome import Outcome, Usage
from preopen.wire.frames import Ask, Call, Rule, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Lets a cell serve many calls of one tool: walled to the tool's whole grant.

    `identity` changes with the tool's binary or grants: a cell that was bound before is then left.
    `open_whole` opens the whole grant for the wall; the pool closes it.
    """

    identity: str
    calls: int
    open_whole: Callable[[], AbstractContextManager[tuple[Mount, ...]]]


class Attended(Protocol):
    """Who answers for one call's network, while it runs."""

    @property
    def port(self) -> int:
        """The gateway's port on the cell's loopback; 0 where the call can send nothing."""

    async def answer(self, ask: Ask) -> Verdict:
        """Return whether the guest may send this request."""


# Given a descriptor of the socket that the cell listens on, which stays the caller's.
Attend: TypeAlias = Callable[[int], AbstractAsyncContextManager[Attended]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call of one tool, narrowed and rendered. The mounts' descriptors stay the caller's.

    `argv` holds the arguments after the program's name, which is the tool's. `attend` is None for a
    tool without a network; it is entered when the call has its cell, and left when that is done.
    """

    tool: str
    source: BinarySource
    argv: tuple[str, ...]
    stdin: bytes
    environment: tuple[EnvVar, ...]
    mounts: tuple[Mount, ...]
    limits: Limits
    kept: tuple[Kept, ...] = ()
    exit_ok: tuple[int, ...] = (0,)
    binding: Binding | None = None
    attend: Attend | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a Job went. `cell` is "call", "tool" or "none" where no cell was touched."""

    outcome: Outcome
    cell: str = "none"
    walls: tuple[str, ...] = ()
    walls_missing: tuple[str, ...] = ()
    usage: Usage = Usage()


def make_call(job: Job, wall: tuple[Mount, ...] | None, calls_left: int, gateway_port: int) -> Call:
    """Return the frame for one job. `wall` is what the wall opens, None where it stands already."""
    return Call(
        binary=job.source.binary,
        argv=(job.tool, *job.argv),
        environment=tuple((each.name, each.value) for each in job.environment),
        mounts=job.mounts,
        rules=None if wall is None else rules_for(wall),
        limits=job.limits,
        calls_left=calls_left,
        kept=job.kept,
        gateway_port=gateway_port,
        is_inert=job.source.is_inert,
        stdin=job.stdin,
    )


def rules_for(mounts: tuple[Mount, ...]) -> tuple[Rule, ...]:
    """Return the wall of these mounts: the folders of whole trees, the files of narrowed ones."""
    rules: list[Rule] = []
    for mount in mounts:
        match mount.reach:
            case Reach.TREE:
                rules.append(Rule(descriptor=mount.folder, access=mount.access, is_file=False))
            case Reach.FILE:
                rules += [
                    Rule(descriptor=target, access=mount.access, is_file=True)
                    for target in mount.targets
                ]
            case Reach.NOTHING:
                pass
    return tuple(rules)
