"""MCP ⇄ invocation: tools as the protocol lists them, answers as it sends them, in both eras.

Decides nothing about a call: what it may do and how it ended comes from `invocation.py`.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, TypeAlias

import mcp_types as wire
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from preopen import __version__
from preopen.outcome import Denial, JsonValue
from preopen.serving.announcing import Announcer, begin_telling
from preopen.serving.consent import Consents, explain_state, seal_state
from preopen.serving.current import Current
from preopen.serving.invocation import Progress
from preopen.serving.listing import list_tools_of
from preopen.serving.recording import UNRECORDED, Recorder
from preopen.serving.resources import list_resources, read_resource
from preopen.serving.results import plain_result, to_result
from preopen.tool.failure import one_line
from preopen.tool.result import TextBlock
from preopen.trust.consent import Ask, Caller, PersonNeeded

INSTRUCTIONS: Final = """\
Every tool here is a WebAssembly program in a sandbox of its own. It reaches the files, hosts and \
variables that the operator granted, and nothing else; _meta["preopen/grants"] of a tool lists them.
A result that says "denied" is the sandbox at work, not a passing failure: the same call will be \
denied again. It names what was asked for, what is allowed instead and, where there is one, the \
line that the operator (not you) could add to allow it.
The resource preopen://policy says what each tool may reach, which tools were refused and why; \
preopen://tools/NAME is a tool's own manifest. Both follow every change that the operator makes."""

_DENIALS_LOGGED: Final = 5  # of one call; a guest may be denied a hundred times

log = logging.getLogger(__name__)

_Context: TypeAlias = ServerRequestContext[Any, Any]


class PreopenServer(Server[Any]):
    """The SDK's server; it promises list changes where an announcer keeps the promise."""

    @cached_property
    def _stamp(self) -> dict[str, Any]:
        return self.server_info.model_dump(by_alias=True, mode="json", exclude_none=True)

    @property
    def server_info_stamp(self) -> dict[str, Any]:
        """Who answers, in each result of 2026-07-28; flat, so that no deep copy is needed."""
        return dict(self._stamp)

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """Return what a transport starts a connection with. As the SDK's, but for the promise.

        In the handshake era the SDK has each transport say it; in 2026-07-28 it sees for itself.
        """
        if notification_options is None:
            told = self.get_request_handler("subscriptions/listen") is not None
            notification_options = NotificationOptions(tools_changed=told, resources_changed=told)
        return super().create_initialization_options(
            notification_options, experimental_capabilities, extensions
        )


@dataclass(frozen=True, slots=True)
class _Requests:
    """What a client may ask for; each request takes the reference to what is served once."""

    current: Callable[[], Current]
    recorder: Recorder
    consents: Consents

    async def list_tools(
        self, _context: _Context, _params: wire.PaginatedRequestParams | None
    ) -> wire.ListToolsResult:
        return wire.ListToolsResult(tools=list_tools_of(self.current()))

    async def call_tool(
        self, context: _Context, params: wire.CallToolRequestParams
    ) -> dict[str, JsonValue] | wire.InputRequiredResult:
        served = self.current()
        tool = served.registry.tools.get(params.name)
        arguments = params.arguments or {}
        caller = _caller_of(context, self.consents.ask_through(context, params))
        if tool is None:
            self.recorder.record_absence(caller, served, params.name, arguments)
            raise MCPError(wire.INVALID_PARAMS, served.registry.absence_of(params.name))
        try:
            run = partial(served.invoke, tool, arguments, _progress_of(context))
            answer = await self.recorder.recorded(caller, tool, arguments, run)
            _tell_operator(tool.name, answer.receipt.denials)
            return to_result(answer)
        except PersonNeeded as needed:
            return self.consents.second_request(needed)
        except Exception as error:  # noqa: BLE001 - the boundary: only the operator may read it
            return _failed(_record_incident(f"tools/call {tool.name}", error))

    async def list_resources(
        self, _context: _Context, _params: wire.PaginatedRequestParams | None
    ) -> wire.ListResourcesResult:
        return wire.ListResourcesResult(resources=list_resources(self.current()))

    async def read_resource(
        self, _context: _Context, params: wire.ReadResourceRequestParams
    ) -> wire.ReadResourceResult:
        return await read_resource(self.current(), params.uri)


def make_server(
    current: Callable[[], Current],
    *,
    instructions: str,
    announcer: Announcer | None = None,
    recorder: Recorder = UNRECORDED,
) -> PreopenServer:
    """Return a server that lists what `current()` serves, and has each call invoked and recorded.

    `current` is asked anew, and once, for every request. Cancelling a request cancels its `invoke`.
    Without an `announcer` no client is told of changes, and none is promised to be.
    """
    requests = _Requests(current, recorder, Consents())
    server = PreopenServer(
        "preopen",
        version=__version__,
        title="preopen",
        instructions=instructions,
        on_list_tools=requests.list_tools,
        on_list_resources=requests.list_resources,
        on_read_resource=requests.read_resource,
        on_subscriptions_listen=None if announcer is None else announcer.listening(),
        lifespan=(announcer or Announcer()).connection,
    )
    # Its answers are of the wire's form already, which the SDK checks against the client's version.
    server.add_request_handler("tools/call", wire.CallToolRequestParams, requests.call_tool)
    server.add_notification_handler(
        "notifications/initialized", wire.NotificationParams, begin_telling
    )
    # In place of the SDK's telemetry, which would hand names and ids of calls to whatever exporter
    # the environment configures.
    server.middleware[:] = [_contain, seal_state()]
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
    except MCPError as error:  # the SDK sends it as it is meant
        if (explained := explain_state(error)) is not None:
            raise explained from None
        raise
    except ValidationError:  # it sends that without its text
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


def _failed(incident: str) -> dict[str, JsonValue]:
    return plain_result([TextBlock(text=_incident_text(incident))], is_error=True)
