"""MCP ⇄ invocation: tools as the protocol lists them, answers as it sends them, in both eras.

Decides nothing about a call: what it may do and how it ended comes from `invocation.py`.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, assert_never

import mcp_types as wire
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from preopen import __version__
from preopen.level import PermissionLevel
from preopen.outcome import Denial
from preopen.serving.consent import Consents, explain_state, seal_state
from preopen.serving.invocation import Answer, Invoke, Progress
from preopen.serving.receipts import receipt_to_json
from preopen.serving.recording import UNRECORDED, Recorder
from preopen.serving.registry import Registry, Tool
from preopen.tool.failure import one_line
from preopen.tool.result import Block, MediaBlock, ResourceBlock, TextBlock
from preopen.trust.consent import Ask, Caller, PersonNeeded

INSTRUCTIONS: Final = """\
Every tool here is a WebAssembly program in a sandbox of its own. It reaches the files, hosts and \
variables that the operator granted, and nothing else; _meta["preopen/grants"] of a tool lists them.
A result that says "denied" is the sandbox at work, not a passing failure: the same call will be \
denied again. It names what was asked for, what is allowed instead and, where there is one, the \
line that the operator (not you) could add to allow it."""

_DENIALS_LOGGED: Final = 5  # of one call; a guest may be denied a hundred times

log = logging.getLogger(__name__)

_Context: TypeAlias = ServerRequestContext[Any, Any]


def make_server(
    registry: Callable[[], Registry],
    invoke: Invoke,
    *,
    instructions: str,
    recorder: Recorder = UNRECORDED,
) -> Server[dict[str, Any]]:
    """Return a server that lists the tools of `registry()`, and has each call invoked and recorded.

    `registry` is asked anew for every request. Cancelling a request cancels its `invoke`.
    """
    consents = Consents()

    async def list_tools(
        _context: _Context, _params: wire.PaginatedRequestParams | None
    ) -> wire.ListToolsResult:
        return wire.ListToolsResult(tools=[describe(t) for t in registry().tools.values()])

    async def call_tool(
        context: _Context, params: wire.CallToolRequestParams
    ) -> wire.CallToolResult | wire.InputRequiredResult:
        offered = registry()
        tool = offered.tools.get(params.name)
        if tool is None:
            raise MCPError(wire.INVALID_PARAMS, offered.absence_of(params.name))
        try:
            arguments = params.arguments or {}
            run = partial(invoke, tool, arguments, _progress_of(context))
            caller = _caller_of(context, consents.ask_through(context, params))
            answer = await recorder.recorded(caller, tool, arguments, run)
            _tell_operator(tool.name, answer.receipt.denials)
            return to_result(answer)
        except PersonNeeded as needed:
            return consents.second_request(needed)
        except Exception as error:  # noqa: BLE001 - the boundary: only the operator may read it
            return _failed(_record_incident(f"tools/call {tool.name}", error))

    server = Server(
        "preopen",
        version=__version__,
        title="preopen",
        instructions=instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    # In place of the SDK's telemetry, which would hand names and ids of calls to whatever exporter
    # the environment configures.
    server.middleware[:] = [_contain, explain_state, seal_state()]
    return server


def _tell_operator(name: str, denials: Sequence[Denial]) -> None:
    """Write each denial into the log: the line that would allow it is the operator's to write.

    The model reads it, too, but may not show it, or may have been told by a guest's own words.
    """
    for denial in denials[:_DENIALS_LOGGED]:
        way_out = f"; to allow it, {one_line(denial.allow)}" if denial.allow else ""
        log.warning("preopen: %s: denied: %s%s", name, one_line(denial.reason), way_out)
    if len(denials) > _DENIALS_LOGGED:
        log.warning("preopen: %s: and %d more denials", name, len(denials) - _DENIALS_LOGGED)


def describe(tool: Tool) -> wire.Tool:
    """Return a tool as `tools/list` sends it."""
    return wire.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=dict(tool.input_schema),
        output_schema=None if tool.output_schema is None else dict(tool.output_schema),
        annotations=hints_of(tool.level, opens_network=bool(tool.grants.egress)),
        _meta={
            "preopen/level": tool.level.value,
            "preopen/grants": list(tool.grants_text),
            "preopen/sha256": tool.sha256,
            # One client asks a person then even for a tool on its own list of allowed ones.
            **({"anthropic/requiresUserInteraction": True} if tool.asks else {}),
        },
    )


def hints_of(level: PermissionLevel, *, opens_network: bool) -> wire.ToolAnnotations:
    """Return all four hints, for a client takes an absent one for the opposite.

    A derived level says what a tool can do, so "idempotent" only ever means: changes nothing.
    """
    harmless = level <= PermissionLevel.READ_ONLY
    return wire.ToolAnnotations(
        read_only_hint=harmless,
        destructive_hint=not harmless,
        idempotent_hint=harmless,
        open_world_hint=opens_network,
    )


def to_result(answer: Answer) -> wire.CallToolResult:
    """Return an answer as `tools/call` sends it."""
    meta: dict[str, Any] = {"preopen/receipt": receipt_to_json(answer.receipt)}
    if answer.reply.metadata is not None:
        meta["preopen/metadata"] = dict(answer.reply.metadata)
    return wire.CallToolResult(
        content=[_to_content(block) for block in answer.reply.content],
        structured_content=answer.reply.structured,
        is_error=answer.reply.is_error,
        _meta=meta,
    )


def _to_content(block: Block) -> wire.ContentBlock:
    match block:
        case TextBlock(text=text):
            return wire.TextContent(text=text)
        case MediaBlock(kind="image"):
            return wire.ImageContent(data=block.data, mime_type=block.mime_type)
        case MediaBlock():
            return wire.AudioContent(data=block.data, mime_type=block.mime_type)
        case ResourceBlock(text=str(text)):
            return wire.EmbeddedResource(
                resource=wire.TextResourceContents(
                    uri=block.uri, mime_type=block.mime_type, text=text
                )
            )
        case ResourceBlock():
            return wire.EmbeddedResource(
                resource=wire.BlobResourceContents(
                    uri=block.uri, mime_type=block.mime_type, blob=block.blob or ""
                )
            )
        case _:
            assert_never(block)


def _caller_of(context: _Context, ask: Ask) -> Caller:
    """Return who calls: said once in the handshake era, with every request in the other."""
    said = context.session.client_params
    if said is None:
        return Caller(ask=ask)
    return Caller(ask=ask, name=said.client_info.name, version=said.client_info.version)


def _progress_of(context: _Context) -> Progress:
    """Return a function that reports to the client, if it asked: the session knows the token."""
    reports = 0

    async def progress(text: str) -> None:
        nonlocal reports
        reports += 1  # the protocol wants a number that grows; nobody knows how many will come
        await context.session.report_progress(reports, message=text)

    return progress


async def _contain(ctx: _Context, call_next: CallNext) -> HandlerResult:
    """Keep the text of an exception from the client, also of one that the SDK meets afterwards.

    In the older era the SDK would send `str(exception)`, a path or a guest's bytes included.
    """
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):  # the SDK sends the first as meant, the second without text
        raise
    except Exception as error:  # noqa: BLE001 - the boundary
        incident = _record_incident(ctx.method, error)
    if ctx.method == "tools/call":
        return _failed(incident)
    raise MCPError(wire.INTERNAL_ERROR, _incident_text(incident))


def _record_incident(where: str, error: Exception) -> str:
    incident = secrets.token_hex(4)
    log.error("incident %s in %s", incident, where, exc_info=error)
    return incident


def _incident_text(incident: str) -> str:
    return f"preopen itself failed (incident {incident}); its log on stderr says how"


def _failed(incident: str) -> wire.CallToolResult:
    text = wire.TextContent(text=_incident_text(incident))
    return wire.CallToolResult(content=[text], is_error=True)
