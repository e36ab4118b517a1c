"""A client at work in a folder of its own: calls a tool and says what the model would read."""

from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult, TextContent

PATIENCE_S = 40

# What a file that is rewritten keeps, beside plain UTF-8.
each_kept_encoding = pytest.mark.parametrize(
    ("encoding", "mark", "name"),
    [
        ("utf-8", b"\xef\xbb\xbf", "UTF-8 with a byte order mark"),
        ("utf-16-le", b"\xff\xfe", "UTF-16LE"),
        ("utf-16-be", b"\xfe\xff", "UTF-16BE"),
        ("cp1252", b"", "Latin-1"),
    ],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One test's folder, and the client that it shares with the other tests of its file."""

    client: Client
    workspace: Path
    folder: Path

    @property
    def name(self) -> str:
        """The folder as a tool is told of it: relative to the workspace."""
        return self.folder.name

    def put(self, name: str, content: str | bytes = "") -> Path:
        """Write a file into the folder, parents included, byte for byte."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def path(self, name: str) -> str:
        """Return a file of the folder as a tool is told of it."""
        return f"{self.name}/{name}"

    async def call(self, tool: str, **arguments: object) -> CallToolResult:
        """Return a call's whole result."""
        with anyio.fail_after(PATIENCE_S):
            result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def says(self, tool: str, **arguments: object) -> str:
        """Return the text of a call that must end well."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        return text_of(result)

    async def refuses(self, tool: str, **arguments: object) -> str:
        """Return the text of a call that must end in an error."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    """Return the text blocks of a result, put together."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
