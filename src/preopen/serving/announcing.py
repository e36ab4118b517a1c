"""Tells clients of both eras that what they listed has changed. Never waits for a client.

In the handshake era a client gets the notification on its one channel, once it said `initialized`;
in 2026-07-28 on the `subscriptions/listen` streams that it opened (`mcp.server.subscriptions`).
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import anyio
import mcp_types as wire
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

# Open listen streams of one client, and events that wait in each. An event says "ask again", so a
# stream whose client does not read loses nothing when it is ended.
_STREAMS: Final = 16
_UNREAD_EVENTS: Final = 256


@dataclass(slots=True, eq=False)
class Listener:
    """One connection: what it has not been told yet, and the session that is told."""

    session: ServerSession | None = None
    _untold: dict[ServerEvent, None] = field(default_factory=dict)
    _wake: anyio.Event = field(default_factory=anyio.Event)

    def begin(self, session: ServerSession) -> None:
        """Tell this session from now on: before `initialized` a server may not speak."""
        self.session = session
        self._wake.set()

    def tell(self, events: Iterable[ServerEvent]) -> None:
        """Note what is to be told; what waits already is told once."""
        self._untold |= dict.fromkeys(events)
        self._wake.set()

    async def run(self) -> None:
        """Tell it, as fast as this client reads."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self.session is not None and self._untold:
                event = next(iter(self._untold))
                del self._untold[event]
                if (notification := _in_handshake_era(event)) is not None:
                    await self.session.send_notification(notification)


@dataclass(slots=True, eq=False)
class Announcer:
    """The connections of one server, and the bus of their listen streams."""

    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    _listeners: list[Listener] = field(default_factory=list)

    async def tell(self, events: Iterable[ServerEvent]) -> None:
        """Tell every client that it may want to ask again; each event at most once for now."""
        told = tuple(dict.fromkeys(events))
        for listener in self._listeners:
            listener.tell(told)
        for event in told:
            await self.bus.publish(event)

    def listening(self) -> ListenHandler:
        """Return what serves `subscriptions/listen`."""
        return ListenHandler(
            self.bus, max_subscriptions=_STREAMS, max_buffered_events=_UNREAD_EVENTS
        )

    @asynccontextmanager
    async def connection(self, _server: object) -> AsyncIterator[Listener]:
        """Give one connection its Listener: the SDK's lifespan, which it enters for each."""
        listener = Listener()
        self._listeners.append(listener)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listener.run)
                yield listener
                tasks.cancel_scope.cancel()
        finally:
            self._listeners.remove(listener)


async def begin_telling(
    context: ServerRequestContext[Any, Any], _params: wire.NotificationParams | None
) -> None:
    """Take `notifications/initialized`: from here on the client of the handshake era is told."""
    listener = context.lifespan_context
    if isinstance(listener, Listener):
        listener.begin(context.session)


def _in_handshake_era(event: ServerEvent) -> wire.ServerNotification | None:
    match event:
        case ToolsListChanged():
            return wire.ToolListChangedNotification()
        case ResourcesListChanged():
            return wire.ResourceListChangedNotification()
        case ResourceUpdated() | PromptsListChanged():
            return None  # `resources/subscribe` is not served, and prompts there are none
        case _:
            assert_never(event)
