"""stdout → content and structured content, as values of ours; and the output schema as it is sent.

What a guest wrote is untrusted: `read_reply` answers on any bytes, and never raises.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from preopen.outcome import InvalidResult, JsonValue
from preopen.tool import media
from preopen.tool.manifest import Manifest
from preopen.tool.strict_json import parse_json, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaBlock:
    """An image or a sound in base64; `mime_type` is what its first bytes say."""

    kind: Literal["image", "audio"]
    data: str
    mime_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceBlock:
    """Content of any other type: `text`, or `blob` in base64; the other one is None."""

    uri: str
    mime_type: str
    text: str | None = None
    blob: str | None = None


Block: TypeAlias = TextBlock | MediaBlock | ResourceBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back to the client. Every string in it can be encoded.

    `structured` is a JSON object or None, and then the first text block is the same JSON.
    """

    content: tuple[Block, ...]
    structured: JsonValue | None = None
    is_error: bool = False
    metadata: Mapping[str, JsonValue] | None = None


Check: TypeAlias = Callable[[JsonValue], tuple[str, ...]]

_COMBINATORS: Final = ("oneOf", "anyOf", "allOf")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}:[!-~]{1,2000}")
_PROBLEMS_SHOWN: Final = 10
# Keywords whose value maps names to schemas, and those whose value is data and no schema.
_NAMED_SCHEMAS: Final = {
    *("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
}
_DATA: Final = {"const", "enum", "default", "examples"}


class _Broken(ValueError):  # noqa: N818 - an InvalidResult on its way to `read_reply`
    """Raised inside this file where a result is not what its manifest promises."""


def read_reply(manifest: Manifest, stdout: bytes, check: Check) -> Reply | InvalidResult:
    """Return what a tool that ended well said, or how it breaks its manifest's promise.

    `check` gets a json result as the guest wrote it, not yet wrapped, and returns its problems
    against `[output]` as written; () where there is no `[output]`.
    """
    try:
        return _read(manifest, stdout, check)
    except ValueError as problem:
        return InvalidResult(problem=str(problem), stdout=stdout)


def output_schema_on_wire(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema that structured results fit: `[output]`, or an object around it.

    One tool whose root is not an object fails the whole tools/list for clients of the older era,
    and a combinator at the root does for some.
    """
    if not _is_wrapped(schema):
        return dict(schema)
    inner = {key: value for key, value in schema.items() if key != "$schema"}
    dialect = {"$schema": schema["$schema"]} if "$schema" in schema else {}
    properties = {"result": _moved(inner)}
    return {**dialect, "type": "object", "properties": properties, "required": ["result"]}


def _is_wrapped(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") != "object" or any(key in schema for key in _COMBINATORS)


def _moved(schema: JsonValue) -> JsonValue:
    """Return a schema whose references from the root still meet, below `/properties/result`."""
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, dict) or "$id" in schema:  # its own root: references start there
        return schema
    moved: dict[str, JsonValue] = {}
    for key, value in schema.items():
        if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
            moved[key] = re.sub(r"^#(?=/|$)", "#/properties/result", value)
        elif key in _NAMED_SCHEMAS and isinstance(value, dict):
            moved[key] = {name: _moved(inner) for name, inner in value.items()}
        else:
            moved[key] = value if key in _DATA else _moved(value)
    return moved


def _read(manifest: Manifest, stdout: bytes, check: Check) -> Reply:
    match manifest.run.stdout:
        case "text":
            return Reply(content=(TextBlock(text=_decode(stdout)),))
        case "json":
            return _read_json(manifest.output_schema, stdout, check)
        case "envelope":
            return _read_envelope(parse_json(stdout))
        case media_type:
            return Reply(content=(_read_media(manifest, media_type, stdout),))


def _decode(data: bytes) -> str:
    """Return the text; the decoder also replaces surrogates, which no client could be sent."""
    return data.decode("utf-8", errors="replace")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _read_json(schema: Mapping[str, Any] | None, stdout: bytes, check: Check) -> Reply:
    value = parse_json(stdout)
    try:
        problems = check(value)
    except RecursionError:  # a schema that refers to itself takes several frames a level
        raise _Broken("it is nested too deeply to be checked against [output]") from None
    if problems:
        raise _Broken("; ".join(problems[:_PROBLEMS_SHOWN]))
    # The schema decides where there is one: an object may fit a schema that had to be wrapped.
    is_object = isinstance(value, dict)
    if not is_object if schema is None else _is_wrapped(schema):
        value = {"result": value}
    elif not is_object:
        raise _Broken("[output] promises an object, and something else was written")
    return Reply(content=(TextBlock(text=write_json(value)),), structured=value)


def _read_media(manifest: Manifest, media_type: str, stdout: bytes) -> Block:
    parsed = media.parse_media_type(media_type)
    if parsed is None:
        raise _Broken(f"{media_type!r} is no media type")
    if parsed in media.KNOWN:
        return _media_block(parsed, stdout)
    uri = f"preopen://tools/{manifest.name}/result"
    if media.is_text(parsed):
        return ResourceBlock(uri=uri, mime_type=parsed, text=_decode(stdout))
    return ResourceBlock(uri=uri, mime_type=parsed, blob=_encode(stdout))


def _media_block(media_type: str, data: bytes, place: str = "stdout") -> MediaBlock:
    problem = media.mismatch(media_type, data)
    if problem:
        raise _Broken(f"{place}: {problem}")
    kind: Literal["image", "audio"] = "image" if media_type.startswith("image/") else "audio"
    return MediaBlock(kind=kind, data=_encode(data), mime_type=media_type)


def _read_envelope(value: JsonValue) -> Reply:
    body = _object(value, "the envelope", {"content", "is_error", "error", "metadata"})
    if "is_error" in body and "error" in body:
        raise _Broken('the envelope holds both "is_error" and "error"; write one of them')
    if "content" not in body and "error" not in body:
        raise _Broken('the envelope holds neither "content" nor "error"')
    content = _blocks(body.get("content", []))
    if "error" in body:
        content += (TextBlock(text=_string(body, "error", "error")),)
    is_error = body.get("is_error", "error" in body)
    if not isinstance(is_error, bool):
        raise _Broken("is_error: write true or false")
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise _Broken("metadata: write a JSON object")
    return Reply(content=content, is_error=is_error, metadata=metadata)


def _blocks(content: JsonValue) -> tuple[Block, ...]:
    if isinstance(content, str):
        return (TextBlock(text=content),)
    if not isinstance(content, list):
        raise _Broken("content: write a string or a list of blocks")
    return tuple(_block(block, f"content[{number}]") for number, block in enumerate(content))


def _block(value: JsonValue, place: str) -> Block:
    kind = value.get("type") if isinstance(value, dict) else None
    match kind:
        case "text":
            body = _object(value, place, {"type", "text"})
            return TextBlock(text=_string(body, "text", f"{place}.text"))
        case "image" | "audio":
            body = _object(value, place, {"type", "data", "mimeType"})
            media_type = _media_type(body, place)
            if media_type not in media.KNOWN or not media_type.startswith(f"{kind}/"):
                known = ", ".join(sorted(m for m in media.KNOWN if m.startswith(f"{kind}/")))
                raise _Broken(f"{place}.mimeType: write one of {known}, or use a resource")
            return _media_block(media_type, _base64(body, "data", place), f"{place}.data")
        case "resource":
            body = _object(value, place, {"type", "resource"})
            return _resource(body.get("resource"), f"{place}.resource")
        case _:
            raise _Broken(f'{place}.type: write "text", "image", "audio" or "resource"')


def _resource(value: JsonValue, place: str) -> ResourceBlock:
    body = _object(value, place, {"uri", "mimeType", "text", "blob"})
    uri = _string(body, "uri", f"{place}.uri")
    if not _URI.fullmatch(uri):
        raise _Broken(f'{place}.uri: write an absolute URI such as "file:///notes.txt"')
    if ("text" in body) == ("blob" in body):
        raise _Broken(f'{place}: write one of "text" and "blob"')
    if "text" in body:
        mime_type = _media_type({"mimeType": "text/plain", **body}, place)
        return ResourceBlock(
            uri=uri, mime_type=mime_type, text=_string(body, "text", f"{place}.text")
        )
    mime_type = _media_type({"mimeType": "application/octet-stream", **body}, place)
    blob = _base64(body, "blob", place)
    problem = media.mismatch(mime_type, blob)
    if problem:
        raise _Broken(f"{place}.blob: {problem}")
    return ResourceBlock(uri=uri, mime_type=mime_type, blob=_encode(blob))


def _object(value: JsonValue, place: str, keys: set[str]) -> dict[str, JsonValue]:
    """Return the members that are there; null stands for absent, as many serialisers write it."""
    if not isinstance(value, dict):
        raise _Broken(f"{place}: write a JSON object")
    if not value.keys() <= keys:
        unknown = next(key for key in value if key not in keys)
        known = ", ".join(sorted(keys))
        raise _Broken(f"{place}: unknown key {unknown[:80]!r}; the keys are {known}")
    return {key: member for key, member in value.items() if member is not None}


def _string(body: Mapping[str, JsonValue], key: str, place: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise _Broken(f"{place}: write a string")
    return value


def _media_type(body: Mapping[str, JsonValue], place: str) -> str:
    parsed = media.parse_media_type(_string(body, "mimeType", f"{place}.mimeType"))
    if parsed is None:
        raise _Broken(f'{place}.mimeType: write a media type such as "image/png"')
    return parsed


def _base64(body: Mapping[str, JsonValue], key: str, place: str) -> bytes:
    text = _string(body, key, f"{place}.{key}")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _Broken(f"{place}.{key}: write standard base64, without line breaks") from None
