"""`trust/standing.py`: any bytes of `decisions.toml` answer what they say, or nothing at all."""

import datetime as dt
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tomli_w

from fuzz.properties import expect_faults, expect_ways_out
from fuzz.tables import split, without_null
from fuzz.target import Target
from preopen.errors import PolicyError
from preopen.trust.consent import Channel
from preopen.trust.standing import Always, Standing, forget, read_always

# An input is the file; of lines of JSON a second one is made, with an answer for each object.
_WORDS: Final = ("tool", "date")
_LISTS: Final = ("subjects", "why", "granted")
_NOBODY: Final = "nobody said this"
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="fuzz-answers-")
_FILE: Final = Path(_FOLDER.name, "decisions.toml")


def check(data: bytes) -> None:
    """Hold the file as it stands, and one whose answers are the input's lines of JSON."""
    _check(data)
    tables, rest = split(data)
    answers = [without_null(each) for each in tables if isinstance(each, dict)]
    if answers:
        try:
            text = tomli_w.dumps({"decisions": 1, "always": answers}).encode()
        except UnicodeEncodeError:
            return  # half of a surrogate pair
        kept = _check(text + rest)
        if not rest.strip():
            assert (kept is not None) == all(map(_is_whole, answers)), answers


def _check(data: bytes) -> tuple[Always, ...] | None:
    _put(data)
    standing = Standing(file=_FILE, now=lambda: dt.datetime(2026, 11, 29, tzinfo=dt.UTC))
    try:
        kept = read_always(_FILE)
    except PolicyError as error:
        expect_faults(error, str(_FILE))
        expect_ways_out(error)
        _expect_nothing(standing, data)
        return None
    document = tomllib.loads(data.decode(errors="replace"))
    assert type(document["decisions"]) is int
    tables = document.get("always", [])
    assert [_written(each) for each in kept] == tables
    assert all(map(_is_whole, tables))
    _expect_answers(standing, kept)
    _expect_kept(standing, kept)
    return kept


def _put(data: bytes) -> None:
    _FILE.write_bytes(data)
    _FILE.chmod(0o600)


def _expect_nothing(standing: Standing, data: bytes) -> None:
    """Hold a damaged file to answer nothing, and to stay as whoever wrote it left it."""
    for act in (
        lambda: standing.find((_NOBODY,)),
        lambda: standing.always("t", ("s",), (), ()),
        lambda: forget(_FILE, "t"),
    ):
        try:
            act()
        except PolicyError:
            continue
        raise AssertionError("a damaged file was used")
    assert _FILE.read_bytes() == data


def _expect_answers(standing: Standing, kept: tuple[Always, ...]) -> None:
    said = {subject for each in kept for subject in each.subjects}
    for subject in said:
        assert standing.find((subject,)) is Channel.ALWAYS
        assert standing.find((subject, _NOBODY)) is None or _NOBODY in said
    assert standing.find((_NOBODY,)) is None or _NOBODY in said


def _expect_kept(standing: Standing, kept: tuple[Always, ...]) -> None:
    """Hold one more answer to change no other, and to go without a trace."""
    new = ("a tool of nobody", ("s",), ("w",), ("g",))
    if any(each.tool == new[0] for each in kept):
        return
    standing.always(*new)
    assert read_always(_FILE)[:-1] == kept
    assert forget(_FILE, new[0]) == 1
    assert read_always(_FILE) == kept


def _written(answer: Always) -> dict[str, Any]:
    words: dict[str, Any] = {key: getattr(answer, key) for key in _WORDS}
    return words | {key: list(getattr(answer, key)) for key in _LISTS}


def _is_whole(table: Mapping[str, Any]) -> bool:
    return (
        table.keys() == {*_WORDS, *_LISTS}
        and all(isinstance(table[key], str) for key in _WORDS)
        and all(isinstance(table[key], list) for key in _LISTS)
        and all(isinstance(each, str) for key in _LISTS for each in table[key])
    )


def _seeds() -> Iterator[bytes]:
    answer = (
        '{"tool":"deploy","date":"2026-11-29T12:00:00+00:00","subjects":["%s"],'
        '"why":["its level is execute"],"granted":["read /src \\"and\\" \\\\ more","\\u2028"]}'
    )
    yield (answer % ("ab" * 32)).encode()
    yield "\n".join([answer % "a", answer % "b"]).encode()
    yield (answer % "a").replace('["a"]', '"a"').encode()
    yield (answer % "a").replace('"deploy"', "3").encode()
    yield b'{"tool":"t","date":"d","subjects":[],"why":[],"granted":[],"until":"x"}'
    yield b"decisions = 1\n[[always]]\ntool='t'\ndate=''\nwhy=[]\ngranted=[]\nsubjects=['\xff']\n"
    yield from (text.encode() for text in _TEXTS)


_TEXTS: Final = (
    *(
        "",
        "decisions = 1",
        "decisions = 2",
        "decisions = true",
        "decisions = 1.0",
        "decisions = nan",
    ),
    *("decisions = 1\nalways = 3", "decisions = 1\nalways = 'ab'", "decisions = 1\nmore = 1"),
    *("decisions = 1\n[always]\ntool = 't'", "decisions = 1\nalways = [1, [], 1979-05-27]"),
    *(
        "x = " + "[" * 3000,
        "a" + ".a" * 1500 + " = 1",
        '"\\"".' * 800 + "a = 1",
        "x = " + "9" * 4400,
    ),
    f"x = {{ {'b' * 1500} = 1, {'b' * 1500} = 2 }}",
    'decisions = "\u202e"\n"\\u202e" = 1',
)

TARGET: Final = Target(
    name="answers",
    check=check,
    seeds=_seeds,
    tokens=(
        *(b"decisions = 1\n", b"[[always]]\n", b"always = [", b"tool = 't'\n", b"date = ''\n"),
        *(b"subjects = []\n", b"why = []\n", b"granted = []\n", b'["a"]', b'"subjects":', b'"""'),
        *(
            b"'''",
            b"nan",
            b"1979-05-27",
            b"true",
            b"1.0",
            b"\\u202e",
            b"\0",
            b"\xff",
            b"\r\n",
            b"a.",
        ),
    ),
    max_bytes=8192,
)
