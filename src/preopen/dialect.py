"""The part of JSON Schema that a tool's schema may use, so that checking a value always ends soon.

Pure; does not know jsonschema. What is refused is refused by name: a keyword that no keeper
enforces would be a promise without one.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from preopen.errors import found_and_write
from preopen.pattern import parse_pattern

MAX_WEIGHT: Final = (
    5000  # subschemas after every $ref is followed; 64 KiB hold about 3000 written out
)
MAX_REFERENCES: Final = 8  # $refs that lead to one another

Parts: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[Parts, str, str]  # place in the schema, what was found, what to write

_ONE: Final = frozenset(
    {"items", "contains", "additionalProperties", "not", "if", "then", "else", "propertyNames"}
)
_LISTED: Final = frozenset({"prefixItems", "anyOf", "oneOf", "allOf"})
_NAMED: Final = frozenset({"properties", "$defs", "dependentSchemas"})
_ASSERTIONS: Final = frozenset(
    [
        "type",
        "enum",
        "const",
        "required",
        "dependentRequired",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minContains",
        "maxContains",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "$ref",
    ]
)
# Said to the reader, never checked: JSON Schema makes `format` and the like annotations.
_ANNOTATIONS: Final = frozenset(
    [
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "format",
        "contentEncoding",
        "contentMediaType",
        "$comment",
    ]
)
KEYWORDS: Final = _ONE | _LISTED | _NAMED | _ASSERTIONS | _ANNOTATIONS
_ROOT_REFUSED: Final = ("oneOf", "anyOf", "allOf", "not", "if", "then", "else", "$ref")


def check_dialect(schema: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a schema uses beyond the dialect; its shape fits the metaschema already.

    Refused: unknown keywords (also `$schema` and `$id`, which change how the rest is read, and
    `patternProperties`), combinators and `$ref` at the root, a `$ref` that leaves the schema, leads
    in a circle or multiplies it, and patterns that could take for ever.
    """
    for keyword in _ROOT_REFUSED:
        if keyword in schema:
            yield (
                (keyword,),
                "not allowed at the root, where clients don't read it",
                "write it inside a property",
            )
    positions = dict(_positions(schema))
    for parts, part in positions.items():
        if isinstance(part, dict):
            yield from _keywords(parts, part)
    yield from _Weights(positions).findings()


def _positions(schema: object) -> Iterator[tuple[Parts, object]]:
    stack: list[tuple[Parts, object]] = [((), schema)]
    while stack:
        parts, part = stack.pop()
        yield parts, part
        if isinstance(part, dict):
            stack.extend(reversed([((*parts, *step), child) for step, child in _children(part)]))


def _children(schema: Mapping[str, Any]) -> Iterator[tuple[Parts, object]]:
    for keyword, value in schema.items():
        if keyword in _ONE:
            yield (keyword,), value
        elif keyword in _LISTED:
            yield from (((keyword, index), child) for index, child in enumerate(value))
        elif keyword in _NAMED:
            yield from (((keyword, name), child) for name, child in value.items())


def _keywords(parts: Parts, schema: Mapping[str, Any]) -> Iterator[Finding]:
    for keyword in schema:
        if keyword not in KEYWORDS and not keyword.startswith("x-"):
            close = difflib.get_close_matches(keyword, sorted(KEYWORDS), n=1)
            write = f'did you mean "{close[0]}"?' if close else "remove it"
            yield (*parts, keyword), "unknown keyword, or one that preopen does not support", write
    if "pattern" in schema:
        try:
            parse_pattern(schema["pattern"])
        except ValueError as problem:
            yield (*parts, "pattern"), *found_and_write(problem)


class _CircleError(Exception):
    """A `$ref` leads back to itself, or through too many others."""


@dataclass
class _Weights:
    """How many subschemas a value meets at most, and how many `$ref`s lead to one another."""

    positions: Mapping[Parts, object]
    known: dict[Parts, tuple[int, int]] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        targets: dict[Parts, Parts] = {}
        for parts, part in self.positions.items():
            if isinstance(part, dict) and "$ref" in part:
                target = self._target(part["$ref"])
                if target is None:
                    yield (
                        (*parts, "$ref"),
                        f"{part['$ref'][:60]!r} is no schema in here",
                        'write one such as "#/$defs/name"',
                    )
                else:
                    targets[parts] = target
        self.targets = targets
        try:
            weight, _ = self._weigh((), ())
        except _CircleError:
            yield (
                (),
                "a $ref leads back to itself, or through too many others",
                "write it out, to the depth that you need",
            )
        else:
            if weight > MAX_WEIGHT:
                yield (
                    (),
                    f"stands for more than {MAX_WEIGHT} subschemas once each $ref is followed",
                    "write fewer",
                )

    def _target(self, reference: str) -> Parts | None:
        if not reference.startswith("#/"):
            return () if reference == "#" else None
        steps = [
            unquote(step).replace("~1", "/").replace("~0", "~") for step in reference[2:].split("/")
        ]
        named = tuple(steps)
        if named in self.positions:
            return named
        counted = tuple(int(step) if step.isdecimal() and len(step) < 6 else step for step in steps)  # noqa: PLR2004 - 64 KiB hold no 100 000 items
        return counted if counted in self.positions else None

    def _weigh(self, parts: Parts, trail: tuple[Parts, ...]) -> tuple[int, int]:
        """Return the weight of the schema at `parts` and the longest chain of references in it."""
        if parts in self.known:
            return self.known[parts]
        weight, height = 1, 0
        schema = self.positions[parts]
        steps = (
            [(*parts, *step) for step, _ in _children(schema)] if isinstance(schema, dict) else []
        )
        for child in steps:
            more, deep = self._weigh(child, trail)
            weight, height = weight + more, max(height, deep)
        if parts in self.targets:
            target = self.targets[parts]
            if target in trail or len(trail) >= MAX_REFERENCES:
                raise _CircleError
            more, deep = self._weigh(target, (*trail, target))
            weight, height = weight + more, max(height, deep + 1)
        if height > MAX_REFERENCES:
            raise _CircleError
        self.known[parts] = weight, height
        return weight, height
