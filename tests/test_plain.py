"""What is taken for certain is what jsonschema says too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from preopen.plain import compile_plain
from preopen.tool.parsing import load_manifest

MANIFESTS = Path(__file__).parent.parent / "tool_manifests"
NAMES = st.sampled_from(["a", "b", "c"])
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-3, 3)
    | st.text("xy", max_size=3)
    | st.lists(st.integers(0, 1), max_size=1)
)
BOUNDS = st.integers(-2, 3)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "boolean", "number", "array"])},
    optional={
        "description": st.text("xy", max_size=2),
        "enum": st.lists(st.text("xy", max_size=2) | st.integers(0, 2), min_size=1, max_size=3),
        "minimum": BOUNDS,
        "maximum": BOUNDS,
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 3),
        "multipleOf": st.just(2),
    },
)
SCHEMAS = st.fixed_dictionaries(
    {"type": st.sampled_from(["object", "object", "array"])},
    optional={
        "properties": st.dictionaries(NAMES, PARTS | st.booleans(), max_size=3),
        "required": st.lists(NAMES, max_size=2, unique=True),
        "additionalProperties": st.booleans(),
        "maxProperties": st.just(1),
    },
)


@given(SCHEMAS, st.dictionaries(NAMES, VALUES, max_size=3) | VALUES)
def test_what_fits_for_certain_fits(schema: Mapping[str, Any], value: Any) -> None:  # noqa: ANN401 - any JSON
    """JSON Schema, draft 2020-12."""
    if compile_plain(schema)(value):
        assert Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("name", ["read", "write"])
def test_the_tools_that_are_called_most_have_plain_schemas(name: str) -> None:
    """Ours: else it would be there for nothing."""
    schema = load_manifest(MANIFESTS / f"{name}.toml", builtin=True).input_schema
    assert compile_plain(schema)(dict.fromkeys(schema["required"], "x"))


def test_bounds_kinds_and_names_are_looked_at() -> None:
    """Ours: each alone makes it uncertain."""
    fits = compile_plain(
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "minimum": 1, "maximum": 3},
                "s": {"type": "string", "minLength": 1, "maxLength": 2, "enum": ["a", "ab"]},
                "b": {"type": "boolean"},
            },
            "required": ["n"],
            "additionalProperties": False,
        }
    )
    assert fits({"n": 1, "s": "ab", "b": True})
    values: tuple[Any, ...] = (
        {"n": 0},
        {"n": 4},
        {"n": True},
        {"n": 1.0},
        {"s": "a"},
        {"n": 1, "x": 1},
        [],
    )
    for value in values:
        assert not fits(value)
    for wrong in ({"s": ""}, {"s": "abc"}, {"s": "b"}, {"b": 1}, {"s": None}):
        assert not fits({"n": 1, **wrong})
