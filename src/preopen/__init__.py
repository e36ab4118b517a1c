"""preopen: an MCP server whose every tool is a WebAssembly binary with the doors you opened for it."""

from importlib.metadata import version

__version__ = version("preopen")
