"""preopen: an MCP server whose tools are WebAssembly with the doors you opened, and no others."""

from importlib.metadata import version

__version__ = version("preopen")
