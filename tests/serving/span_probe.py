"""Entry point: calls one tool through a client, with an SDK that keeps its spans or without one."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from preopen.outcome import Denial, JsonValue
from preopen.policy.auditing import AuditMode
from preopen.serving.invocation import Answer, Progress
from preopen.serving.recording import Recorder
from preopen.serving.registry import Tool
from preopen.serving.server import INSTRUCTIONS, make_server
from preopen.trust.audit import AuditLog
from preopen.trust.consent import Caller
from serving.values import make_answer, make_current, make_receipt, make_tool

DENIAL = Denial(target="https://x.com", reason="no rule allows it", allow="write hosts")


def keep_spans() -> Any:  # noqa: ANN401 - the SDK's exporter, which only one way of two imports
    from opentelemetry import trace  # noqa: PLC0415 - as said above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as said above
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415 - as said above
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415 - as said above
        InMemorySpanExporter,
    )

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


async def invoke(
    _tool: Tool, arguments: Mapping[str, JsonValue], _p: Progress, _caller: Caller
) -> Answer:
    if arguments["text"] == "fail":
        msg = "the text of an exception"
        raise ValueError(msg)
    if arguments["text"] == "deny":
        return Answer(
            reply=make_answer().reply,
            receipt=make_receipt("Denied", DENIAL),
            consent="no",
            channel="terminal",
        )
    return make_answer(text=arguments["text"])


async def call(state: Path, texts: list[str]) -> None:
    log = AuditLog(state_dir=state, keeps_values=True)
    recorder = Recorder(log=log, mode=AuditMode.ON)
    served = make_current(make_tool(), invoke=invoke)
    server = make_server(lambda: served, instructions=INSTRUCTIONS, recorder=recorder)
    async with Client(server) as client:
        for text in texts:
            await client.call_tool("echo", {"text": text})
    recorder.close()


def main() -> None:
    state, way, *texts = sys.argv[1:]
    exporter = keep_spans() if way == "sdk" else None
    anyio.run(call, Path(state), texts)
    spans = (
        [json.loads(each.to_json()) for each in exporter.get_finished_spans()] if exporter else []
    )
    has_sdk = any(name.startswith("opentelemetry.sdk") for name in sys.modules)
    sys.stdout.write(json.dumps({"spans": spans, "has_sdk": has_sdk}))


if __name__ == "__main__":
    main()
