"""An answer as `tools/call` sends it: a `CallToolResult` of the protocol's schema, as plain JSON.

Without the SDK, whose import costs 0.6 s that `preopen call --json` would wait for; where it serves
it checks each result against what the client's version of the protocol knows.
"""

from collections.abc import Sequence
from typing import assert_never

from preopen.outcome import JsonValue
from preopen.serving.invocation import Answer
from preopen.serving.receipts import receipt_to_json
from preopen.tool.result import Block, MediaBlock, ResourceBlock, TextBlock


def to_result(answer: Answer) -> dict[str, JsonValue]:
    """Return an answer with its receipt, metadata and structured content."""
    reply = answer.reply
    meta: dict[str, JsonValue] = {"preopen/receipt": receipt_to_json(answer.receipt)}
    if reply.metadata is not None:
        meta["preopen/metadata"] = dict(reply.metadata)
    result = {"_meta": meta, **plain_result(reply.content, is_error=reply.is_error)}
    if reply.structured is not None:
        result["structuredContent"] = reply.structured
    return result


def plain_result(content: Sequence[Block], *, is_error: bool) -> dict[str, JsonValue]:
    """Return a result that has nothing but its content."""
    return {
        "content": list(map(_to_content, content)),
        "isError": is_error,
        "resultType": "complete",
    }


def _to_content(block: Block) -> dict[str, JsonValue]:
    match block:
        case TextBlock(text=text):
            return {"type": "text", "text": text}
        case MediaBlock(kind=kind, data=data, mime_type=mime_type):
            return {"type": kind, "data": data, "mimeType": mime_type}
        case ResourceBlock(uri=uri, mime_type=mime_type, text=text, blob=blob):
            held = {"blob": blob or ""} if text is None else {"text": text}
            return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, **held}}
        case _:
            assert_never(block)
