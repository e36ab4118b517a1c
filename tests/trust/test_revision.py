"""Changes in a manifest's text: exactly these, and nothing else."""

import tomllib

import pytest

from preopen.trust.learning import Add, Change, Evidence, Remove, SetKey
from preopen.trust.revision import REWRITTEN, difference, revise

FILE = "/tools/a.toml"
TEXT = """\
# why it is so
tool = { name = "a", level = "write" } # inline

[[directory]] # the first
host = "a"

# what leads to the second
[[directory]]
host = "b"
access = "write" # to write

[limits]
memory = "1MiB"
"""
ADD = Add(table="egress", values={"allow": "x"}, reason="", evidence=Evidence.DENIED)


def put(table: str, key: str, value: object, index: int | None = None) -> SetKey:
    return SetKey(table=table, key=key, value=value, reason="", index=index)


def gone(index: int, table: str = "directory") -> Remove:
    return Remove(table=table, index=index, reason="")


def test_comments_and_the_rest_stay_where_they_are() -> None:
    """Ours: a person keeps reasons in a manifest's comments."""
    after, note = revise(TEXT, FILE, [put("directory", "access", "read", 1)])

    assert ("", TEXT.replace('access = "write"', 'access = "read"')) == (note, after)


def test_a_new_key_stands_with_the_others_of_its_table() -> None:
    """Ours: behind the comment that leads to the next table it would be read as that one's."""
    after, _ = revise(TEXT, FILE, [put("directory", "narrow_to", "path", 0)])

    assert '[[directory]] # the first\nhost = "a"\nnarrow_to = "path"\n\n# what leads' in after


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        'tool.level = "write"\ndirectory = [{ host = "a" }, { host = "b", access = "write" }]\n',
        'directory = [\n  { host = "a" }, # one\n  { host = "b" }, # two\n]\n[tool]\nlevel = "x"\n',
        '[[directory]]\nhost = "a"\n[tool]\nlevel = "x"\n[[directory]]\nhost = "b"\n[tool.more]\n',
        '[["directory"]]\n"host" = \'a\'\n[[ directory ]]\nhost = """b"""\n[ "tool" ]\nlevel=""',
        '[tool]\nlevel = "x"\n[[directory]]\nhost = "a"\n[[directory]]\nhost = "b"\n# end',
    ],
)
@pytest.mark.parametrize(
    "changes",
    [
        [put("directory", "access", "read", 1), put("tool", "level", "none")],
        [put("directory", "narrow_to", ["a", "b"], 0), gone(1)],
        [gone(0), ADD, put("directory", "host", "c", 1)],
        [gone(0), gone(1), ADD, ADD],
        [ADD, put("directory", "guest", 'a "quoted"\nline \u202e', 0)],
    ],
)
def test_the_text_says_what_the_changes_say(text: str, changes: list[Change]) -> None:
    """Ours: whatever way TOML was written in; indexes are those of the text before."""
    wanted = tomllib.loads(text)
    for change in changes:
        if isinstance(change, SetKey):
            table = wanted[change.table]
            (table if change.index is None else table[change.index])[change.key] = change.value
        elif isinstance(change, Add):
            wanted.setdefault(change.table, []).append(dict(change.values))
    removed = {change.index for change in changes if isinstance(change, Remove)}
    left = [table for n, table in enumerate(wanted["directory"]) if n not in removed]
    wanted = (
        {**wanted, "directory": left}
        if left
        else {key: value for key, value in wanted.items() if key != "directory"}
    )
    after, _ = revise(text, FILE, changes)

    assert wanted == tomllib.loads(after)


def test_a_text_that_cannot_be_changed_in_place_is_written_anew() -> None:
    """Ours: an array with comments around its commas, to which tomlkit adds wrongly; it is said."""
    text = 'directory = [\n{ host = "a" }\n,\n# second\n{ host = "b" }\n# end\n]\n'
    more = Add(table="directory", values={"host": "c"}, reason="", evidence=Evidence.GUESS)
    after, note = revise(text, FILE, [more])

    assert REWRITTEN == note
    assert {"directory": [{"host": each} for each in "abc"]} == tomllib.loads(after)


def test_a_last_line_without_an_end_is_no_reason_to_write_all_anew() -> None:
    """Ours: comments are kept in such a text, too."""
    after, note = revise(TEXT.rstrip("\n"), FILE, [ADD])

    assert "" == note
    assert after.startswith(TEXT)


def test_the_difference_is_a_unified_diff() -> None:
    """Issue: a diff to the present one."""
    after, _ = revise(TEXT, FILE, [put("directory", "access", "read", 1)])
    lines = [*difference(TEXT, after, FILE)]

    assert ["--- /tools/a.toml", "+++ /tools/a.toml (the smallest that would do)"] == lines[:2]
    assert ['-access = "write" # to write', '+access = "read" # to write'] == [
        line for line in lines[2:] if line[0] in "+-"
    ]
    assert [] == [*difference(TEXT, TEXT, FILE)]
