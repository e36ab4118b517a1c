"""preopen: an MCP server whose tools are WebAssembly with the doors you opened, and no others."""


def __getattr__(name: str) -> str:
    """Return `__version__`, looked up when somebody asks: what that imports is 3 MB of every cell.

    Raises:
        AttributeError: any other name.

    """
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - as said above

        return version("preopen")
    raise AttributeError(name)
