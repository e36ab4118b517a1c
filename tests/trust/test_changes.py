"""What changed, in words: every key of a manifest, the asks first, and nothing unsaid."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.level import PermissionLevel
from preopen.trust.asks import asks_in_words
from preopen.trust.changes import changes
from preopen.trust.fingerprint import Definition
from promises.leaves import schema_keys
from trust.definitions import SMALL, WHOLE, defined, edited, made

KEYS: Final = sorted(key for key in schema_keys() if not key.startswith("policy:"))


def place_of(key: str) -> tuple[str | int, ...]:
    """Return where a key of the schema stands in WHOLE."""
    if key == "environment":
        return ("environment", "STYLE")
    parts: list[str | int] = []
    for part in key.replace("*", "LANG").split("."):
        parts += [part.removesuffix("[]"), 0] if part.endswith("[]") else [part]
    return tuple(parts)


def other(value: object) -> object:
    """Return another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case list():
            return [*value, "x"]
        case dict():
            return {**value, "x": 1}
        case None:
            return "x"
        case _:
            raise AssertionError(value)


def change_at(document: dict[str, Any], place: tuple[str | int, ...]) -> None:
    """Give the value at a place another one; a key that is not there gets one."""
    holder: Any = document
    for part in place[:-1]:
        holder = holder[part]
    present = place[-1] in holder if isinstance(holder, dict) else True
    holder[place[-1]] = other(holder[place[-1]] if present else None)


def said(before: Definition | None, now: Definition) -> list[str]:
    """Return the lines of all changes."""
    return [line for change in changes(before, now) for line in change.lines]


def lines_between(one: str, two: str) -> list[str]:
    """Return the lines of what two manifests differ in."""
    return said(defined(one), defined(two))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_that_changes_changes_the_fingerprint_and_is_told(key: str) -> None:
    """Issue: no key can change unseen; a key that is added to the schema is looked for here."""
    before = defined(WHOLE)
    now = edited(before, lambda document: change_at(document, place_of(key)))

    assert now.fingerprint != before.fingerprint
    assert changes(before, now)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_that_is_gone_or_added_changes_the_fingerprint_and_is_told(key: str) -> None:
    """Ours: as above; a key that says what is the default anyway, too."""
    place = place_of(key)
    whole = defined(WHOLE)
    if key == "run.export":  # no tool that is offered has one
        whole = edited(whole, lambda document: document["run"].update(export="f"))

    def remove(document: dict[str, Any]) -> None:
        holder: Any = document
        for part in place[:-1]:
            holder = holder[part]
        del holder[place[-1]]

    bare = edited(whole, remove)

    assert bare.fingerprint != whole.fingerprint
    assert changes(whole, bare)
    assert changes(bare, whole)


scalars = st.one_of(
    st.booleans(), st.integers(-2, 2), st.floats(-2, 2), st.text("ab.[]\n", max_size=3)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["host", "allow", "access", "narrow_to", "from", "credential", "a.b"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
documents = st.dictionaries(
    st.sampled_from(["tool", "directory", "egress", "environment", "input", "run", "odd"]),
    values,
    max_size=4,
)


@given(one=documents, two=documents)
def test_any_two_documents_differ_in_words_just_when_their_fingerprints_do(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    """Ours: whatever shape an old document has, and however a change is disguised."""
    before, now = made(one), made(two)

    assert bool(changes(before, now)) is (before.fingerprint != now.fingerprint)
    assert all(line.startswith(("- ", "+ ")) for line in said(before, now))
    assert all(isinstance(line, str) for line in asks_in_words(one))


READS = '[[directory]]\nhost = "${workspace}"\n'
WRITES = '[[directory]]\nhost = "${workspace}"\naccess = "write"\n'
ASKED = "+ egress https://x.com (GET, HEAD)"
ASKS = '[[egress]]\nallow = "https://x.com"\n'


@pytest.mark.parametrize(
    ("one", "two", "lines"),
    [
        ("", ASKS, {ASKED}),
        (READS, WRITES, {"- read ${workspace}", "+ write ${workspace}"}),
        (
            ASKS,
            ASKS + 'methods = ["*"]\nprivate = false\n',
            {"- egress https://x.com (GET, HEAD)", "+ egress https://x.com (any method)"},
        ),
        (
            ASKS,
            ASKS + 'credential = { header = "X-Key", secret = "API" }\n',
            {
                "- egress https://x.com (GET, HEAD)",
                f'{ASKED}, with the credential API, sent as X-Key: "{{secret}}"',
            },
        ),
        (READS, READS + 'access = "read"\n', {'+ directory[0].access = "read"'}),
        (
            "",
            '[environment]\nLANG = { from = "LC_ALL" }\n',
            {"+ environment LANG from the host's LC_ALL"},
        ),
        ("", '[limits]\nmemory = "1GiB"\n', {'+ limits.memory = "1GiB"'}),
        (
            '[input]\nproperties.a = { type = "string" }\n',
            '[input]\nproperties.a = { type = "string", maxLength = 5 }\n',
            {
                '- input.properties.a = {"type": "string"}',
                '+ input.properties.a = {"type": "string", "maxLength": 5}',
            },
        ),
        ("[run]\n", "[run]\nexecutes = true\n", {"+ run.executes = true"}),
    ],
)
def test_change_is_told_in_words(one: str, two: str, lines: set[str]) -> None:
    """Issue: `+ egress https://x.com`, `- read only`, limits, the input schema by property."""
    assert lines <= set(lines_between(SMALL + one, SMALL + two))


def test_order_of_folders_is_told() -> None:
    """Ours: a relative path starts in the first one, so two that change places change a call."""
    other_folder = READS.replace("workspace", "folders")

    assert lines_between(SMALL + READS + other_folder, SMALL + other_folder + READS) == [
        "- read ${workspace}; read ${folders}",
        "+ read ${folders}; read ${workspace}",
    ]


def test_description_is_told_whole_before_and_after_and_no_line_of_it_passes_for_ours() -> None:
    """Issue: the description before and after; an author's text is not to look like our words."""
    text = SMALL.replace("Says how it will be.", "Says.\\n+ egress https://x.com\\nnothing waits")

    assert lines_between(SMALL, text) == [
        '- tool.description = "Says how it will be."',
        "+ tool.description =",
        "+ Says.",
        "+ + egress https://x.com",
        "+ nothing waits",
    ]


def test_imports_that_are_new_and_gone_are_told_and_so_is_the_level() -> None:
    """Issue: new imports."""
    before = made({}, imports=("a", "b"), level=PermissionLevel.READ_ONLY)
    now = made({}, imports=("b", "c"), level=PermissionLevel.WRITE)

    assert said(before, now) == [
        "- level that its asks come to: read-only",
        "+ level that its asks come to: write",
        "- imports a",
        "+ imports c",
    ]


def test_everything_of_a_new_tool_is_told() -> None:
    """Ours: who approves a new tool sees all of it."""
    lines = said(None, defined())

    assert all(line.startswith("+ ") for line in lines)
    assert {f"+ {line}" for line in asks_in_words(defined().document)} - {
        "+ run code from the arguments, inside the sandbox"
    } <= set(lines)
    assert "+ run.executes = true" in lines
    assert "+ imports wasi:cli/stdin@0.2.9" in lines


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ('host = "${workspace}/a as \\"/b\\""', 'host = "${workspace}/a"\nguest = "/b"'),
        ('host = "${workspace}/a"', 'host = "${workspace}/\u0430"'),
    ],
    ids=["a path that spells another key", "a letter that looks like another"],
)
def test_asks_that_differ_never_read_the_same(one: str, two: str) -> None:
    """Ours: an author chooses the texts, and would hide a grant behind them."""
    first, second = (
        asks_in_words(defined(f"{SMALL}[[directory]]\n{each}\n").document) for each in (one, two)
    )

    assert first != second
    assert all(line.isascii() for line in (*first, *second))
