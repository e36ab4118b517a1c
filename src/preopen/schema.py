"""The one door to jsonschema: schemas are compiled once, and a value's problems come back as text.

JSON Schema, draft 2020-12. Nothing is ever retrieved: a `$ref` out of the schema is an error.
"""

import copy
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from preopen.dialect import check_dialect
from preopen.document import MAX_FAULTS, json_flaw, key_of, shown
from preopen.errors import Fault, ManifestError
from preopen.outcome import JsonValue
from preopen.pattern import parse_pattern
from preopen.plain import compile_plain

MAX_SCHEMA_BYTES: Final = (
    64 << 10
)  # every client carries it in its context; the longest known has 20 KiB
MAX_SCHEMA_DEPTH: Final = 32  # fifteen objects inside one another

_Checking: TypeAlias = Any  # a jsonschema class that is made at run time, or a schema
_UNKNOWN: Final = "unknown key"
_MISSING: Final = "missing"
_TYPES: Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_BOUNDS: Final = {
    "minLength": "a string of at least {} characters",
    "maxLength": "a string of at most {} characters",
    "minItems": "{} or more items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "pattern": "text that matches {}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing in a value that does not fit. `key` is its place, "" for the value itself."""

    key: str
    found: str
    expected: str

    def __str__(self) -> str:
        text = f"{self.found}; {self.expected}"
        if self.found.startswith("found "):
            text = f"expected {self.expected}, {self.found}"
        elif self.found == _MISSING:
            text = f"{self.found}; expected {self.expected}"
        return f"{self.key}: {text}" if self.key else text

    def fault(self, place: str, prefix: str = "") -> Fault:
        """Return the problem as a fault of the file `place`, below the key `prefix`."""
        joint = "." if prefix and self.key and not self.key.startswith("[") else ""
        write = self.expected if self.found == _UNKNOWN else f"write {self.expected}"
        return Fault(place=place, key=f"{prefix}{joint}{self.key}", found=self.found, write=write)


class Validator:
    """One compiled schema. Checking never raises, whatever the value is."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = _Checker(dict(schema), registry=Registry())
        self._fits = compile_plain(schema)

    def problems(self, value: JsonValue) -> tuple[str, ...]:
        """Return what does not fit, each as "place: expected this, found that"; at most eight."""
        return tuple(map(str, self.details(value)))

    def details(self, value: JsonValue) -> tuple[Problem, ...]:
        """Return what does not fit, at most eight, in the schema's order; () is good."""
        if flaw := json_flaw(value):
            return (Problem(key="", found=flaw, expected="send plain JSON"),)
        if self._fits(value):
            return ()
        try:
            errors = self._validator.iter_errors(value)
            return tuple(islice(dict.fromkeys(map(_problem, errors)), MAX_FAULTS))
        except Exception as error:  # noqa: BLE001 - what cannot be checked is not accepted
            reason = f"cannot be checked ({type(error).__name__})"
            return (Problem(key="", found=reason, expected="send something simpler"),)


def compile_schema(schema: Mapping[str, Any], place: str, key: str) -> Validator:
    """Return the validator of a schema. One of a tool's goes through `check_tool_schema` first.

    Raises:
        ManifestError: it is no JSON Schema of draft 2020-12.

    """
    flaw = json_flaw(schema)
    faults = (
        (Fault(place=place, key=key, found=flaw),) if flaw else _meta_faults(schema, place, key)
    )
    if faults:
        raise ManifestError(*faults)
    # jsonschema would change to its own class, without our keywords, at a "$schema".
    return Validator({name: part for name, part in schema.items() if name != "$schema"})


def check_tool_schema(schema: Mapping[str, Any], place: str, key: str) -> tuple[Fault, ...]:
    """Return what is wrong with a tool's schema; `key` is "input" or "output".

    Bounded are: its size (64 KiB as JSON) and depth (32); the subschemas that it stands for once
    each `$ref` is followed (5000, no circles); each pattern's length (512 characters) and, from its
    syntax, the text that it is put to, so that one match takes 2 million steps at most. Not bounded
    is how many values of one call meet a pattern: write `maxItems`.
    An input's root is an object, and defaults of the root's properties fit them.
    """
    if flaw := json_flaw(schema, MAX_SCHEMA_DEPTH):
        return (Fault(place=place, key=key, found=flaw, write="write a plain, flatter schema"),)
    size = len(json.dumps(schema))
    if size > MAX_SCHEMA_BYTES:
        found = f"has {size} bytes as JSON"
        return (
            Fault(place=place, key=key, found=found, write=f"write at most {MAX_SCHEMA_BYTES}"),
        )
    if faults := _meta_faults(schema, place, key):
        return faults
    findings = [*_root(schema, key), *check_dialect(schema)]
    if not findings:
        findings = list(_defaults(schema))
    return tuple(
        Fault(place=place, key=key_of((key, *parts)), found=found, write=write)
        for parts, found, write in findings[:MAX_FAULTS]
    )


def fill_defaults(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with each absent property's `default`, for the root's properties."""
    filled = dict(arguments)
    for name, part in schema.get("properties", {}).items():
        if name not in filled and isinstance(part, Mapping) and "default" in part:
            filled[name] = copy.deepcopy(part["default"])  # nobody may change the schema through it
    return filled


def _root(schema: Mapping[str, Any], key: str) -> Iterator[tuple[tuple[str, ...], str, str]]:
    if key == "input" and schema.get("type") != "object":
        found = f"found {shown(schema['type'])}" if "type" in schema else "missing"
        yield ("type",), found, 'write "object": arguments have names'


def _defaults(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    checker = _Checker(dict(schema), registry=Registry())
    for name, part in schema.get("properties", {}).items():
        if isinstance(part, Mapping) and "default" in part:
            for error in islice(checker.descend(part["default"], part), 1):
                problem = _problem(error)
                yield ("properties", name, "default"), problem.found, f"write {problem.expected}"


def _meta_faults(schema: Mapping[str, Any], place: str, key: str) -> tuple[Fault, ...]:
    errors = _META.iter_errors(schema)
    return tuple(
        problem.fault(place, key)
        for problem in islice(dict.fromkeys(map(_problem, errors)), MAX_FAULTS)
    )


def _problem(error: ValidationError) -> Problem:
    error = _leaf(error)
    return Problem(key=key_of(error.absolute_path), found=_found(error), expected=_expected(error))


def _leaf(error: ValidationError) -> ValidationError:
    """Return the error inside an alternative whose type fits, or else the error itself."""
    while error.context and error.validator in {"anyOf", "oneOf"}:
        inner = [e for e in error.context if e.path or e.validator not in {"type", "enum", "const"}]
        misfits = {e.schema_path[0] for e in error.context if e not in inner}
        fitting = [e for e in inner if e.schema_path[0] not in misfits]
        if not fitting:
            break
        error = fitting[0]
    return error


def _found(error: ValidationError) -> str:
    if error.validator == "required":
        return _MISSING
    if error.validator == "additionalProperties":
        return _UNKNOWN
    if error.validator in {"minLength", "maxLength"}:
        return f"found {len(str(error.instance))}"
    return f"found {shown(error.instance)}"


def _expected(error: ValidationError) -> str:  # noqa: PLR0911 - one return per keyword
    keyword, value = str(error.validator), error.validator_value
    if keyword in _BOUNDS:
        return _BOUNDS[keyword].format(value)
    match keyword:
        case "required":
            return phrase(value)
        case "additionalProperties":
            return str(value)
        case "type" | "enum" | "const":
            return phrase({keyword: value})
        case "anyOf" | "oneOf" if error.context:
            return " or ".join(dict.fromkeys(map(_expected, error.context)))
        case "uniqueItems":
            return "items that differ from one another"
        case "None":
            return "nothing here"
        case _:
            return f"what {keyword!r} of its schema says"


def phrase(schema: object) -> str:
    """Return in a few words what a schema accepts: "a string", 'one of "read", "write"'."""
    match schema:
        case {"const": value}:
            return shown(value)
        case {"enum": list(values)}:
            return "one of " + ", ".join(map(shown, values[:12])) + (", …" if values[12:] else "")
        case {"type": str(name)}:
            return _TYPES.get(name, name)
        case {"type": list(names)}:
            return " or ".join(_TYPES.get(name, str(name)) for name in names)
        case {"anyOf": list(parts)} | {"oneOf": list(parts)}:
            return " or ".join(dict.fromkeys(map(phrase, parts)))
        case _:
            return "a value"


def _required(
    checker: _Checking, names: list[str], value: object, schema: _Checking
) -> Iterator[ValidationError]:
    for name in names:
        if checker.is_type(value, "object") and name not in value:  # type: ignore[operator]  # an object
            part = schema.get("properties", {}).get(name, {})
            yield ValidationError("", path=(name,), validator="required", validator_value=part)


def _additional(
    checker: _Checking, rule: object, value: object, schema: _Checking
) -> Iterator[ValidationError]:
    known = schema.get("properties", {})
    for name in value if isinstance(value, dict) else ():
        if name not in known and rule is False:
            yield ValidationError(
                "",
                path=(name,),
                validator="additionalProperties",
                validator_value=_advice(name, known),
            )
        elif name not in known:
            yield from checker.descend(value[name], rule, path=name)  # type: ignore[index]  # a dict


def _advice(name: str, known: Iterable[str]) -> str:
    if close := difflib.get_close_matches(name[:64], list(known), n=1, cutoff=0.6):
        return f'did you mean "{close[0]}"?'
    names = sorted(known)
    return f"known here: {', '.join(names[:20])}" if names else "remove it"


def _pattern(
    _checker: _Checking, source: str, value: object, _schema: _Checking
) -> Iterator[ValidationError]:
    if not isinstance(value, str):
        return
    pattern = parse_pattern(source)
    if len(value) > pattern.max_text:
        yield ValidationError("", validator="maxLength", validator_value=pattern.max_text)
    elif not pattern.regex.search(value):
        yield ValidationError("")


def _unique(
    _checker: _Checking, wanted: object, value: object, _schema: _Checking
) -> Iterator[ValidationError]:
    # jsonschema compares each with each where items are objects: hours for a long array.
    if wanted and isinstance(value, list) and len(set(map(_canonical, value))) < len(value):
        yield ValidationError("")


def _canonical(value: object) -> str:
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: object) -> object:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(part) for name, part in value.items()}
        case list():
            return list(map(_whole, value))
        case _:
            return value


_Checker: Final = extend(  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    Draft202012Validator,
    {
        "required": _required,
        "additionalProperties": _additional,
        "pattern": _pattern,
        "uniqueItems": _unique,
    },
)
_META: Final = Draft202012Validator(Draft202012Validator.META_SCHEMA, registry=Registry())
