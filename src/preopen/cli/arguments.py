"""A call's arguments as a shell writes them: `key=value`, read by the schema's type."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from preopen.cli.finding import advice
from preopen.outcome import JsonValue
from preopen.tool.strict_json import parse_json

_WANTED: Final = {
    "integer": "a whole number such as 3",
    "number": "a number such as 0.5",
    "boolean": "true or false",
    "object": 'an object as JSON, such as {"a": 1}',
    "array": 'an array as JSON, such as ["a"]',
    "null": "null",
}
_KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def read_pairs(pairs: Iterable[str], schema: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return the arguments that `key=value` words say.

    A repeated key makes an array; so does a single one where the schema wants an array.

    Raises:
        UsageError: a word is no pair, names no property, or its value is not of the type.

    """
    written: dict[str, list[str]] = {}
    for word in pairs:
        key, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"{word!r} is no argument; write key=value")
        written.setdefault(key, []).append(value)
    properties = schema.get("properties", {})
    for key in written:
        if key not in properties:
            names = sorted(properties)
            raise click.UsageError(f"there is no argument {key!r}; {advice(key, names)}")
    return {key: _read(key, values, properties[key]) for key, values in written.items()}


def read_object(text: bytes) -> dict[str, JsonValue]:
    """Return the arguments that one JSON object says.

    Raises:
        UsageError: it is none.

    """
    try:
        value = parse_json(text)
    except ValueError as problem:
        raise click.UsageError(f"--args is no JSON: {problem}") from None
    if not isinstance(value, dict):
        raise click.UsageError('--args is no JSON object; write one such as {"path": "a.txt"}')
    return value


def _read(key: str, values: list[str], schema: Mapping[str, Any]) -> JsonValue:
    kinds = _kinds_of(schema)
    if "array" in kinds and not (len(values) == 1 and "string" in kinds):
        items = schema.get("items", {})
        return [_read_one(key, value, items) for value in values]
    if len(values) > 1:
        raise click.UsageError(
            f"{key} is given {len(values)} times, and it is no array; once will do"
        )
    return _read_one(key, values[0], schema)


def _read_one(key: str, text: str, schema: JsonValue) -> JsonValue:
    """Return a value of one of the schema's types; text where it may be text."""
    kinds = _kinds_of(schema)
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    for kind in kinds:
        if kind != "string" and _is(value, kind):
            return value
    if "string" in kinds:
        return text
    if not kinds:  # the schema names no type, perhaps an enum: what it lists decides
        return text if text in schema.get("enum", ()) else value
    wanted = " or ".join(_WANTED[kind] for kind in kinds)
    raise click.UsageError(f"{key}: found {text!r}; write {wanted}")


def _kinds_of(schema: JsonValue) -> tuple[str, ...]:
    written = schema.get("type", ()) if isinstance(schema, dict) else ()
    kinds = (written,) if isinstance(written, str) else tuple(written)
    return tuple(kind for kind in kinds if kind in _KINDS)


def _is(value: JsonValue, kind: str) -> bool:
    return isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
