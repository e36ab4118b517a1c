"""A client of either era that hears of list changes, each in its era's own way."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as wire
from mcp import Client

ERAS = ("legacy", "2026-07-28")


class Ear:
    """A client, and how often it was told that its tools or resources changed."""

    def __init__(self) -> None:
        self.client: Client
        self.tools = 0
        self.resources = 0
        self._told = anyio.Event()

    def hear(self, message: object) -> None:
        """Count one notification, or one event of a listen stream."""
        name = type(message).__name__
        self.tools += name in {"ToolListChangedNotification", "ToolsListChanged"}
        self.resources += name in {"ResourceListChangedNotification", "ResourcesListChanged"}
        self._told.set()

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Ask again after each notification until it holds: who was told must find it so."""
        while not await holds():
            await self._told.wait()
            self._told = anyio.Event()

    async def names(self) -> set[str]:
        """Return the names that `tools/list` gives."""
        return {tool.name for tool in (await self.client.list_tools()).tools}

    async def until_offered(self, *names: str) -> None:
        """Wait until these are offered, by notifications alone."""

        async def offered() -> bool:
            return set(names) <= await self.names()

        await self.until(offered)

    async def until_gone(self, name: str) -> None:
        """Wait until a tool is offered no more, by notifications alone."""

        async def gone() -> bool:
            return name not in await self.names()

        await self.until(gone)

    async def until_described(self, name: str, text: str) -> None:
        """Wait until a tool's description is another, by notifications alone."""

        async def described() -> bool:
            tools = {tool.name: tool for tool in (await self.client.list_tools()).tools}
            return name in tools and tools[name].description == text

        await self.until(described)


@asynccontextmanager
async def hearing(
    server: Any,  # noqa: ANN401 - as Client takes it
    era: str,
    person: Any = None,  # noqa: ANN401 - as above
) -> AsyncIterator[Ear]:
    """Give an Ear that is connected and hears, with a person who answers, or none."""
    ear = Ear()

    async def handle(message: Any) -> None:  # noqa: ANN401 - as the SDK passes them
        if era == "legacy" and isinstance(message, wire.ServerNotification):
            ear.hear(message)

    mode = era if era == "legacy" else "auto"  # which asks what the server can do
    async with Client(
        server, mode=mode, message_handler=handle, elicitation_callback=person
    ) as client:
        ear.client = client
        if era == "legacy":
            yield ear
            return
        async with (
            client.listen(tools_list_changed=True, resources_list_changed=True) as stream,
            anyio.create_task_group() as tasks,
        ):

            async def listen() -> None:
                async for event in stream:
                    ear.hear(event)

            tasks.start_soon(listen)
            yield ear
            tasks.cancel_scope.cancel()
