"""One call's records: what was asked, what was decided, how it ended; joins a call and the log.

A record that cannot be written is told to the operator once, until records can be written again.
Where every call must be recorded, one that cannot be is denied before anything of it runs.
"""

import asyncio
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio

from preopen.outcome import Denial, JsonValue
from preopen.policy.auditing import Auditing, AuditMode
from preopen.serving.absence import NOT_OFFERED, why_absent
from preopen.serving.current import Current
from preopen.serving.invocation import Answer, deny, with_notes
from preopen.serving.receipts import denial_to_json, receipt_to_json
from preopen.serving.registry import Tool
from preopen.serving.spans import Tell, call_span
from preopen.trust.audit import AuditError, AuditLog
from preopen.trust.audit_file import utc_now
from preopen.trust.audit_record import Asked, AuditRecord, CallBegan, CallEnded, Decided, Missed
from preopen.trust.consent import Caller, Deciding, PersonNeeded

UNRECORDABLE: Final = Denial(
    target="the audit log",
    reason="the audit log cannot be written, and the operator has no call run unrecorded",
    allow='make room or access for it (the server\'s stderr says where), or write audit = "on" in'
    " preopen.toml",
)
NOT_RECORDED: Final = "the audit log could not be written: how this call ended is not on record"

log = logging.getLogger(__name__)
# Of no other call. Random only where it begins: each draw is a question to the kernel.
_calls: Final = itertools.count(int.from_bytes(os.urandom(7)))


def asked_of(
    caller: Caller,
    arguments: Mapping[str, JsonValue],
    *,
    tool: str,
    level: str = "",
    sha256: str = "",
) -> Asked:
    """Return a new call as its records name it; no level and no binary where none is offered."""
    return Asked(
        call=f"{next(_calls):016x}",
        client=caller.name,
        client_version=caller.version,
        tool=tool,
        level=level,
        sha256=sha256,
        arguments=arguments,
    )


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Records calls in a log; `log` is None where nobody serves anybody, as in the self-test."""

    log: AuditLog | None
    mode: AuditMode
    _missed: int = 0
    _since: str = ""
    _told: bool = False

    def start(self) -> None:
        """Make the log's file, so that an operator hears at the start what is in the way."""
        try:
            if self.log is not None:
                self.log.open()
        except AuditError as error:
            self._tell(error)

    def adopt(self, auditing: Auditing) -> None:
        """Go on as another policy says."""
        self.mode = auditing.mode
        if self.log is not None:
            self.log.keeps_values = auditing.keeps_values

    def begin(self, asked: Asked) -> bool:
        """Whether a call may run: where it must be recorded, its beginning is, ahead of it."""
        return self.mode is not AuditMode.REQUIRED or self.record(CallBegan(asked=asked))

    def record(self, record: AuditRecord) -> bool:
        """Write a record, and return whether it is written; nothing is raised."""
        if self.log is None:
            return True
        try:
            if self._missed:
                self.log.append(Missed(count=self._missed, since=self._since))
                self._missed = 0
            self.log.append(record)
        except AuditError as error:
            self._since = self._since if self._missed else utc_now()
            self._missed += 1
            self._tell(error)
            return False
        if self._told:
            log.warning("preopen: audit: records are written again; one says how many are missing")
            self._told = False
        return True

    async def recorded(
        self,
        caller: Caller,
        tool: Tool,
        arguments: Mapping[str, JsonValue],
        run: Callable[[Caller], Awaitable[Answer]],
    ) -> Answer:
        """Return what `run` answers, and have it on record; without one, what the mode says."""
        asked = asked_of(
            caller, arguments, tool=tool.name, level=tool.level.value, sha256=tool.sha256
        )
        with call_span(asked) as tell:
            if not self.begin(asked):
                answer = deny(tool, UNRECORDABLE)
                tell(receipt_to_json(answer.receipt), "", "")
                return answer
            # Run when this first waits, most often for the cell: there is time then.
            asyncio.get_running_loop().call_soon(self._prepare, asked)
            try:
                answer = await run(caller.heard_by(partial(self._decided, asked)))
            except BaseException as error:
                ended: dict[str, JsonValue] = {"outcome": _outcome_of(error)}
                self._end(tell, CallEnded(asked=asked, receipt=ended))
                raise
            receipt = receipt_to_json(answer.receipt)
            written = self._end(
                tell,
                CallEnded(
                    asked=asked, receipt=receipt, consent=answer.consent, channel=answer.channel
                ),
            )
        if written or self.mode is not AuditMode.REQUIRED:
            return answer
        return replace(
            answer,
            reply=with_notes(answer.reply, (NOT_RECORDED,)),
            receipt=replace(answer.receipt, notes=(*answer.receipt.notes, NOT_RECORDED)),
        )

    def record_absence(
        self, caller: Caller, served: Current, name: str, arguments: Mapping[str, JsonValue]
    ) -> None:
        """Have on record that a client called a tool which is not offered, and why it is not.

        In one record in either mode, for nothing runs; the client is refused with or without it.
        """
        denials = [denial_to_json(why_absent(served, name))]
        receipt: dict[str, JsonValue] = {"outcome": NOT_OFFERED, "denials": denials}
        self.record(CallEnded(asked=asked_of(caller, arguments, tool=name), receipt=receipt))

    def close(self) -> None:
        """Write the log's end."""
        try:
            if self.log is not None:
                self.log.close()
        except AuditError as error:
            self._tell(error)

    def _prepare(self, asked: Asked) -> None:
        if self.log is not None:
            self.log.prepare(asked)

    def _decided(self, asked: Asked, deciding: Deciding) -> None:
        self.record(
            Decided(
                asked=asked,
                decision=deciding.decision,
                rule=deciding.rule,
                grants=deciding.grants,
                consent=deciding.consent,
                channel=deciding.channel,
            )
        )

    def _end(self, tell: Tell, record: CallEnded) -> bool:
        tell(record.receipt, record.consent, record.channel)
        return self.record(record)

    def _tell(self, error: AuditError) -> None:
        if self._told:
            return
        self._told = True
        then = "no call runs" if self.mode is AuditMode.REQUIRED else "calls go on unrecorded"
        log.error('preopen: audit: %s; until then %s (audit = "%s")', error, then, self.mode.value)


def _outcome_of(error: BaseException) -> str:
    """Return how a call ended that has no answer."""
    if isinstance(error, PersonNeeded):
        return "Asked"  # the person's answer comes with another call
    return "Cancelled" if isinstance(error, anyio.get_cancelled_exc_class()) else "Incident"


UNRECORDED: Final = Recorder(log=None, mode=AuditMode.ON)
