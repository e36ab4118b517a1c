"""Whether a value fits a schema of plain keywords, for certain: most calls, without jsonschema.

Only ever says yes. What it is not sure of is jsonschema's to judge, and to find words for.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from preopen.outcome import JsonValue

Fits: TypeAlias = Callable[[JsonValue], bool]

_SAID: Final = frozenset(
    {"title", "description", "default", "examples", "$comment", "$schema"}
)  # which judge nothing
_ROOT: Final = _SAID | {"type", "properties", "required", "additionalProperties"}
_PART: Final = _SAID | {"type", "enum", "minimum", "maximum", "minLength", "maxLength"}
_KINDS: Final[Mapping[object, type]] = {"string": str, "integer": int, "boolean": bool}


def compile_plain(schema: Mapping[str, Any]) -> Fits:
    """Return what says of a value that it fits for certain; of a schema that is not plain, of none.

    Plain is an object of strings, integers and booleans, closed, with values of a list or bounds.
    JSON Schema, draft 2020-12: an integer written as 5.0 is one, too, and not for certain here.
    """
    parts = schema.get("properties", {})
    closed = schema.get("type") == "object" and schema.get("additionalProperties") is False
    if not closed or not _ROOT.issuperset(schema) or not all(map(_is_plain, parts.values())):
        return _never
    checks = {name: _check_of(part) for name, part in parts.items()}
    required = frozenset(schema.get("required", ()))

    def fits(value: JsonValue) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, each in value.items():
            check = checks.get(name)
            if check is None or not check(each):
                return False
        return True

    return fits


def _is_plain(part: object) -> bool:
    return (
        isinstance(part, Mapping)
        and _PART.issuperset(part)
        and part.get("type") in _KINDS
        and all(type(each) is str for each in part.get("enum", ()))
    )


def _check_of(part: Mapping[str, Any]) -> Fits:
    kind = _KINDS[part["type"]]
    allowed = frozenset(part["enum"]) if "enum" in part else None
    least, most = part.get("minimum"), part.get("maximum")
    if kind is str:
        least, most = part.get("minLength"), part.get("maxLength")

    def check(value: Any) -> bool:  # noqa: ANN401 - a JSON value, compared by its kind
        if type(value) is not kind or (allowed is not None and value not in allowed):
            return False
        if kind is bool or (least is None and most is None):
            return True
        size: Any = len(value) if isinstance(value, str) else value
        return (least is None or size >= least) and (most is None or size <= most)

    return check


def _never(_value: JsonValue) -> bool:
    return False
