"""Small real values for tests of what serves: a tool, a registry, an answer."""

import hashlib
from collections.abc import Mapping
from typing import Any

from preopen.capability import Access, Directory, Grants, LevelReason
from preopen.cells.cache import BinarySource
from preopen.level import PermissionLevel
from preopen.outcome import Denial, JsonValue, Receipt, Usage
from preopen.policy.policy import Policy
from preopen.schema import Validator
from preopen.serving.current import Current
from preopen.serving.invocation import Answer, Invoke
from preopen.serving.registry import Registry, Tool
from preopen.tool.binary import BinaryFacts, BinaryKind
from preopen.tool.manifest import Manifest, Run
from preopen.tool.result import Block, Reply, TextBlock
from preopen.wire.frames import Binary

SHA256 = "ab" * 32
INPUT_SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}


def make_tool(
    name: str = "echo",
    *,
    level: PermissionLevel = PermissionLevel.READ_ONLY,
    output_schema: Mapping[str, Any] | None = None,
) -> Tool:
    manifest = Manifest(
        file=f"/manifests/{name}.toml",
        name=name,
        title=name.title(),
        description=f"Says what it was told ({name}).",
        level=level,
        binary_path=f"/wasm/{name}.wasm",
        sha256=SHA256,
        run=Run(),
        input_schema=INPUT_SCHEMA,
        output_schema=output_schema,
        asked_limits={},
        document={},
    )
    grants = Grants(
        directories=(Directory(host_path="/src", guest_path="/src", access=Access.READ),),
        level=level,
        reasons=(LevelReason(level=level, text="reads /src"),),
    )
    source = BinarySource(
        binary=Binary(sha256=SHA256, kind="module", stack_bytes=1 << 20),
        place=manifest.binary_path,
        read=bytes,
    )
    return Tool(
        asks=False,
        manifest=manifest,
        fingerprint=hashlib.sha256(name.encode()).hexdigest(),
        facts=BinaryFacts(kind=BinaryKind.MODULE, exports=("_start",)),
        grants=grants,
        source=source,
        arguments=Validator(INPUT_SCHEMA),
        result=None if output_schema is None else Validator(output_schema),
    )


def make_registry(*tools: Tool) -> Registry:
    return Registry(tools={tool.name: tool for tool in tools})


def make_current(*tools: Tool, invoke: Invoke, policy: Policy | None = None) -> Current:
    return Current(
        policy=policy or Policy(workspace="/src"), registry=make_registry(*tools), invoke=invoke
    )


def make_receipt(outcome: str = "Returned", *denials: Denial) -> Receipt:
    return Receipt(
        outcome=outcome,
        grants=("reads /src/a.txt",),
        cell="call",
        sha256=SHA256,
        walls=("landlock", "seccomp"),
        walls_missing=("network namespace",),
        usage=Usage(
            wall_time_ms=2.34567,
            cpu_time_ms=1.5,
            peak_memory_bytes=65536,
            memory_of="guest",
            bytes_in=3,
            bytes_out=5,
        ),
        denials=denials,
    )


def make_answer(
    *content: Block,
    text: str = "",
    structured: JsonValue | None = None,
    is_error: bool = False,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Answer:
    reply = Reply(
        content=content or (TextBlock(text=text),),
        structured=structured,
        is_error=is_error,
        metadata=metadata,
    )
    return Answer(reply=reply, receipt=make_receipt())
