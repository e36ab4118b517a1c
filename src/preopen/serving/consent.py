"""An Ask that asks a person through the client: a form, in both eras of the protocol.

Handshake era: `elicitation/create`, and the call waits. 2026-07-28 knows no request of a server:
the call is answered with `InputRequiredResult`, and made again with the form's answer and our
sealed state. The seal binds it to tool, arguments and ten minutes; we bind it to what the call
would touch, and take each once.

A client may answer by itself, without a person: nothing here can tell (`docs/threat-model.md`).
"""

import json
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import mcp_types as wire
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from preopen.trust.consent import (
    Ask,
    Channel,
    PersonNeeded,
    Question,
    Said,
    Say,
    Unasked,
    question_text,
)

TTL_SECONDS: Final = 600.0  # a person who answers later is asked anew
_KEY: Final = "consent"
_FIELD: Final = "answer"
_MOST_OPEN: Final = 1000  # questions without an answer; the oldest are forgotten first
_WORDS: Final = {
    Say.ONCE: "this call",
    Say.SESSION: "every such call until this server ends",
    Say.ALWAYS: "every such call until the tool, or what it is granted, changes",
    Say.NO: "not this call",
}
_STALE: Final = (
    "the answer that came with this call was used already, is too old, or was about something else;"
    " make the call again without it, and the person is asked anew"
)

_Context: TypeAlias = ServerRequestContext[Any, Any]


@dataclass(slots=True)
class Consents:
    """Questions of the newer era that wait for their answer: when each ends, by its nonce."""

    _open: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def ask_through(self, context: _Context, params: wire.CallToolRequestParams) -> Ask:
        """Return what asks the person behind this request's client."""

        async def ask(question: Question) -> Said | Unasked:
            if not _can_show_forms(context):
                return Unasked(why="this client cannot ask you (it declares no elicitation)")
            if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
                return await _elicit(context, question)
            if params.request_state is None:
                raise PersonNeeded(self._open_question(question))
            return self._answer(question, params)

        return ask

    def second_request(self, needed: PersonNeeded) -> wire.InputRequiredResult:
        """Return what ends the first of two requests."""
        if not isinstance(needed.result, wire.InputRequiredResult):
            raise TypeError("only an Ask of this file asks for a second request")
        return needed.result

    def _open_question(self, question: Question) -> wire.InputRequiredResult:
        nonce = secrets.token_hex(16)
        self._open[nonce] = time.monotonic() + TTL_SECONDS
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        form = wire.ElicitRequestFormParams(
            message=question_text(question), requested_schema=_schema(question)
        )
        return wire.InputRequiredResult(
            input_requests={_KEY: wire.ElicitRequest(params=form)},
            request_state=json.dumps({"nonce": nonce, "digest": question.digest}),
        )

    def _answer(self, question: Question, params: wire.CallToolRequestParams) -> Said | Unasked:
        """Return the answer that came with the second request, if it is one to this question."""
        state = json.loads(params.request_state or "null")  # ours: the seal held
        ends = self._open.pop(state["nonce"], 0.0)
        if time.monotonic() >= ends or state["digest"] != question.digest:
            return Unasked(why=_STALE, channel=Channel.INPUT)
        answer = (params.input_responses or {}).get(_KEY)
        if not isinstance(answer, wire.ElicitResult):
            return Unasked(why="the client sent no answer", channel=Channel.INPUT)
        return _read(answer, question, Channel.INPUT)


def seal_state() -> RequestStateBoundary:
    """Return the SDK's seal of request states, under a key that only this process has."""
    return RequestStateBoundary(
        RequestStateSecurity.ephemeral(ttl=TTL_SECONDS), default_audience="preopen"
    )


def explain_state(error: MCPError) -> MCPError | None:
    """Return what to do where the seal does not hold: the SDK says only that it is invalid."""
    if error.code != wire.INVALID_PARAMS or "requestState" not in str(error):
        return None
    way = (
        "it is not from this server, too old, or was given for another tool or other"
        " arguments; make the call again without requestState, and the person is asked anew"
    )
    return MCPError(wire.INVALID_PARAMS, f"Invalid or expired requestState: {way}")


def _schema(question: Question) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            _FIELD: {
                "type": "string",
                "title": "May it?",
                # Plain words: titled choices came with 2025-11-25.
                "enum": [say.value for say in question.offers],
                "description": "; ".join(f"{s.value}: {_WORDS[s]}" for s in question.offers),
            }
        },
        "required": [_FIELD],
    }


def _can_show_forms(context: _Context) -> bool:
    capabilities = context.session.client_capabilities
    elicitation = None if capabilities is None else capabilities.elicitation
    # An empty one means forms: URLs came later.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def _elicit(context: _Context, question: Question) -> Said | Unasked:
    try:
        answer = await context.session.elicit_form(
            question_text(question), _schema(question), context.request_id
        )
    except MCPError:
        return Unasked(why="the client could not ask you", channel=Channel.ELICITATION)
    return _read(answer, question, Channel.ELICITATION)


def _read(answer: wire.ElicitResult, question: Question, channel: Channel) -> Said | Unasked:
    content = answer.content or {}
    match answer.action:
        case "decline":
            return Said(say=Say.NO, channel=channel)
        case "accept" if content.get(_FIELD) in question.offers:
            return Said(say=Say(str(content[_FIELD])), channel=channel)
        case "accept":
            return Unasked(why="the client sent an answer that was not offered", channel=channel)
        case _:
            return Unasked(why="the question was closed without an answer", channel=channel)
