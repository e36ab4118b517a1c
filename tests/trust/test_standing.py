"""Answers that last: kept whole by several servers at once, and worth nothing when damaged."""

import datetime as dt
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from preopen.errors import PolicyError, PreopenError
from preopen.level import PermissionLevel
from preopen.trust.consent import Channel, Question, Say, digest_of
from preopen.trust.standing import Standing, forget, read_always

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_standing import Say, question, standing
mine = standing(Path(sys.argv[1]))
for number in range(20):
    mine.keep(question(f"{sys.argv[2]}-{number}"), Say.ALWAYS)
"""

ANSWER = "decisions = 1\n[[always]]\ndate = ''\nwhy = []\ngranted = []\n"


def standing(folder: Path) -> Standing:
    """Return the answers of one user."""
    folder.mkdir(mode=0o700, exist_ok=True)
    when = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
    return Standing(file=folder / "decisions.toml", now=lambda: when)


def question(tool: str = "deploy", *reasons: str) -> Question:
    """Return a question about a tool, for these reasons."""
    reasons = reasons or ("its level is execute",)
    return Question(
        tool=tool,
        title="Deploy",
        level=PermissionLevel.EXECUTE,
        reasons=reasons,
        touches=(),
        limits=(),
        arguments=(),
        granted=('read /src "and" \\ more', "écrire\u2028ici"),
        offers=tuple(Say),
        subjects=tuple(digest_of(tool, reason) for reason in reasons),
        digest=digest_of(tool),
    )


def test_always_is_found_by_every_server_and_once_by_none(tmp_path: Path) -> None:
    """Issue: "always" goes to decisions.toml, with date and what was granted."""
    mine, other = standing(tmp_path), standing(tmp_path)
    mine.keep(question("a"), Say.ONCE)
    mine.keep(question("b"), Say.SESSION)
    mine.keep(question("c"), Say.ALWAYS)

    found = {
        name: (mine.find(question(name).subjects), other.find(question(name).subjects))
        for name in "abc"
    }
    assert found == {
        "a": (None, None),
        "b": (Channel.SESSION, None),
        "c": (Channel.ALWAYS, Channel.ALWAYS),
    }
    (kept,) = read_always(tmp_path / "decisions.toml")
    assert (kept.tool, kept.date) == ("c", "2026-11-29T12:00:00+00:00")
    assert kept.granted == question().granted
    assert (tmp_path / "decisions.toml").stat().st_mode & 0o777 == 0o600


def test_answer_for_one_reason_is_none_for_another(tmp_path: Path) -> None:
    """Ours: who let it write in one folder has not let it write in the next."""
    mine = standing(tmp_path)
    mine.keep(question("t", "writes in /a"), Say.ALWAYS)

    assert mine.find(question("t", "writes in /a").subjects) is Channel.ALWAYS
    assert mine.find(question("t", "writes in /b").subjects) is None
    assert mine.find(question("t", "writes in /a", "writes in /b").subjects) is None
    mine.keep(question("t", "writes in /b"), Say.SESSION)
    assert mine.find(question("t", "writes in /a", "writes in /b").subjects) is Channel.ALWAYS


def test_second_always_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """Ours: a file that grew with every changed definition would be read by nobody."""
    mine = standing(tmp_path)
    before = question("t")
    mine.keep(before, Say.ALWAYS)
    mine.keep(replace(before, subjects=(digest_of("changed"),)), Say.ALWAYS)

    assert len(read_always(mine.file)) == 1
    assert mine.find(before.subjects) is None


def test_what_is_forgotten_is_asked_about_again(tmp_path: Path) -> None:
    """Ours: a yes that cannot be taken back is given by nobody."""
    mine = standing(tmp_path)
    assert forget(mine.file, "t") == 0
    for name in ("t", "u"):
        mine.keep(question(name), Say.ALWAYS)

    assert forget(mine.file, "t") == 1
    assert (mine.find(question("t").subjects), mine.find(question("u").subjects)) == (
        None,
        Channel.ALWAYS,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "decisions = 2\n",
        "decisions = 1\nalways = 3\n",
        "decisions = 1\n[[always]]\ntool = 't'\n",
        "decisions = 1\n[[always",
        "\ufffd\x00",
        "decisions = true\n",
        "decisions = 1.0\n",
        "decisions = 1\nother = 1\n",
        "x = " + "[" * 100_000,
        ".".join("a" * 100_000) + " = 1\n",
        f"decisions = 1\na = {{ {'b' * 9000} = 1, {'b' * 9000} = 2 }}\n",
        f"{ANSWER}subjects = 'ab'\ntool = 't'\n",
        f"{ANSWER}subjects = []\ntool = 3\n",
        f"{ANSWER}subjects = []\ntool = 't'\nuntil = '2026'\n",
    ],
)
def test_damaged_file_counts_for_nothing_and_is_not_written_over(tmp_path: Path, text: str) -> None:
    """Fail closed: what cannot be read is no yes, and what a person wrote there is not lost."""
    mine = standing(tmp_path)
    mine.file.write_text(text)
    mine.file.chmod(0o600)

    with pytest.raises(PolicyError, match=r"is damaged.*rm .*decisions\.toml") as refused:
        mine.find(question().subjects)
    assert len(str(refused.value)) < 2000
    with pytest.raises(PolicyError):
        mine.keep(question(), Say.ALWAYS)
    assert mine.file.read_text() == text


def test_file_that_others_may_write_is_nobodys_word(tmp_path: Path) -> None:
    """Fail closed: another user's yes is none."""
    mine = standing(tmp_path)
    mine.keep(question(), Say.ALWAYS)
    mine.file.chmod(0o666)

    with pytest.raises(PreopenError, match="chmod 600"):
        mine.find(question().subjects)


def test_file_that_is_far_too_large_is_refused_and_not_read(tmp_path: Path) -> None:
    """Fail closed: a hole of a terabyte takes its writer nothing, and a reader all memory."""
    mine = standing(tmp_path)
    mine.keep(question(), Say.ALWAYS)
    os.truncate(mine.file, 1 << 40)

    with pytest.raises(PreopenError, match="larger than 64 MiB"):
        mine.find(question().subjects)


def test_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    """Fail closed: where the name leads is somebody else's choice."""
    mine = standing(tmp_path)
    (tmp_path / "elsewhere").write_text("decisions = 1\n")
    mine.file.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PreopenError):
        mine.find(question().subjects)


def test_three_servers_at_once_lose_no_answer(tmp_path: Path) -> None:
    """Issue: three servers at once on one user folder: no lost decision, no broken file."""
    folder = tmp_path / "shared"
    standing(folder)
    here = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, here])
        for name in ("one", "two", "three")
    ]
    assert [writer.wait(timeout=50) for writer in writers] == [0, 0, 0]

    kept = {each.tool for each in read_always(folder / "decisions.toml")}
    assert kept == {f"{name}-{n}" for name in ("one", "two", "three") for n in range(20)}
    assert {path.name for path in folder.iterdir()} == {"decisions.toml", ".decisions.toml.lock"}
