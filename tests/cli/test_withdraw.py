"""`preopen approve --withdraw`: what it takes back, what it says, which code it exits with."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.workshop import Workshop
from preopen.cli.surroundings import read_surroundings
from preopen.trust.lock import load_lock

ASKED = ("--allow", "execute")


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """Make the workshop one in which no run approves anything."""
    return replace(workshop, approves=False)


def lock_of_this_user() -> Path:
    """Return the file that approvals are kept in."""
    return Path(read_surroundings().config_dir, "preopen.lock")


def approved() -> set[str]:
    """Return the names that the lock holds."""
    return set(load_lock(lock_of_this_user()).pins)


def test_withdrawn_tool_waits_again_and_another_stays_approved(workshop: Workshop) -> None:
    """Ours: taken back stops it, beside one that nobody took back."""
    workshop.run("approve", "peek", "leave")
    pin = load_lock(lock_of_this_user()).pins["peek"]
    result = workshop.run("approve", "peek", "--withdraw")
    waiting = workshop.run_json("diff", "peek")["waiting"]

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"withdrawn  peek: it was approved {pin.approved}\n")
    assert pin.definition.fingerprint in result.stdout
    assert approved() == {"leave"}
    assert [each["what"] for each in waiting] == ["new"]
    assert workshop.run("call", "peek", "path=a.txt").exit_code == 3
    assert workshop.run("explain", "leave").exit_code == 0


def test_all_withdraws_every_entry_and_a_second_time_finds_none(workshop: Workshop) -> None:
    """Ours: `--all` with `--withdraw`: each entry, and the empty state is no fault."""
    workshop.run("approve", "--all")
    held = approved()
    told = workshop.run_json("approve", "--all", "--withdraw")
    again = workshop.run("approve", "--all", "--withdraw")

    assert {"peek", "leave", "spin"} <= held == {each["name"] for each in told["withdrawn"]}
    assert approved() == set()
    assert (again.exit_code, again.stdout) == (
        0,
        "nothing is approved: there is nothing to withdraw\n",
    )


def test_name_without_an_entry_is_exit_code_1_and_the_rest_is_withdrawn(
    workshop: Workshop,
) -> None:
    """Ours: it says which entries there are; the lock is not written where nothing goes."""
    workshop.run("approve", "peek", "leave", "spin")
    before = lock_of_this_user().stat().st_ino
    unknown = workshop.run("approve", "nowhere", "--withdraw")
    assert lock_of_this_user().stat().st_ino == before
    close = workshop.run("approve", "pek", "leave", "--withdraw")

    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert f"nowhere: it has no entry in {lock_of_this_user()}" in unknown.stderr
    assert "there are leave, peek, spin" in unknown.stderr
    assert close.exit_code == 1
    assert "did you mean peek?" in close.stderr
    assert approved() == {"peek", "spin"}


def test_name_without_any_lock_is_exit_code_1_and_makes_none(workshop: Workshop) -> None:
    """Ours: whoever takes back what was never given is told so, and leaves no trace."""
    result = workshop.run("approve", "peek", "--withdraw")

    assert (result.exit_code, "there is none at all" in result.stderr) == (1, True)
    assert not lock_of_this_user().parent.exists()


def test_tool_that_comes_with_preopen_says_how_it_is_left_out(workshop: Workshop) -> None:
    """Ours: it has no entry, for its release approves it."""
    result = workshop.run("approve", "read", "--withdraw")
    listed = workshop.run_json("list", "--without", "read")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "approved by its release; leave it out with --without read" in result.stderr
    assert "read" not in {tool["name"] for tool in listed["tools"]}


def test_entry_that_took_a_built_in_name_is_withdrawn_like_any(workshop: Workshop) -> None:
    """Ours: under --without a name is free, and what was approved under it is a user's tool."""
    workshop.add("read", "none", '[run]\nargs = ["exit", "0"]\n')
    workshop.run("approve", "read", "--without", "read")
    assert approved() == {"read"}

    assert workshop.run("approve", "read", "--withdraw").exit_code == 0
    assert approved() == set()


def test_entry_whose_manifest_is_gone_and_a_broken_policy_are_no_hindrance(
    workshop: Workshop,
) -> None:
    """Ours: what is taken back need not be there, nor anything that would load it."""
    workshop.run("approve", "peek")
    (workshop.tools / "peek.toml").unlink()
    (lock_of_this_user().parent / "preopen.toml").write_text("preopen = ")
    result = workshop.run("approve", "peek", "--withdraw")

    assert (result.exit_code, result.stderr) == (0, "")
    assert approved() == set()


def test_lasting_answers_end_with_it_and_a_new_approval_does_not_bring_them_back(
    workshop: Workshop,
) -> None:
    """Ours: they are bound to the definition, which is the same when it is approved again."""
    workshop.run("approve", "runs", "scrawl", *ASKED)
    workshop.run("decide", "runs", "always", *ASKED)
    kept = workshop.run_json("approve", "scrawl", "--withdraw")
    assert [each["tool"] for each in workshop.run_json("decide")] == ["runs"]

    result = workshop.run("approve", "runs", "--withdraw")
    workshop.run("approve", "runs", *ASKED)
    assert kept["withdrawn"][0]["forgotten"] == 0
    assert "1 lasting answer about it forgotten" in result.stdout
    assert workshop.run_json("decide") == []


def test_answers_that_cannot_be_read_do_not_keep_the_approval(workshop: Workshop) -> None:
    """Ours: the approval goes first; what could not be forgotten is said, and is exit code 3."""
    workshop.run("approve", "peek")
    answers = lock_of_this_user().with_name("decisions.toml")
    answers.write_text("decisions = ")
    result = workshop.run("approve", "peek", "--withdraw")

    assert result.exit_code == 3
    assert result.stdout.startswith("withdrawn  peek")
    assert f"could not be forgotten with it: {answers}: is damaged" in result.stderr
    assert approved() == set()


def test_json_holds_what_went_and_what_did_not(workshop: Workshop) -> None:
    """Ours: for a script that takes out what it put in."""
    workshop.run("approve", "peek")
    pin = load_lock(lock_of_this_user()).pins["peek"]
    result = workshop.run_json("approve", "peek", "nowhere", "--withdraw")

    assert result["withdrawn"] == [
        {
            "name": "peek",
            "approved": pin.approved,
            "fingerprint": pin.definition.fingerprint,
            "forgotten": 0,
        }
    ]
    assert [each["place"] for each in result["faults"]] == ["nowhere"]


@pytest.mark.parametrize("words", [(), ("peek", "--all")])
def test_withdraw_wants_names_or_all(workshop: Workshop, words: tuple[str, ...]) -> None:
    """Ours: forgetting the name must not take everything back."""
    workshop.run("approve", "peek")
    result = workshop.run("approve", "--withdraw", *words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert approved() == {"peek"}


def test_damaged_lock_is_exit_code_3_and_stays_as_it_is(workshop: Workshop) -> None:
    """Ours: the approvals of other tools may still be read in it."""
    lock_of_this_user().parent.mkdir(parents=True)
    lock_of_this_user().write_text("lock = 1\n[")
    result = workshop.run("approve", "--all", "--withdraw")

    assert (result.exit_code, result.stdout) == (3, "")
    assert lock_of_this_user().read_text() == "lock = 1\n["
