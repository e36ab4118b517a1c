import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.outcome import Denial, JsonValue
from preopen.tool.manifest import Run
from preopen.tool.template import Rendered, check_templates, render


def argv(args: tuple[str | tuple[str, ...], ...] | None, **arguments: JsonValue) -> tuple[str, ...]:
    rendered = render(Run(args=args), arguments)
    assert isinstance(rendered, Rendered), rendered
    return rendered.argv


def stdin(template: str, **arguments: JsonValue) -> bytes:
    rendered = render(Run(stdin=template), arguments)
    assert isinstance(rendered, Rendered), rendered
    return rendered.stdin


def denial(run: Run, **arguments: JsonValue) -> Denial:
    denied = render(run, arguments)
    assert isinstance(denied, Denial), denied
    return denied


any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(any_text)
def test_a_value_never_splits_its_element(value: str) -> None:
    """Design §5, Templates: `{x}` is replaced inside one element and never splits it."""
    assert argv(("--x={x}", "--", "{x}"), x=value) == (f"--x={value}", "--", value)


@given(st.dictionaries(st.sampled_from(["a", "b", "tags"]), json_values))
def test_any_json_value_ends_in_argv_or_a_denial(arguments: dict[str, JsonValue]) -> None:
    """Ours: arguments are untrusted; what comes out can be handed to WASI, or is a Denial."""
    args = ("{a}", ("--b", "{b}"), "x{a}{b}", "--", "{tags}")
    for run in (Run(args=args, stdin="{a}:{b}"), Run(args=None, stdin="json")):
        rendered = render(run, arguments)
        if isinstance(rendered, Rendered):
            assert all("\0" not in element for element in rendered.argv)
            assert all(element.encode() is not None for element in rendered.argv)


@given(st.text(), st.text())
def test_no_value_makes_an_option_of_its_own(a: str, b: str) -> None:
    """Design §5, Templates: a leading "-" comes from the manifest alone."""
    rendered = render(Run(args=("{a}", "{a}{b}", "=", "{b}.txt")), {"a": a, "b": b})
    if isinstance(rendered, Rendered):
        assert not any(element.startswith("-") for element in rendered.argv)


@given(json_values)
def test_json_on_stdin_is_the_arguments(value: JsonValue) -> None:
    """Design §5: `stdin = "json"` gives the arguments as one JSON object."""
    rendered = render(Run(stdin="json"), {"x": value})
    if isinstance(rendered, Rendered):
        assert json.loads(rendered.stdin) == {"x": value}


def test_values_are_written_as_the_manifest_reference_says() -> None:
    """Design §5, Templates: strings as they are, numbers and booleans as JSON, objects compact."""
    assert argv(
        ("{s}", "n={n}", "{f}", "{w}", "{t}", "{o}", "v{l}"),
        s="a b;$HOME",
        n=-3,
        f=0.5,
        w=5.0,
        t=True,
        o={"k": ["é", 1]},
        l=[1, "a"],
    ) == ("a b;$HOME", "n=-3", "0.5", "5", "true", '{"k":["é",1]}', 'v[1,"a"]')


def test_doubled_braces_are_literal() -> None:
    """Design §5, Templates: `{{` and `}}` are literal braces, and values are not read again."""
    assert argv(("{{x}}", "{{{x}}}", "{x}"), x="{y}}") == ("{x}", "{{y}}}", "{y}}")


def test_an_element_without_its_argument_is_dropped_and_a_group_drops_as_one() -> None:
    """Design §5, Templates: absent or null drops the element; `""` stays."""
    args = ("a{x}", ("--flag", "{x}", "{y}"), ("--y", "{y}"), "end")

    assert argv(args, y="1") == ("--y", "1", "end")
    assert argv(args, x=None, y="1") == ("--y", "1", "end")
    assert argv(args, x="", y="") == ("a", "--flag", "", "", "--y", "", "end")


def test_an_array_by_itself_becomes_one_element_for_each_item() -> None:
    """Design §5, Templates; ours: no items are no value, so their group drops with them."""
    args = (("--tag", "{tags}"), "end")

    assert argv(args, tags=["a b", 1, None, {"k": 1}]) == ("--tag", "a b", "1", '{"k":1}', "end")
    assert argv(args, tags=[]) == ("end",)


@pytest.mark.parametrize("value", ["-rf", "-", "--", "--x=1", -1, ["a", "-b"]])
def test_a_leading_dash_is_refused_before_a_literal_separator_only(value: JsonValue) -> None:
    """Design §5, Templates: refused unless it stands after a literal "--"."""
    denied = denial(Run(args=("{x}", "--")), x=value)

    assert denied.target == "x"
    assert "read as an option" in denied.reason
    assert '"--x={x}"' in denied.allow
    assert argv(("--", "{x}"), x=value)[0] == "--"
    assert argv((("--", "{x}"),), x=value)[0] == "--"
    assert argv(("--x={x}",), x=value)[0].startswith("--x=")


def test_a_separator_that_was_dropped_or_came_from_a_value_does_not_count() -> None:
    """Ours: only a literal "--" that the guest will see ends its options."""
    dropped = denial(Run(args=(("--", "{gone}"), "{x}")), x="-a")
    forged = denial(Run(args=("{y}{z}", "{x}")), x="-a", y="", z="--")

    assert dropped.target == "x"
    assert forged.target == "z"


def test_a_dash_at_the_head_of_a_longer_element_is_refused_too() -> None:
    """Ours: "-o.txt" is as much an option as "-o"."""
    assert denial(Run(args=("{x}.txt",)), x="-o").target == "x"
    assert argv(("-{x}",), x="-o") == ("--o",)


@pytest.mark.parametrize("value", ["a\0b", ["\0"]])
@pytest.mark.parametrize("run", [Run(args=("{x}",)), Run(args=None), Run(stdin="{x}")])
def test_nul_is_refused(run: Run, value: JsonValue) -> None:
    """Design §5, Templates: NUL is refused."""
    if isinstance(value, str) or run.stdin == "none":
        assert denial(run, x=value).target == "x"


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        ["\udfff"],
        {"\ud800": 1},
        float("nan"),
        float("inf"),
        pytest.param(10**5000, id="huge"),
    ],
)
@pytest.mark.parametrize(
    "run", [Run(args=("={x}",)), Run(args=None), Run(stdin="json"), Run(stdin="{x}")]
)
def test_what_no_guest_could_read_is_refused(run: Run, value: JsonValue) -> None:
    """Design §7: surrogates and NaN stop at the edge; so do numbers without an end."""
    assert denial(run, x=value).reason


@pytest.mark.parametrize("run", [Run(args=None), Run(stdin="json")])
def test_a_denial_can_always_be_sent(run: Run) -> None:
    """Design §7: one lone surrogate in a result kills the stdio server."""
    denied = denial(run, **{"\ud800": 1})

    assert (denied.target + str(denied)).encode()


def test_endless_nesting_is_refused() -> None:
    """Ours: RecursionError never leaves the template."""
    value: JsonValue = []
    for _ in range(100_000):
        value = [value]

    assert "nested too deeply" in denial(Run(stdin="json"), x=value).reason


def test_flags_are_written_as_the_manifest_reference_says() -> None:
    """Design §5, Templates: `args = "flags"`."""
    assert argv(
        None, a_b=1, minus=-1, yes=True, no=False, none=None, many=["x", True, "-y"], empty="", o={}
    ) == (
        *("--a-b", "1", "--minus=-1", "--yes", "--many", "x", "--many", "--many=-y"),
        *("--empty", "", "--o", "{}"),
    )


def test_a_flag_whose_name_the_client_made_up_is_refused() -> None:
    """Ours: with additionalProperties a client may choose names, and no name smuggles a value."""
    assert denial(Run(args=None), **{"x=1 --y": True}).target == "x=1 --y"


def test_stdin_is_none_json_or_a_template() -> None:
    """Design §5: the three forms of `stdin`; a template drops like an element."""
    assert stdin("none", x="a") == b""
    assert stdin("json", x="é", y="\0") == '{"x":"é","y":"\\u0000"}'.encode()
    assert stdin("{x}\n", x="-é") == "-é\n".encode()
    assert stdin("{x}\n") == b""
    assert stdin("{x}", x=["a", 1]) == b'["a",1]'


def test_faults_of_templates_are_found_when_the_manifest_is_loaded() -> None:
    """Design §5, Templates: an unknown placeholder is a ManifestError; so is a lone brace."""
    run = Run(args=("{x}", ("--", "{zz}"), "a{b", "}", "{}", "{{x}}", "\0"), stdin="{y}")
    faults = check_templates(run, ["x"], "t.toml")

    assert [fault.key for fault in faults] == [
        *("run.args[1][1]", "run.args[2]", "run.args[3]", "run.args[4]", "run.args[6]"),
        "run.stdin",
    ]
    assert all(fault.place == "t.toml" and fault.write for fault in faults)
    assert str(faults[0]) == (
        't.toml: run.args[1][1]: "{zz}" is no property of [input]; the placeholders are "{x}"'
    )
    assert 'write "{{"' in faults[1].write


def test_good_templates_have_no_faults() -> None:
    """Ours: the counterpart of the test above."""
    run = Run(args=("{x}", ("--", "{x}{y}"), "{{"), stdin="json")

    assert check_templates(run, {"x", "y"}, "t.toml") == ()
    assert check_templates(Run(args=None), {"a_b-c"}, "t.toml") == ()


def test_properties_that_make_no_flag_are_found_when_the_manifest_is_loaded() -> None:
    """Ours: under "flags" a property's name becomes an option's name."""
    (fault,) = check_templates(Run(args=None), ["ok", "a b"], "t.toml")

    assert fault.key == 'input.properties["a b"]'
