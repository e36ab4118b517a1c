"""Honest calls, each with the one right answer."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from bench.soak.client import Client
from bench.soak.grounds import Grounds

# Makes one call, or two that belong together; returns what is wrong, "" where nothing is.
Act: TypeAlias = Callable[[Client, Grounds, int], Awaitable[str]]


def said(answer: dict[str, Any]) -> str:
    """Return an answer as one text: its blocks, or how it failed."""
    result = answer.get("result")
    if result is None:
        return f"error: {answer['error']}"
    text = "\n".join(block.get("text", block["type"]) for block in result["content"])
    return f"failed: {text}" if result.get("isError") else text


def _compare(found: str, wanted: str) -> str:
    return "" if found == wanted else f"{found[:300]!r} instead of {wanted[:300]!r}"


def _numbered(text: str) -> str:
    return "".join(f"{n}\t{line}\n" for n, line in enumerate(text.splitlines(), 1))


async def read(client: Client, grounds: Grounds, number: int) -> str:
    """Read one of the files."""
    name = f"src/file{number % 20:02}.txt"
    answer = await client.call("read", path=name)
    return _compare(said(answer).strip(), _numbered((grounds.work / name).read_text()).strip())


async def list_names(client: Client, grounds: Grounds, number: int) -> str:
    """List a folder that nobody changes."""
    del number
    answer = await client.call("list", path="src")
    names = sorted(path.name for path in (grounds.work / "src").iterdir())
    lines = said(answer).splitlines()[1:]
    return _compare(" ".join(line.split()[0] for line in lines), " ".join(names))


async def grep(client: Client, grounds: Grounds, number: int) -> str:
    """Find the one line of a file that has the needle."""
    del grounds
    name = f"src/file{number % 20:02}.txt"
    answer = await client.call("grep", pattern="with a nee[d]le", path=name)
    line = f"{number % 20 + 1}: line {number % 20} of file {number % 20} with a needle"
    return _compare(said(answer).splitlines()[-1], line)


async def digest(client: Client, grounds: Grounds, number: int) -> str:
    """Hash two of the files."""
    names = [f"src/file{(number + more) % 20:02}.txt" for more in (0, 7)]
    answer = await client.call("hash", paths=names)
    entries = answer.get("result", {}).get("structuredContent", {}).get("files", [])
    wanted = [hashlib.sha256((grounds.work / name).read_bytes()).hexdigest() for name in names]
    return _compare(" ".join(entry.get("digest", "?") for entry in entries), " ".join(wanted))


async def write_and_edit(client: Client, grounds: Grounds, number: int) -> str:
    """Write a file, change a word of it, read it from the disk."""
    name = f"own{number % 4}.txt"  # a worker's own: its numbers are four apart
    answer = await client.call("write", path=name, content=f"first {number}\nlast line\n")
    if "error" in answer or answer["result"].get("isError"):
        return said(answer)
    change = {"old_string": "first", "new_string": "second"}
    answer = await client.call("edit", path=name, **change)
    if "error" in answer or answer["result"].get("isError"):
        return said(answer)
    return _compare((grounds.work / name).read_text(), f"second {number}\nlast line\n")


# Calls of one each, by their name; a file is read more often than written.
ACTS: Final[Sequence[tuple[str, int, Act]]] = (
    ("read", 1, read),
    ("list", 1, list_names),
    ("grep", 1, grep),
    ("read", 1, read),
    ("hash", 1, digest),
    ("write, edit", 2, write_and_edit),
)
