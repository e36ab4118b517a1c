"""Answers as `tools/call` sends them, held against the SDK's own types."""

import mcp_types as wire
import pytest

from preopen.outcome import Receipt
from preopen.serving.invocation import Answer
from preopen.serving.results import plain_result, to_result
from preopen.tool.result import Block, MediaBlock, Reply, ResourceBlock, TextBlock

BLOCKS: dict[str, Block] = {
    "text": TextBlock(text="hello"),
    "image": MediaBlock(kind="image", data="aGVsbG8=", mime_type="image/png"),
    "audio": MediaBlock(kind="audio", data="aGVsbG8=", mime_type="audio/wav"),
    "resource of text": ResourceBlock(uri="a://b", mime_type="text/csv", text="a,b"),
    "resource of bytes": ResourceBlock(uri="a://b", mime_type="a/b", blob="aGVsbG8="),
}
RECEIPT = Receipt(
    outcome="Returned",
    grants=("read /work",),
    cell="call",
    sha256="0" * 64,
    walls=("seccomp",),
    walls_missing=(),
)


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
def test_each_kind_of_content_is_what_the_sdks_types_write(block: Block) -> None:
    """MCP 2026-07-28, schema: CallToolResult."""
    result = plain_result([block], is_error=False)
    checked = wire.CallToolResult.model_validate(result)
    assert checked.model_dump(mode="json", by_alias=True, exclude_none=True) == result


def test_receipt_metadata_and_structured_content_have_their_places() -> None:
    """Issue 3: a receipt in `_meta["preopen/receipt"]`."""
    reply = Reply(
        content=(BLOCKS["text"],), structured={"a": 1}, is_error=True, metadata={"rows": 3}
    )
    result = to_result(Answer(reply=reply, receipt=RECEIPT))
    checked = wire.CallToolResult.model_validate(result)
    assert checked.is_error
    assert checked.structured_content == {"a": 1}
    assert checked.meta is not None
    assert checked.meta["preopen/metadata"] == {"rows": 3}
    assert checked.meta["preopen/receipt"]["grants"] == ["read /work"]
