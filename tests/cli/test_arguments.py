import click
import pytest

from preopen.cli.arguments import read_object, read_pairs
from preopen.outcome import JsonValue

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "options": {"type": "object"},
        "maybe": {"type": ["integer", "null"]},
        "either": {"type": ["string", "array"], "items": {"type": "string"}},
        "mode": {"enum": ["1", "fast"]},
    },
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["text=3"], {"text": "3"}),
        (["text=a=b"], {"text": "a=b"}),
        (["text="], {"text": ""}),
        (["count=3"], {"count": 3}),
        (["count=-3"], {"count": -3}),
        (["ratio=0.5"], {"ratio": 0.5}),
        (["ratio=2"], {"ratio": 2}),
        (["flag=true"], {"flag": True}),
        (["flag=false"], {"flag": False}),
        (["names=a"], {"names": ["a"]}),
        (["names=a", "names=3"], {"names": ["a", "3"]}),
        (["numbers=1", "numbers=2"], {"numbers": [1, 2]}),
        (['options={"a": [1]}'], {"options": {"a": [1]}}),
        (["maybe=null"], {"maybe": None}),
        (["maybe=1"], {"maybe": 1}),
        (["either=a"], {"either": "a"}),
        (["either=a", "either=b"], {"either": ["a", "b"]}),
        (["mode=1"], {"mode": "1"}),
        (["count=1", "text=x"], {"count": 1, "text": "x"}),
    ],
)
def test_a_value_is_read_by_the_type_in_the_schema(
    words: list[str], expected: dict[str, JsonValue]
) -> None:
    """Ours: a person writes no quotes where the schema says what is meant."""
    found = read_pairs(words, SCHEMA)
    assert expected == found
    assert [type(v) for v in expected.values()] == [type(v) for v in found.values()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["count=three"], "count: found 'three'; write a whole number"),
        (["count=0.5"], "write a whole number"),
        (["count=true"], "write a whole number"),
        (["flag=yes"], "write true or false"),
        (["options=[1]"], "write an object as JSON"),
        (["numbers=1", "numbers=x"], "numbers: found 'x'"),
        (["text=a", "text=b"], "text is given 2 times"),
        (["txt=a"], "did you mean text?"),
        (["zzz=a"], "there are count, either, flag"),
        (["text"], "write key=value"),
    ],
)
def test_what_does_not_fit_is_a_usage_error_that_says_what_does(
    words: list[str], said: str
) -> None:
    """Design §2 of the shell's brief: unknown keys exit with 2 and the names that exist."""
    with pytest.raises(click.UsageError) as error:
        read_pairs(words, SCHEMA)
    assert said in error.value.message


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b'{"a": 1, "a": 2}', b'{"a": NaN}'])
def test_args_that_are_no_plain_json_object_are_a_usage_error(text: bytes) -> None:
    """Ours: what no client could send is not called."""
    with pytest.raises(click.UsageError, match="--args is no JSON"):
        read_object(text)


def test_args_are_one_json_object() -> None:
    """Ours: --args '{"a": 1}'."""
    assert {"a": [1, None]} == read_object(b'{"a": [1, null]}')
