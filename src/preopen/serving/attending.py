"""One call's network: joins the cell that asks to the gateway that answers; the record."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from preopen.cells.job import Attend, Attended
from preopen.egress.gateway import Attendance, Gateway, Ticket
from preopen.egress.rule import CallEgress, EgressRule
from preopen.egress.sockets import look_up
from preopen.egress.trust import Trust
from preopen.outcome import Denial, Request
from preopen.policy.network import NetworkPolicy
from preopen.policy.policy import Policy
from preopen.serving.registry import Tool
from preopen.wire.frames import Ask, Verdict


def make_gateway(policy: Policy) -> Gateway:
    """Return the door to the network that this policy opens; nothing is read or bound yet."""
    return Gateway(
        resolve=look_up,
        trust=Trust(ca_file=policy.network.ca_file),
        records_paths=policy.network.records_paths,
    )


@dataclass(slots=True)
class NetworkRecord:
    """What a call asked of its network, for the receipt: empty until it has been attended.

    `left_out` counts the requests and denials beyond what a receipt holds; `bytes_out` is what all
    requests carried out, those among them.
    """

    requests: tuple[Request, ...] = ()
    denials: tuple[Denial, ...] = ()
    left_out: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, slots=True)
class _Attended:
    attendance: Attendance

    @property
    def port(self) -> int:
        return self.attendance.port

    async def answer(self, ask: Ask) -> Verdict:
        match await self.attendance.ask(ask.method, ask.scheme, ask.authority, ask.path):
            case Ticket(path=path):
                return Verdict(ticket=path)
            case refusal:
                return Verdict(error=refusal.error)


def attend_with(
    gateway: Gateway, egress: CallEgress, record: NetworkRecord, *, opens: bool
) -> Attend:
    """Return what attends one call. Where nothing `opens`, the cell gets no port to connect to."""

    @asynccontextmanager
    async def attend(listener: int) -> AsyncIterator[Attended]:
        attendance: Attendance | None = None
        try:
            async with gateway.attend(egress, os.dup(listener) if opens else None) as attendance:
                yield _Attended(attendance)
        finally:  # by now what was on its way has ended, too
            if attendance is not None:
                record.requests = tuple(attendance.requests)
                record.denials = tuple(attendance.denials)
                record.bytes_out = attendance.bytes_out
                record.left_out = attendance.more_requests + attendance.more_denials

    return attend


def call_egress(tool: Tool, rules: tuple[EgressRule, ...], network: NetworkPolicy) -> CallEgress:
    """Return what one call of a tool may send by these rules, which narrowing left of its grant."""
    limits = tool.grants.limits
    needed = {rule.credential.secret for rule in rules if rule.credential is not None}
    return CallEgress(
        rules=rules,
        request_bytes=limits.request_bytes,
        response_bytes=limits.response_bytes,
        requests=limits.requests,
        opened=network.hosts,
        closed=network.closed,
        # One that is missing is the gateway's to deny, in words that name it.
        secrets={name: tool.secrets[name] for name in needed if name in tool.secrets},
    )
