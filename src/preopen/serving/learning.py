"""Runs a tool's calls exactly as the server would, and learns what they used and were denied.

The smaller manifest is tried by the same calls only where those cannot have changed anything.
"""

import enum
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from preopen.cells.pool import Pool
from preopen.cells.zygote import LaunchError
from preopen.document import read_file
from preopen.errors import Fault, ManifestError, PreopenError
from preopen.outcome import JsonValue
from preopen.policy.policy import Policy
from preopen.serving.invocation import Answer, Invoke, Progress
from preopen.serving.loading import load_tool, read_binary
from preopen.serving.observing import Observer, observing
from preopen.serving.registry import Tool
from preopen.tool.binary import read_facts
from preopen.tool.parsing import parse_manifest
from preopen.tool.result import TextBlock
from preopen.trust.consent import Caller
from preopen.trust.learning import Change, Recorded
from preopen.trust.lesson import Lesson, Session, learn

_SAFE = frozenset({"GET", "HEAD"})  # RFC 9110, 9.2.1: they ask, and change nothing

Calls = Sequence[Mapping[str, JsonValue]]


class Trial(enum.StrEnum):
    """Whether the same calls were run again under the new manifest, and what came of it."""

    SAME = "same"  # they gave the same answers
    OTHER = "other"  # some gave another one
    NONE = "none"  # they were not run: no grant is less, or some is more, or they change something


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The calls as they went, what came of it, and how the new manifest did.

    `withheld` are changes that would make less of the first directory, and that the calls could
    not be shown to bear: relative paths start there.
    """

    lesson: Lesson
    calls: tuple[Recorded, ...]
    trial: Trial
    withheld: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What runs calls: a pool, an Invoke over it, who hears of progress and who is asked."""

    pool: Pool
    invoke: Invoke
    policy: Policy
    progress: Progress
    caller: Caller

    async def learn(self, tool: Tool, calls: Calls) -> Learned:
        """Return the smallest manifest that would have done for these calls.

        Raises:
            PreopenError: the manifest or the binary is not any more what the tool was made of.

        """
        text = _text_of(tool)
        recorded, answers, blind = await self._run(tool, calls)
        session = Session(
            text=text,
            manifest=tool.manifest,
            facts=read_facts(read_binary(tool.manifest), tool.manifest.binary_path),
            grants=tool.grants,
            policy=self.policy,
            calls=recorded,
            networked=tool.source.networked,
            blind=blind,
        )
        smallest = learn(session, _kind_of, moves_first=True)
        careful = learn(session, _kind_of, moves_first=False)
        trial = await self._try(smallest, tool, session, answers)
        if trial is Trial.SAME or smallest.after == careful.after:
            return Learned(lesson=smallest, calls=recorded, trial=trial)
        kept = careful.findings.changes
        return Learned(
            lesson=careful,
            calls=recorded,
            trial=await self._try(careful, tool, session, answers),
            withheld=tuple(
                each
                for each in smallest.findings.changes
                if each.table == "directory" and each not in kept
            ),
        )

    async def _run(
        self, tool: Tool, calls: Calls
    ) -> tuple[tuple[Recorded, ...], tuple[Answer, ...], tuple[str, ...]]:
        with suppress(PreopenError, LaunchError):  # a call meets it again, and its answer says it
            # Before anything is watched: the server itself reads the binary, wherever that lies.
            await self.pool.prepare(tool.source)
        recorded, answers = [], []
        with observing([each.host_path for each in tool.grants.directories]) as observer:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(observer.drain)
                for arguments in calls:
                    answer = await self.invoke(tool, arguments, self.progress, self.caller)
                    recorded.append(_recorded(arguments, answer, observer))
                    answers.append(answer)
                tasks.cancel_scope.cancel()
        return tuple(recorded), tuple(answers), tuple(observer.blind)

    async def _try(
        self, lesson: Lesson, tool: Tool, session: Session, answers: Sequence[Answer]
    ) -> Trial:
        """Run the calls again under a manifest that only takes away, if they change nothing."""
        grants = [each for each in lesson.findings.changes if each.table != "tool"]
        if not grants or not lesson.only_takes:
            return Trial.NONE
        # Where not all was watched, nobody knows that nothing was written.
        if session.blind or any(map(_changes_things, session.calls)):
            return Trial.NONE
        if any(answer.receipt.consent for answer in answers):
            return Trial.NONE  # a person said yes to those calls, and to none of these
        file = tool.manifest.file
        try:
            manifest = parse_manifest(lesson.after, file, builtin=tool.manifest.builtin)
            # No fence is needed: whatever it may write, the present manifest may write.
            smaller = load_tool(manifest, self.policy, ())
        except PreopenError:
            return Trial.OTHER
        for call, before in zip(session.calls, answers, strict=True):
            answer = await self.invoke(smaller, call.arguments, self.progress, self.caller)
            if answer.reply != before.reply:
                return Trial.OTHER
        return Trial.SAME


def _text_of(tool: Tool) -> str:
    file = tool.manifest.file
    data = read_file(file, ManifestError)
    if parse_manifest(data, file, builtin=tool.manifest.builtin) != tool.manifest:
        fault = Fault(place=file, key="", found="changed since it was read", write="try again")
        raise ManifestError(fault)
    return data.decode()


def _recorded(arguments: Mapping[str, JsonValue], answer: Answer, observer: Observer) -> Recorded:
    texts = [each.text for each in answer.reply.content if isinstance(each, TextBlock)]
    return Recorded(
        arguments=arguments,
        receipt=answer.receipt,
        failed=answer.reply.is_error,
        said="\n".join(texts) if answer.reply.is_error else "",
        uses=observer.take(),
    )


def _changes_things(call: Recorded) -> bool:
    """Whether a call wrote or sent something; also where its receipt had no room to say so."""
    sent = {request.method for request in call.receipt.requests if request.result != "denied"}
    wrote = any(use.writes for use in call.uses)
    return wrote or bool(call.receipt.left_out) or not sent <= _SAFE


def _kind_of(host_path: str) -> str:
    """Return what a path of the host is; the operator alone reads the answer."""
    if os.path.isdir(host_path):  # noqa: PTH112 - text, as it was found
        return "folder"
    return "file" if os.path.exists(host_path) else ""  # noqa: PTH110 - as above
