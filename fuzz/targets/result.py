"""`tool/result.py`: whatever a guest wrote can be sent on, or is an InvalidResult with a reason."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any, Final

from mcp_types import JSONRPCResponse

from fuzz.properties import expect_json_line
from fuzz.target import Target
from fuzz.targets.manifest import LEAST
from preopen.errors import ManifestError
from preopen.outcome import InvalidResult, JsonValue
from preopen.schema import Validator, compile_schema
from preopen.serving.transports.framing import encode_line
from preopen.tool import media
from preopen.tool.manifest import Manifest
from preopen.tool.parsing import parse_manifest
from preopen.tool.result import (
    Block,
    MediaBlock,
    Reply,
    ResourceBlock,
    TextBlock,
    output_schema_on_wire,
    read_reply,
)
from preopen.tool.strict_json import parse_json, write_json

# An input is the promise, run.stdout or the name of an [output] below, on a line; then the stdout.
_CUT: Final = b"\n"
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "object": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"items": {"$ref": "#/$defs/c"}}},
        "$defs": {"c": {"type": ["string", "null"]}},
        "additionalProperties": False,
    },
    "array": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"const": "x"}]}},
    "tree": {"$ref": "#/$defs/t", "$defs": {"t": {"items": {"type": "boolean"}, "maxItems": 3}}},
}
_GROWTH: Final = 6  # a control character is one byte of text, and six of JSON, which come twice
_OVERHEAD: Final = 2000
_PROBLEM: Final = 4000  # characters: ten problems of a schema, each short


def check(data: bytes) -> None:
    """Hold what is read of a stdout to what a client can be sent."""
    promise, _, stdout = data.partition(_CUT)
    _expect_strict_json(stdout)
    if (manifest := _manifest(promise)) is None:
        return
    validator = _validator(promise)
    problems = validator.problems if validator else lambda _: ()
    reply = read_reply(manifest, stdout, problems)
    if isinstance(reply, InvalidResult):
        assert reply.stdout == stdout
        assert 0 < len(reply.problem) <= _PROBLEM, f"{len(reply.problem)} characters"
        reply.problem.encode()  # fails for half a surrogate pair
        return
    _expect_sendable(reply, len(data))
    _expect_structure(reply, manifest)
    for block in reply.content:
        _expect_block(block)


def _expect_strict_json(stdout: bytes) -> None:
    try:
        value = parse_json(stdout)
    except ValueError as problem:
        str(problem).encode()  # fails for half a surrogate pair
        return
    text = write_json(value)
    assert "\n" not in text
    assert parse_json(text.encode()) == value
    assert len(text) <= _GROWTH * len(stdout) + _OVERHEAD


@cache
def _manifest(promise: bytes) -> Manifest | None:
    """Return the manifest of a tool that promises this, or None where there can be no such tool."""
    schema = _schema(promise)
    stdout = "json" if schema else promise.decode("utf-8", "replace")
    output = f"[output]\n{_inline(schema)}" if schema else ""
    text = _TOOL.format(stdout=json.dumps(stdout, ensure_ascii=False), output=output)
    try:
        return parse_manifest(text, "/tools/t.toml")
    except (ManifestError, UnicodeEncodeError):
        return None


@cache
def _validator(promise: bytes) -> Validator | None:
    schema = _schema(promise)
    return compile_schema(schema, "/tools/t.toml", "output") if schema else None


def _schema(promise: bytes) -> Mapping[str, Any] | None:
    return _SCHEMAS.get(promise.decode("utf-8", "replace"))


def _inline(schema: Mapping[str, Any]) -> str:
    return "\n".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in schema.items())


def _toml(value: Any) -> str:  # noqa: ANN401 - a JSON value of the schemas above
    match value:
        case dict():
            pairs = ", ".join(f"{json.dumps(key)} = {_toml(part)}" for key, part in value.items())
            return f"{{{pairs}}}"
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return json.dumps(value)


def _expect_sendable(reply: Reply, size: int) -> None:
    """Hold a reply to one line of strict JSON, written without repair, and no endless one."""
    result = asdict(reply)
    line = encode_line(JSONRPCResponse(jsonrpc="2.0", id=1, result=result))
    assert expect_json_line(line)["result"] == json.loads(json.dumps(result, allow_nan=False))
    # Each block has keys of its own; the structured part comes a second time, inside a text.
    keys = 100 * len(reply.content)
    assert len(line) <= _OVERHEAD + keys + 3 * _GROWTH * size


def _expect_structure(reply: Reply, manifest: Manifest) -> None:
    if reply.structured is None:
        assert manifest.run.stdout != "json"
        return
    assert isinstance(reply.structured, dict)
    first = reply.content[0]
    assert isinstance(first, TextBlock)
    assert json.loads(first.text) == reply.structured
    if manifest.output_schema is not None:
        promised = output_schema_on_wire(manifest.output_schema)
        assert _on_wire(json.dumps(promised)).problems(reply.structured) == ()


@cache
def _on_wire(schema: str) -> Validator:
    return compile_schema(json.loads(schema), "/tools/t.toml", "output")


def _expect_block(block: Block) -> None:
    match block:
        case TextBlock(text=text):
            assert isinstance(text, str)
        case MediaBlock(kind=kind, data=data, mime_type=mime_type):
            assert mime_type.startswith(f"{kind}/")
            assert media.sniff(base64.b64decode(data, validate=True)) == mime_type
        case ResourceBlock(text=text, blob=blob, mime_type=mime_type):
            assert (text is None) != (blob is None)
            assert media.parse_media_type(mime_type) == mime_type
            if blob is not None:
                assert media.mismatch(mime_type, base64.b64decode(blob, validate=True)) is None


def _seeds() -> Iterator[bytes]:
    for promise in ("text", *_SCHEMAS, "json", "envelope"):
        for value in _VALUES:
            yield f"{promise}\n{json.dumps(value)}".encode()
    for promise in ("json", "text", "envelope"):
        yield from (promise.encode() + _CUT + raw for raw in _RAW)
    for raw, media_type in _MEDIA:
        yield media_type.encode() + _CUT + raw
        yield b"image/png\n" + raw
        yield b"envelope\n" + json.dumps({"content": [_block(raw, media_type)]}).encode()


def _block(raw: bytes, media_type: str) -> JsonValue:
    data = base64.b64encode(raw).decode()
    return {"type": media_type.split("/", maxsplit=1)[0], "data": data, "mimeType": media_type}


_TOOL: Final = f"""\
{LEAST}[run]
stdout = {{stdout}}
{{output}}
"""
_VALUES: Final[tuple[JsonValue, ...]] = (
    {"a": 1, "b": ["x", None]},
    {"a": "no"},
    [1, "x", 2.5],
    [True, False],
    None,
    "ä\u2028\U0001f600\x7f",
    {"content": "hello"},
    {"content": [{"type": "text", "text": "a"}], "is_error": True, "metadata": {"k": [1]}},
    {"error": "it failed"},
    {"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "t"}}]},
    {
        "content": [
            {
                "type": "resource",
                "resource": {"uri": "file:///x", "mimeType": "a/b; c", "blob": "AAE="},
            }
        ]
    },
)
_RAW: Final = (
    b"",
    b"\xff\xfe\x00",
    b'{"a":NaN}',
    b'{"a":1e999}',
    b'"\\ud800"',
    b'{"a":1,"a":2}',
    b"[" * 250 + b"]" * 250,
    b"9" * 4000,
    b"9" * 5000,
    b"\xef\xbb\xbf1",
    b"\xed\xa0\x80",
    b'{"jsonrpc":"2.0","id":1,"result":{}}\n',
)
_MEDIA: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff\xe0", "image/jpeg"),
    (b"GIF89a", "image/gif"),
    (b"RIFF\x04\0\0\0WEBP", "image/webp"),
    (b"RIFF\x04\0\0\0WAVE", "audio/wav"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/x-flac"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"<svg/>", "image/svg+xml"),
    (b"PK\x03\x04", "application/zip"),
)

TARGET: Final = Target(
    name="result",
    check=check,
    seeds=_seeds,
    tokens=(
        *(b"text\n", b"json\n", b"envelope\n", b"object\n", b"array\n", b"tree\n", b"image/png\n"),
        *(b"audio/wav\n", b"text/html\n", b"application/zip\n", b'"content":', b'"type":"text"'),
        *(
            b'"type":"image"',
            b'"type":"audio"',
            b'"type":"resource"',
            b'"resource":{',
            b'"uri":"a:b"',
        ),
        *(b'"mimeType":"image/png"', b'"blob":"AA=="', b'"text":"a"', b'"data":"iVBORw0KGgo="'),
        *(b'"is_error":true', b'"error":"e"', b'"metadata":{}', b"null", b"NaN", b"1e999", b"-0.0"),
        *(b"\\ud800", b"\\udc00", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\\u0000", b"\xff", b"[[[[[["),
        *(media_type.encode() for _, media_type in _MEDIA),
        *(raw for raw, _ in _MEDIA),
    ),
    max_bytes=4096,
)
