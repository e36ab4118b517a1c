"""From a manifest's text to an answer, through all that stands between: nothing here is a fake.

Text → `parse_manifest` → `load_tool` → `Invoker` → a cell → Answer.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import wasmtime

from lab import KINDS, PROBES
from preopen.cells.pool import Pool
from preopen.outcome import JsonValue
from preopen.policy.policy import Policy
from preopen.serving.invocation import Answer, Invoker, make_invoker
from preopen.serving.loading import load_tool
from preopen.serving.registry import Tool
from preopen.tool.parsing import parse_manifest
from preopen.tool.result import TextBlock

__all__ = [
    "KINDS",
    "Guest",
    "build",
    "build_bytes",
    "call",
    "invoke",
    "manifest",
    "offer",
    "probe",
    "said",
    "table",
]


class LostError(Exception):
    """Raised when a cell gave no answer: whatever was to be shown, this shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A binary on disk, as a manifest names it."""

    path: Path
    sha256: str


def probe(kind: str) -> Guest:
    """Return the probe as this kind of binary."""
    path = PROBES[kind]
    return Guest(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def build(folder: Path, text: str) -> Guest:
    """Return a binary of this WebAssembly text, written into a folder."""
    return build_bytes(folder, bytes(wasmtime.wat2wasm(text)))


def build_bytes(folder: Path, data: bytes) -> Guest:
    """Return a binary of these bytes, written into a folder."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / f"{sha256[:16]}.wasm"
    path.write_bytes(data)
    return Guest(path=path, sha256=sha256)


def table(name: str, /, **values: JsonValue) -> str:
    """Return a TOML table of plain values: `table("[directory]", host="/srv")`."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def manifest(
    guest: Guest,
    *words: str,
    level: str = "write",
    arguments: str = "",
    rest: str = "",
    **run: JsonValue,
) -> str:
    """Return a manifest's text: `words` are its args, `arguments` the names of text arguments."""
    properties = {name: {"type": "string"} for name in arguments.split()}
    return "manifest = 1\n" + "".join(
        (
            table("tool", name="probe", title="Probe", description="Tries things.", level=level),
            table("binary", path=str(guest.path), sha256=guest.sha256),
            table("run", **{"args": words, **run}),
            *(table(f"input.properties.{name}", **part) for name, part in properties.items()),
            rest,
        )
    )


def offer(text: str, policy: Policy) -> Tool:
    """Return the tool of a manifest's text, as the server would offer it."""
    file = f"{Path(policy.workspace or '/').parent}/tools/probe.toml"
    return load_tool(parse_manifest(text, file), policy, ())


async def call(pool: Pool, policy: Policy, text: str, /, **arguments: JsonValue) -> Answer:
    """Return the answer of one call of a manifest's tool.

    Raises:
        LostError: no guest had a part in it.

    """
    return await call_tool(pool, policy, offer(text, policy), **arguments)


async def call_tool(pool: Pool, policy: Policy, tool: Tool, /, **arguments: JsonValue) -> Answer:
    """Return the answer of one call of a tool; raises as `call` does."""
    return await invoke(make_invoker(pool, policy), tool, **arguments)


async def invoke(invoker: Invoker, tool: Tool, /, **arguments: JsonValue) -> Answer:
    """Return the answer of one call by an invoker of the test's own; raises as `call` does."""
    answer = await invoker(tool, arguments, _hear)
    if answer.receipt.outcome in ("CellLost", "Uncompilable"):
        raise LostError(said(answer))
    return answer


def said(answer: Answer) -> str:
    """Return the text of an answer."""
    blocks = answer.reply.content
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


async def _hear(_progress: str) -> None:
    """Hear of progress, and do nothing about it."""
