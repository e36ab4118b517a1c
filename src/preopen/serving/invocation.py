"""One tools/call, from arguments to answer: validate, narrow, render, run, read back, account.

No protocol here, and no process: the pool is a parameter, and so is whoever hears of progress.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

import anyio

from preopen.capability import Mount
from preopen.cells.job import Attend, Binding, Job, Run
from preopen.cells.pool import Pool
from preopen.cells.zygote import LaunchError
from preopen.egress.gateway import Gateway
from preopen.egress.rule import EgressRule
from preopen.egress.teaching import describe_rule
from preopen.errors import BinaryError, PreopenError
from preopen.outcome import (
    CellLost,
    Denial,
    Denied,
    InvalidArguments,
    InvalidResult,
    JsonValue,
    Outcome,
    Receipt,
    Returned,
    Uncompilable,
)
from preopen.policy.narrow import Narrowed, describe_mounts, narrow
from preopen.policy.policy import Policy
from preopen.policy.replaced import differences
from preopen.schema import fill_defaults
from preopen.serving.asking import Allowed, Judge, Stopped
from preopen.serving.attending import NetworkRecord, attend_with, call_egress, make_gateway
from preopen.serving.registry import Tool
from preopen.serving.session import Session, open_session
from preopen.tool.failure import explain_failure
from preopen.tool.manifest import Manifest
from preopen.tool.network_failure import explain_network
from preopen.tool.result import Reply, TextBlock, read_reply
from preopen.tool.template import Rendered, render
from preopen.trust.consent import Caller
from preopen.trust.guards import CallReach, Forbidden, MustAsk, flow_denial, reach_of
from preopen.trust.quotas import Count

SLOW_COMPILE_SECONDS = 5  # design §8: a call that waits longer than that for a compile says so

Progress: TypeAlias = Callable[[str], Awaitable[None]]
Invoke: TypeAlias = Callable[[Tool, Mapping[str, JsonValue], Progress, Caller], Awaitable["Answer"]]
NOBODY: Final = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client gets, the reply and its receipt; and what a person said, by which channel."""

    reply: Reply
    receipt: Receipt
    consent: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class _Call:
    """One call that is valid and narrowed: its arguments as they came, and as the guest is told."""

    tool: Tool
    filled: Mapping[str, JsonValue]
    narrowed: Narrowed
    rendered: Rendered
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoker:
    """Invokes tools in the cells of one pool, under one policy, for one session."""

    pool: Pool
    policy: Policy
    gateway: Gateway
    session: Session

    async def __call__(
        self,
        tool: Tool,
        arguments: Mapping[str, JsonValue],
        progress: Progress,
        caller: Caller = NOBODY,
    ) -> Answer:
        """Return the answer of one call. Whatever the guest does is in it, nothing is raised.

        But what the caller's `ask` raises: then nothing has run.
        """
        filled = fill_defaults(tool.input_schema, arguments)
        problems = tool.arguments.problems(filled)
        if problems:
            return _finish(tool, InvalidArguments(problems=problems))
        narrowed = narrow(
            tool.manifest,
            tool.grants,
            filled,
            home=self.policy.home,
            closed=self.policy.network.closed,
        )
        if isinstance(narrowed, Denial):
            return deny(tool, narrowed)
        try:
            rendered = render(tool.manifest.run, narrowed.arguments)
            if isinstance(rendered, Denial):
                return deny(tool, rendered)
            return await self._decide(_Call(tool, filled, narrowed, rendered, progress), caller)
        finally:
            narrowed.close()

    async def _decide(self, call: _Call, caller: Caller) -> Answer:
        """Run a call where files, a person, quotas and flows let it."""
        tool = call.tool
        reach = reach_of(tool.name, call.narrowed, tool.grants, self.policy)
        judge = Judge(policy=self.policy, session=self.session)
        verdict = await judge.judge(tool, call.filled, call.narrowed, reach, caller)
        if isinstance(verdict, Stopped):
            answer = deny(tool, verdict.denial)
        else:
            answer = await self._admit(call, verdict, reach)
        if not verdict.consent:
            return answer
        return replace(
            answer,
            receipt=replace(answer.receipt, consent=verdict.text),
            consent=verdict.consent,
            channel=verdict.channel.value,
        )

    async def _admit(self, call: _Call, verdict: Allowed, reach: CallReach) -> Answer:
        """Run a call that nobody denied, where its quota has room and no flow came between."""
        tool, quotas = call.tool, self.session.quotas
        count = await quotas.begin(tool.name)
        if isinstance(count, Denial):
            return deny(tool, count)
        try:
            # Again, and noted at once: another call may have become a source while this was asked.
            entered = self.session.flows.enter(reach, said_yes=verdict.crossings)
            if isinstance(entered, MustAsk | Forbidden):
                count.began = False
                return deny(tool, flow_denial(entered))
            return await self._run(call, verdict, count)
        finally:
            await quotas.end(tool.name, count)

    async def _run(self, call: _Call, allowed: Allowed, count: Count) -> Answer:
        tool, narrowed, rendered = call.tool, call.narrowed, call.rendered
        network = NetworkRecord()
        job = self._job(tool, narrowed, rendered, network)
        try:
            if not self.pool.knows(tool.source):
                await self._prepare(tool, call.progress)
            run = await self.pool.run(job)
        except BinaryError as error:
            run = Run(outcome=Uncompilable(reason=str(error)))
        except PreopenError as error:  # no cache, no process
            run = Run(outcome=CellLost(reason=str(error), may_pass=False))
        except LaunchError as error:
            run = Run(outcome=CellLost(reason=str(error), may_pass=error.may_pass))
        finally:
            count.bytes_out = network.bytes_out
        count.began = run.cell != "none"
        notes = (*allowed.notes, *differences(narrowed.replaceable))
        return _finish(
            tool,
            run.outcome,
            run=run,
            reached=_reached(job, run, narrowed.egress),
            user="" if run.cell == "none" else self.pool.launcher.owner,
            rendered=rendered,
            network=network,
            notes=notes,
        )

    async def _prepare(self, tool: Tool, progress: Progress) -> None:
        fault: PreopenError | LaunchError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_say_when_slow, progress, tool.name)
            try:
                await self.pool.prepare(tool.source)
            except (PreopenError, LaunchError) as error:
                fault = error  # raised below: out of a task group it would come as a group
            tasks.cancel_scope.cancel()
        if fault is not None:
            raise fault

    def _job(
        self, tool: Tool, narrowed: Narrowed, rendered: Rendered, network: NetworkRecord
    ) -> Job:
        binding = self._binding(tool)
        attend: Attend | None = None
        if tool.source.networked:
            # A bound cell's wall is put up once: by what the tool has, not by what this call needs.
            opens = bool(tool.grants.egress if binding else narrowed.egress)
            egress = call_egress(tool, narrowed.egress, self.policy.network)
            attend = attend_with(self.gateway, egress, network, opens=opens)
        return Job(
            tool=tool.name,
            source=tool.source,
            argv=rendered.argv,
            stdin=rendered.stdin,
            environment=tool.grants.environment,
            mounts=narrowed.mounts,
            limits=tool.grants.limits,
            kept=tuple(each.kept for each in narrowed.replaceable),
            exit_ok=tool.manifest.run.exit_ok,
            binding=binding,
            attend=attend,
        )

    def _binding(self, tool: Tool) -> Binding | None:
        """Return how this tool's cells are shared: only where `[cells.TOOL]` says so."""
        calls = self.policy.calls_per_cell.get(tool.name, 1)
        if calls <= 1:
            return None

        whole = partial(_open_whole, tool, self.policy.home)
        return Binding(identity=tool.identity, calls=calls, open_whole=whole)


@contextmanager
def _open_whole(tool: Tool, home: str) -> Iterator[tuple[Mount, ...]]:
    # No argument named: narrowing then answers the whole grant.
    whole = narrow(tool.manifest, tool.grants, {}, home=home)
    if isinstance(whole, Denial):
        raise LaunchError(str(whole))
    with whole:
        yield whole.mounts


def make_invoker(pool: Pool, policy: Policy, session: Session | None = None) -> Invoker:
    """Return what invokes tools in these cells, with the network that the policy opens.

    Without a session no answer of a person lasts.
    """
    return Invoker(
        pool=pool,
        policy=policy,
        gateway=make_gateway(policy),
        session=session or open_session(policy),
    )


def deny(tool: Tool, denial: Denial) -> Answer:
    """Return the answer of a call that is denied before anything of it runs."""
    return _finish(tool, Denied(denial=denial))


def _finish(
    tool: Tool,
    outcome: Outcome,
    *,
    run: Run | None = None,
    reached: tuple[str, ...] = (),
    user: str = "",
    rendered: Rendered | None = None,
    network: NetworkRecord | None = None,
    notes: tuple[str, ...] = (),
) -> Answer:
    """Read back what a good end printed, or say what a bad one means; and write the receipt."""
    if isinstance(outcome, Returned):
        check = tool.result.problems if tool.result else lambda _: ()
        said = read_reply(tool.manifest, outcome.stdout, check)
        if isinstance(said, InvalidResult):
            outcome = replace(said, stderr=outcome.stderr)
            said = _explain(tool, outcome)
    else:
        said = _explain(tool, outcome)
    run = run or Run(outcome=outcome)
    network = network or NetworkRecord()
    sent = len("".join(rendered.argv).encode()) + len(rendered.stdin) if rendered else 0
    receipt = Receipt(
        outcome=type(outcome).__name__,
        grants=reached,
        cell=run.cell,
        cell_user=user,
        sha256=tool.sha256,
        walls=run.walls,
        walls_missing=run.walls_missing,
        usage=run.usage.carrying(sent, len(getattr(outcome, "stdout", b""))),
        denials=(outcome.denial,) if isinstance(outcome, Denied) else network.denials,
        requests=network.requests,
        left_out=network.left_out,
        notes=notes,
    )
    if network.requests or network.denials:
        notes += explain_network(_held(tool), network.requests, network.denials)
    return Answer(reply=with_notes(said, notes), receipt=receipt)


def _explain(tool: Tool, outcome: Outcome) -> Reply:
    return explain_failure(_held(tool), outcome)


def _held(tool: Tool) -> Manifest:
    """Return the manifest with the limits that a call is held to: the policy may lower them."""
    return replace(tool.manifest, limits=tool.grants.limits)


def with_notes(reply: Reply, notes: tuple[str, ...]) -> Reply:
    """Say them to the model too, but where the text must be what the structured content is."""
    if not notes or reply.structured is not None:
        return reply
    return replace(reply, content=(*reply.content, TextBlock(text="\n".join(notes))))


def _reached(job: Job, run: Run, egress: tuple[EgressRule, ...]) -> tuple[str, ...]:
    """Return what was reachable: nothing where no cell was touched."""
    if run.cell == "none":
        return ()
    mounts = describe_mounts(job.mounts, walled_per_call=run.cell == "call")
    variables = (f"environment {variable.name}" for variable in job.environment)
    return (*mounts, *variables, *map(describe_rule, egress if job.attend else ()))


async def _say_when_slow(progress: Progress, name: str) -> None:
    await anyio.sleep(SLOW_COMPILE_SECONDS)
    await progress(f"compiling {name} for the first time")
