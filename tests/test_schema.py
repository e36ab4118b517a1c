"""The door to jsonschema: problems as text, and what a tool's schema may be."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preopen.errors import ManifestError
from preopen.pattern import MAX_TEXT, MIN_TEXT, parse_pattern
from preopen.schema import check_tool_schema, compile_schema, fill_defaults

EDIT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {"type": "string", "maxLength": 5},
        "edits": {
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "object", "properties": {"old_string": {"type": "string"}}},
        },
        "count": {"type": "integer", "minimum": 1, "default": 3},
        "mode": {"enum": ["read", "write"]},
        "names": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "word": {"type": "string", "pattern": "^[a-z]+$"},
    },
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=12,
)


def problems(value: object) -> tuple[str, ...]:
    return compile_schema(EDIT, "t.toml", "input").problems(value)


def nest(depth: int, leaf: object = 1) -> object:
    value = leaf
    for _ in range(depth):
        value = [value]
    return value


def one(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"type": "object", "properties": properties}


def faults(schema: dict[str, Any], key: str = "input") -> list[str]:
    return [str(fault) for fault in check_tool_schema(schema, "t.toml", key)]


def test_fitting_value_has_no_problems() -> None:
    """Ours: () means that every part was checked and fits."""
    assert problems({"path": "a", "edits": [{"old_string": "x"}], "names": ["a"]}) == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"path": "a", "edits": [{"old_string": 7}]},
            "edits[0].old_string: expected a string, found 7",
        ),
        (7, "expected an object, found 7"),
        ({}, "path: missing; expected a string"),
        ({"path": "a", "pth": 1}, 'pth: unknown key; did you mean "path"?'),
        (
            {"path": "a", "zzz": 1},
            "zzz: unknown key; known here: count, edits, mode, names, path, word",
        ),
        ({"path": "abcdef"}, "path: expected a string of at most 5 characters, found 6"),
        ({"path": "a", "count": 0}, "count: expected at least 1, found 0"),
        ({"path": "a", "mode": "x"}, 'mode: expected one of "read", "write", found "x"'),
        ({"path": "a", "names": 3}, "names: expected a string or an array, found 3"),
        ({"path": "a", "names": ["a", 3]}, "names[1]: expected a string, found 3"),
        ({"path": "a", "word": "A"}, 'word: expected text that matches ^[a-z]+$, found "A"'),
    ],
)
def test_problem_names_the_place_and_what_was_expected(value: object, expected: str) -> None:
    """Design §7: what went wrong is a result that a model can act on."""
    assert problems(value) == (expected,)


def test_dollar_does_not_let_a_last_newline_pass() -> None:
    """JSON Schema §6.4: patterns are ECMA-262's, whose "$" is the end of the text."""
    assert problems({"path": "a", "word": "abc\n"})


def test_one_and_one_point_nought_are_the_same_item_and_true_is_another() -> None:
    """JSON Schema core §4.2.2: numbers are equal by value; true is no number."""
    validator = compile_schema({"uniqueItems": True}, "t", "")
    assert validator.problems([1, True, "1"]) == ()
    assert validator.problems([{"a": 1}, {"a": 1.0}])


def test_many_problems_are_cut_to_eight() -> None:
    """Ours: a message to a model stays short."""
    assert len(problems({f"key{n}": n for n in range(100)})) == 8


def test_long_and_unprintable_values_are_shortened_and_escaped() -> None:
    """Ours: what a client sent cannot flood or disguise a message."""
    (text,) = problems({"path": "a", "mode": "\u202e\x1b" + "x" * 100_000})
    assert len(text) < 200
    assert text.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        {"path": nest(100_000)},
        {"path": float("nan")},
        {"path": float("inf")},
        {"path": "\ud800"},
        {"\udfff": 1},
        {"path": b"bytes"},
        {1: 2},
        {"path": 1 << 10_000},
    ],
)
def test_what_is_no_plain_json_is_a_problem_and_no_exception(value: object) -> None:
    """Design §7: one lone surrogate kills a stdio server, NaN becomes null; no depth may hurt."""
    (text,) = problems(value)
    assert text.isprintable()


@given(json_values)
def test_no_value_makes_checking_raise(value: object) -> None:
    """Ours: arguments are untrusted; problems are non-empty printable text."""
    assert all(text and text.isprintable() for text in problems(value))


def test_recursion_inside_the_library_is_a_problem() -> None:
    """Ours: what cannot be checked is not accepted."""
    loop = compile_schema({"$ref": "#"}, "t", "")
    assert "cannot be checked (RecursionError)" in loop.problems({})[0]


def test_reference_to_another_place_is_never_retrieved() -> None:
    """Ours: a schema opens no connection."""
    remote = compile_schema({"$ref": "https://example.com/schema.json"}, "t", "")
    assert "cannot be checked" in remote.problems({})[0]


def test_schema_keyword_does_not_switch_our_checks_off() -> None:
    """Ours: jsonschema changes its class at "$schema", which would drop the bound on patterns."""
    draft = "https://json-schema.org/draft/2020-12/schema"
    validator = compile_schema({"$schema": draft, "pattern": "(a+)+$"}, "t", "")
    assert "cannot be checked" in validator.problems("a" * 40 + "!")[0]


def test_compiling_what_is_no_schema_is_a_manifest_error() -> None:
    """Ours: the fault names the file and the keyword."""
    with pytest.raises(ManifestError, match=r'^t\.toml: input\.type: found "strin"; write one of'):
        compile_schema({"type": "strin"}, "t.toml", "input")
    with pytest.raises(ManifestError, match="nested more than 64 deep"):
        compile_schema({"default": nest(1000)}, "t.toml", "input")


def test_good_schema_has_no_faults() -> None:
    """Ours: the schema of these tests uses most of the dialect."""
    shared = {"$defs": {"name": {"type": "string"}}, **one(a={"$ref": "#/$defs/name"})}
    assert faults(EDIT) == []
    assert faults(shared) == []
    assert faults({"type": "array", "items": True}, "output") == []


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "array"}, "input.type: found "),
        ({}, "input.type: missing"),
        ({"type": "object", "oneOf": [{}]}, "input.oneOf: not allowed at the root"),
        ({"type": "object", "not": {}}, "input.not: not allowed at the root"),
        (one(a={"minLenght": 1}), "minLenght: unknown keyword, or one that preopen does not supp"),
        (one(a={"$schema": "x"}), "input.properties.a.$schema: unknown keyword"),
        (one(a={"$id": "x"}), "input.properties.a.$id: unknown keyword"),
        ({"type": "object", "patternProperties": {}}, "input.patternProperties: unknown keyword"),
        (one(a={"type": "strin"}), "input.properties.a.type: found"),
        (one(a={"$ref": "https://example.com/x"}), "is no schema in here"),
        (one(a={"$ref": "#/properties/b/default"}, b={"default": {}}), "is no schema in here"),
        (one(a={"$ref": "#"}), "leads back to itself"),
        (one(a={"pattern": "("}), "input.properties.a.pattern: is no regular expression"),
        (one(a={"pattern": "(a+)+$"}), "input.properties.a.pattern: could take for ever"),
        (one(a={"pattern": "a" * 600}), "has 600 characters; write at most 512"),
        (one(a={"type": "string", "default": 3}), "input.properties.a.default: found 3; write a s"),
        (one(a={"default": nest(40)}), "input: nested more than 32 deep"),
        (one(a={"description": "x" * 70_000}), "bytes as JSON; write at most 65536"),
        (one(a={"default": float("nan")}), "input: holds nan"),
    ],
)
def test_schema_beyond_the_dialect_is_a_fault(schema: dict[str, Any], expected: str) -> None:
    """Design §7 (root objects, no root combinators); ours: checking a value always ends soon."""
    assert any(expected in fault for fault in faults(schema)), faults(schema)


def test_references_that_multiply_a_schema_are_refused() -> None:
    """Ours: a page of schema that stands for a million subschemas would hold the server up."""
    defs: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 10} for n in range(6)
    }
    schema = {**one(a={"$ref": "#/$defs/d0"}), "$defs": {**defs, "d6": {}}}
    assert "more than 5000 subschemas" in faults(schema)[0]


def test_long_chain_of_references_is_refused_in_either_order() -> None:
    """Ours: a chain that is deeper than the interpreter's stack must not be followed at all."""
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(900)}
    for names in (chain, dict(reversed(chain.items()))):
        assert "too many others" in faults({**one(), "$defs": {**names, "d900": {}}})[0]


def test_defaults_fill_what_is_absent_and_nothing_else() -> None:
    """Design §5: a property's default is filled in before validation."""
    assert fill_defaults(EDIT, {"path": "a"}) == {"path": "a", "count": 3}
    assert fill_defaults(EDIT, {"count": None}) == {"count": None}


def test_filled_default_is_a_copy() -> None:
    """Ours: one call cannot change the next one's default."""
    schema = one(a={"default": []})
    fill_defaults(schema, {})["a"].append(1)
    assert fill_defaults(schema, {}) == {"a": []}


@pytest.mark.parametrize(
    "source",
    [
        r"^[a-z0-9]+(-[a-z0-9]+)*$",
        r"^(?:[a-z]+\.)+[a-z]{2,}$",
        r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
        r"^([0-9]{1,3}\.){3}[0-9]{1,3}$",
        r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$",
        r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        r"^\S(.*\S)?$",
        r"[^a]+b|\bc\D\W",
    ],
)
def test_usual_patterns_are_accepted(source: str) -> None:
    """Ours: names, hosts, addresses, dates and the like are what schemas check."""
    assert parse_pattern(source).max_text >= MIN_TEXT


@pytest.mark.parametrize(
    "source",
    [
        "(a+)+$",
        "(a|a)*$",
        "(a|ab)*c",
        "(a?a?)*b",
        "(a*)*b",
        "(x+x+)+y",
        "(-[a-z]*[a-z]*)*$",
        "([a-z]+-[a-z]+)*$",
        "(.*,){11}P",
        "^(a{0,50}){50}$",
        "a*a*a*a*b",
        "(?=a)",
        r"(a)\1",
        "(?i)a",
        "(?i:a)",
        "(?>a)",
        "a*+",
        "[[a]",
        "(" * 500,
    ],
)
def test_patterns_that_could_take_for_ever_or_look_around_are_refused(source: str) -> None:
    """Ours: manifest and arguments are both untrusted, and matching runs in the server."""
    with pytest.raises(ValueError, match="; write"):
        parse_pattern(source)


def test_text_too_long_for_its_pattern_is_a_problem() -> None:
    """Ours: a pattern that takes the square of the text's length meets short texts only."""
    validator = compile_schema({"pattern": "^a*a*b"}, "t", "")
    limit = parse_pattern("^a*a*b").max_text
    assert MIN_TEXT < limit < MAX_TEXT
    assert f"at most {limit} characters" in validator.problems("a" * (limit + 1))[0]
    assert "matches" in validator.problems("a" * limit)[0]


@settings(max_examples=300)
@given(st.text("ab.-*+?()[]{}|^$\\dw1,2", max_size=16))
def test_any_pattern_is_parsed_or_refused(source: str) -> None:
    """Ours: only ValueError, whatever the text; what is accepted is what Python accepts."""
    try:
        pattern = parse_pattern(source)
    except ValueError:
        return
    assert isinstance(pattern.regex, re.Pattern)
    # pytest's own time-out is the judge: what was accepted ends on the texts that it is put to.
    for text in ("a" * min(pattern.max_text, 5000), "ab" * min(pattern.max_text // 2, 2500)):
        pattern.regex.search(text + "\n")


def test_our_own_schemas_are_valid() -> None:
    """Ours: both shipped schemas compile, and every object in them refuses unknown keys."""
    for package, name in (
        ("preopen.tool", "manifest.schema.json"),
        ("preopen.policy", "preopen.schema.json"),
    ):
        schema = json.loads(files(package).joinpath(name).read_text())
        compile_schema(schema, name, "")
        stack = [schema]
        while stack:
            part = stack.pop()
            if isinstance(part, dict):
                assert (
                    "properties" not in part
                    or part.get("additionalProperties") is False
                    or ("type" not in part)
                )
                stack += part.values()
            elif isinstance(part, list):
                stack += part


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"const": 1}, 2, "expected 1, found 2"),
        ({"type": ["string", "null"]}, 2, "expected a string or null, found 2"),
        ({"oneOf": [{"type": "null"}, {"const": 1}]}, 2, "expected null or 1, found 2"),
        ({"oneOf": [{}, True]}, 2, "expected what 'oneOf' of its schema says, found 2"),
        ({"uniqueItems": True}, [1, 1], "expected items that differ from one another, found an"),
        # jsonschema leaves the place out where a schema is just false
        ({"properties": {"a": False}}, {"a": 1}, "expected nothing here, found 1"),
        ({"uniqueItems": True}, [[1], [1.0]], "expected items that differ from one another"),
        ({"not": {}}, None, "expected what 'not' of its schema says, found null"),
        ({"pattern": "a"}, 1, ""),
        ({"required": ["a"], "properties": {"a": {"const": 1}}}, {}, "a: missing; expected 1"),
        ({"required": ["a"]}, {}, "a: missing; expected a value"),
        (
            {"required": ["a"], "properties": {"a": {"enum": list(range(20))}}},
            {},
            "a: missing; expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …",
        ),
        (
            {"required": ["a"], "properties": {"a": {"type": ["array", "null"]}}},
            {},
            "a: missing; expected an array or null",
        ),
        (
            {"required": ["a"], "properties": {"a": {"anyOf": [{"type": "string"}, {}]}}},
            {},
            "a: missing; expected a string or a value",
        ),
        ({"additionalProperties": False}, {"a": 1}, "a: unknown key; remove it"),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, "a: expected a string, found 1"),
        ({"additionalProperties": False, "required": ["a"]}, "text", ""),
        ({"maxProperties": 0}, {"a": 1}, "expected at most 0 keys, found an object with 1 keys"),
        ({"type": "string"}, 1 << 200, "expected a string, found a very large integer"),
        ({"type": "string"}, True, "expected a string, found true"),
        ({"type": "string"}, 1.5, "expected a string, found 1.5"),
    ],
)
def test_each_keyword_says_in_words_what_it_expects(
    schema: dict[str, Any], value: object, expected: str
) -> None:
    """Ours: a model corrects an argument by the message alone."""
    told = compile_schema(schema, "t", "").problems(value)
    assert "".join(told).startswith(expected)
    assert bool(told) == bool(expected)
