import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.level import PermissionLevel
from preopen.outcome import InvalidResult, JsonValue
from preopen.schema import compile_schema
from preopen.tool.manifest import Manifest, Run
from preopen.tool.result import (
    MediaBlock,
    Reply,
    ResourceBlock,
    TextBlock,
    output_schema_on_wire,
    read_reply,
)

PNG = b"\x89PNG\r\n\x1a\n and more"
PNG64 = base64.b64encode(PNG).decode()


def manifest(stdout: str, output: Mapping[str, Any] | None = None) -> Manifest:
    return Manifest(
        file="/tools/t.toml",
        name="t",
        title="T",
        description="d",
        level=PermissionLevel.NONE,
        binary_path="/tools/t.wasm",
        sha256="00",
        run=Run(stdout=stdout),
        input_schema={},
        output_schema=output,
        asked_limits={},
        document={},
    )


def fits(_: JsonValue) -> tuple[str, ...]:
    return ()


def read(promised: str, written: bytes, output: Mapping[str, Any] | None = None) -> Reply:
    check = compile_schema(output, "t.toml", "output").problems if output is not None else fits
    reply = read_reply(manifest(promised, output), written, check)
    assert isinstance(reply, Reply), reply
    return reply


def problem(promised: str, written: bytes, output: Mapping[str, Any] | None = None) -> str:
    check = compile_schema(output, "t.toml", "output").problems if output is not None else fits
    invalid = read_reply(manifest(promised, output), written, check)
    assert isinstance(invalid, InvalidResult), invalid
    assert invalid.stdout == written
    assert invalid.problem.encode()
    return invalid.problem


def envelope(**members: JsonValue) -> bytes:
    return json.dumps(members).encode()


guest_bytes = (
    st.binary()
    | st.text('[]{}":,\\ud800 1e').map(str.encode)
    | st.dictionaries(
        st.sampled_from(["content", "is_error", "error", "metadata", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.text() | st.just(PNG64),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(
                        ["type", "text", "data", "mimeType", "resource", "uri", "blob"]
                    ),
                    inner
                    | st.sampled_from(["text", "image", "audio", "resource", "image/png", "a:b"]),
                )
            ),
            max_leaves=8,
        ),
    ).map(lambda value: json.dumps(value).encode())
)


@given(st.sampled_from(["text", "json", "envelope", "image/png", "text/csv", "a/b"]), guest_bytes)
def test_any_bytes_end_in_a_reply_that_can_be_sent_or_an_invalid_result(
    promised: str, written: bytes
) -> None:
    """Design §7: one lone surrogate in a result kills the server; no exception leaves."""
    reply = read_reply(manifest(promised), written, fits)

    assert json.dumps(repr(reply)).encode()
    if isinstance(reply, Reply):
        for block in reply.content:
            for name in block.__dataclass_fields__:
                assert str(getattr(block, name)).encode("utf-8", "strict") is not None
        json.dumps([reply.structured, reply.metadata], ensure_ascii=False, allow_nan=False).encode()


def test_text_is_one_block_with_replacement() -> None:
    """Design §5, Results: UTF-8 with replacement, one text block."""
    assert read("text", b"a\xff\xed\xa0\x80") == Reply(
        content=(TextBlock(text="a" + "\ufffd" * 4),)
    )
    assert read("text", b"") == Reply(content=(TextBlock(text=""),))


def test_a_json_object_is_structured_and_the_same_as_text() -> None:
    """Design §5, Results; §7: some clients show structuredContent instead of the text."""
    reply = read("json", b' {"a": [1.5, "\xc3\xa9"]}\n')

    assert reply.structured == {"a": [1.5, "é"]}
    assert reply.content == (TextBlock(text='{"a":[1.5,"é"]}'),)


@given(st.none() | st.booleans() | st.integers() | st.lists(st.integers()))
def test_any_other_json_value_is_wrapped_and_the_same_as_text(value: JsonValue) -> None:
    """Design §5, Results: anything else is wrapped as {"result": …}."""
    reply = read("json", json.dumps(value).encode())

    assert reply.structured == {"result": value}
    (block,) = reply.content
    assert isinstance(block, TextBlock)
    assert json.loads(block.text) == reply.structured


TREE = {
    "$defs": {
        "tree": {"type": "array", "items": {"$ref": "#/$defs/leaf"}},
        "leaf": {"type": "null"},
    },
    "$ref": "#/$defs/tree",
}
SCHEMAS: list[tuple[dict[str, Any], JsonValue]] = [
    ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}),
    ({"type": "array", "items": {"type": "integer"}}, [1, 2]),
    ({"type": "string"}, "x"),
    ({}, {"a": 1}),
    ({}, [1]),
    ({"anyOf": [{"type": "object"}, {"type": "null"}]}, {"a": 1}),
    ({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"b": 1}),
    ({"type": ["object", "null"]}, None),
    (TREE, [None, None]),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_a_structured_result_fits_the_schema_that_was_advertised(
    schema: dict[str, Any], value: JsonValue
) -> None:
    """Design §5 and §7: value and schema are wrapped together, and the root is a plain object."""
    advertised = output_schema_on_wire(schema)
    reply = read("json", json.dumps(value).encode(), schema)

    assert advertised["type"] == "object"
    assert not {"oneOf", "anyOf", "allOf"} & set(advertised)
    assert compile_schema(advertised, "t", "output").problems(reply.structured) == ()
    assert reply.content == (
        TextBlock(text=json.dumps(reply.structured, separators=(",", ":"), ensure_ascii=False)),
    )


def test_a_wrapped_schema_still_refuses_what_the_plain_one_refused() -> None:
    """Ours: references are moved along with the schema, none dangles and passes everything."""
    check = compile_schema(output_schema_on_wire(TREE), "t", "output").problems

    assert check({"result": [None]}) == ()
    assert check({"result": [1]}) != ()
    assert check([None]) != ()


def test_names_and_data_that_look_like_references_are_left_alone() -> None:
    """Ours: only the keyword $ref is a reference."""
    schema = {
        "type": "array",
        "const": [{"$ref": "#/a"}],
        "items": {"properties": {"$ref": {"type": "string"}, "const": {"$ref": "#"}}},
        "prefixItems": [{"$id": "urn:x", "$ref": "#/y"}, {"$ref": "#anchor"}],
        "$schema": "https://json-schema.org/draft/2020-12/schema",
    }
    assert output_schema_on_wire(schema) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["result"],
        "properties": {
            "result": {
                "type": "array",
                "const": [{"$ref": "#/a"}],
                "items": {
                    "properties": {
                        "$ref": {"type": "string"},
                        "const": {"$ref": "#/properties/result"},
                    }
                },
                "prefixItems": [{"$id": "urn:x", "$ref": "#/y"}, {"$ref": "#anchor"}],
            }
        },
    }


def test_a_json_result_that_does_not_fit_output_is_invalid() -> None:
    """Design §5: `[output]` is checked before it leaves."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    assert "a: " in problem("json", b'{"a": "x"}', schema)
    assert "array" in problem("json", b"[]", schema)
    assert "[output] promises an object" in str(
        read_reply(manifest("json", {"type": "object"}), b"[]", fits)
    )


def test_a_check_that_runs_out_of_stack_makes_the_result_invalid() -> None:
    """Ours: RecursionError never escapes."""

    def endless(value: JsonValue) -> tuple[str, ...]:
        return endless(value)

    invalid = read_reply(manifest("json", {"type": "object"}), b"{}", endless)
    assert isinstance(invalid, InvalidResult)
    assert "too deeply" in invalid.problem


def test_media_are_what_their_bytes_say() -> None:
    """Design §5: `stdout` may be a media type; media are sniffed."""
    assert read("image/png", PNG) == Reply(
        content=(MediaBlock(kind="image", data=PNG64, mime_type="image/png"),)
    )
    (sound,) = read("audio/mp3", b"ID3\4").content
    assert isinstance(sound, MediaBlock)
    assert (sound.kind, sound.mime_type) == ("audio", "audio/mpeg")
    assert "7 bytes are not image/png but image/gif" in problem("image/png", b"GIF89a;")
    assert "0 bytes are not image/png but of no known" in problem("image/png", b"")
    assert "no media type" in problem("picture", b"")


def test_other_media_types_become_a_resource() -> None:
    """Ours: what no client can draw as an image travels as text or base64."""
    uri = "preopen://tools/t/result"

    assert read("text/csv; charset=utf-8", b"a,\xff").content == (
        ResourceBlock(uri=uri, mime_type="text/csv", text="a,\ufffd"),
    )
    assert read("image/svg+xml", b"<svg/>").content == (
        ResourceBlock(uri=uri, mime_type="image/svg+xml", text="<svg/>"),
    )
    assert read("application/pdf", b"%PDF").content == (
        ResourceBlock(uri=uri, mime_type="application/pdf", blob="JVBERg=="),
    )


def test_an_envelope_carries_blocks_error_and_metadata() -> None:
    """Design §5, Results: envelope."""
    blocks: list[JsonValue] = [
        {"type": "text", "text": "é"},
        {"type": "image", "data": PNG64, "mimeType": "image/png"},
        {"type": "audio", "data": base64.b64encode(b"OggS").decode(), "mimeType": "audio/ogg"},
        {"type": "resource", "resource": {"uri": "file:///a", "text": "t", "mimeType": None}},
        {"type": "resource", "resource": {"uri": "x:y", "blob": "AA==", "mimeType": "a/b"}},
    ]
    reply = read("envelope", envelope(content=blocks, is_error=False, metadata={"n": 1}))

    assert reply == Reply(
        content=(
            TextBlock(text="é"),
            MediaBlock(kind="image", data=PNG64, mime_type="image/png"),
            MediaBlock(kind="audio", data="T2dnUw==", mime_type="audio/ogg"),
            ResourceBlock(uri="file:///a", mime_type="text/plain", text="t"),
            ResourceBlock(uri="x:y", mime_type="a/b", blob="AA=="),
        ),
        metadata={"n": 1},
    )


def test_an_envelope_may_be_as_short_as_a_string_or_an_error() -> None:
    """Design §5, Results: `content` a string, `is_error` a boolean or `error` a string."""
    assert read("envelope", envelope(content="a", error=None)) == Reply(
        content=(TextBlock(text="a"),)
    )
    assert read("envelope", envelope(error="no")) == Reply(
        content=(TextBlock(text="no"),), is_error=True
    )
    assert read("envelope", envelope(content="part", error="no")) == Reply(
        content=(TextBlock(text="part"), TextBlock(text="no")), is_error=True
    )
    assert read("envelope", envelope(content=[], is_error=True)) == Reply(content=(), is_error=True)


def image(**members: JsonValue) -> bytes:
    return envelope(content=[{"type": "image", "data": PNG64, "mimeType": "image/png", **members}])


def resource(**members: JsonValue) -> bytes:
    return envelope(content=[{"type": "resource", "resource": {"uri": "a:b", **members}}])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (b"[]", "the envelope: write a JSON object"),
        (b'{"content": "a"} x', "Extra data"),
        (envelope(), 'neither "content" nor "error"'),
        (envelope(content=1), "content: write a string or a list"),
        (envelope(content="a", more=1), "unknown key 'more'"),
        (envelope(content="a", is_error=1), "is_error: write true or false"),
        (envelope(content="a", is_error=True, error="b"), 'both "is_error" and "error"'),
        (envelope(error=1), "error: write a string"),
        (envelope(content="a", metadata=[]), "metadata: write a JSON object"),
        (envelope(content=["a"]), "content[0].type: write"),
        (envelope(content=[{"type": "text"}]), "content[0].text: write a string"),
        (envelope(content=[{"type": "text", "text": "a", "_meta": {}}]), "unknown key '_meta'"),
        (image(mimeType="image/gif"), "content[0].data: 17 bytes are not image/gif but image/png"),
        (image(type="audio"), "content[0].mimeType: write one of audio/flac"),
        (image(mimeType="image/bmp"), "content[0].mimeType: write one of image/gif"),
        (image(mimeType="png"), "content[0].mimeType: write a media type"),
        (image(data="a b"), "content[0].data: write standard base64"),
        (image(data="é"), "content[0].data: write standard base64"),
        (image(data=None), "content[0].data: write a string"),
        (envelope(content=[{"type": "resource"}]), "content[0].resource: write a JSON object"),
        (resource(), 'content[0].resource: write one of "text" and "blob"'),
        (resource(text="a", blob="AA=="), 'write one of "text" and "blob"'),
        (resource(text="a", uri="no uri"), "content[0].resource.uri: write an absolute URI"),
        (resource(text="a", uri="a:\n"), "content[0].resource.uri: write an absolute URI"),
        (resource(blob="AA==", mimeType="image/png"), "content[0].resource.blob: 1 bytes are not"),
        (envelope(content="\ud800"), "half a surrogate pair"),
    ],
)
def test_anything_else_in_an_envelope_is_invalid(written: bytes, found: str) -> None:
    """Design §5, Results: blocks are validated; anything else is InvalidResult."""
    assert found in problem("envelope", written)
