"""`preopen decide`: answers for good from the shell, shown and taken back."""

import json
from pathlib import Path

import pytest

from cli.workshop import Workshop, make_workshop

ASKED = ("--allow", "execute")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Make a workshop whose user has a configuration folder of their own."""
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    return make_workshop(tmp_path)


def test_nothing_is_answered_at_first_and_that_is_said(shop: Workshop) -> None:
    """Ours: the empty state is no dead end, and no error."""
    shown = shop.run("decide")
    assert (shown.exit_code, shown.stdout) == (0, "nothing was answered for good yet\n")
    assert shop.run_json("decide") == []


def test_always_is_shown_with_what_was_granted_and_taken_back(shop: Workshop) -> None:
    """Issue: with date and what was granted."""
    decided = shop.run("decide", "runs", "always", *ASKED)
    shown = shop.run_json("decide")
    forgotten = shop.run("decide", "runs", "forget")
    again = shop.run("decide", "runs", "forget")

    assert decided.exit_code == 0
    assert "run code from the arguments, inside the sandbox" in decided.stdout
    (entry,) = shown
    assert entry["tool"] == "runs"
    assert entry["granted"] == ["run code from the arguments, inside the sandbox"]
    assert 'says decide.execute = "ask"' in entry["why"][0]
    assert (forgotten.exit_code, again.exit_code) == (0, 1)
    assert shop.run_json("decide") == []


def test_tool_that_is_never_asked_about_has_nothing_to_decide(shop: Workshop) -> None:
    """Ours: no answer is kept that no question could meet."""
    result = shop.run("decide", "peek", "always")
    assert (result.exit_code, "never asked about" in result.stdout) == (0, True)
    assert shop.run_json("decide") == []


def test_always_lifts_no_deny_and_no_quarantine(shop: Workshop, tmp_path: Path) -> None:
    """Issue: nothing but the operator's file lifts a deny; a tool is approved first."""
    policy = tmp_path / "preopen.toml"
    policy.write_text('preopen = 1\n[decide]\nexecute = "deny"\n')
    denied = shop.run("decide", "runs", "always", *ASKED, "--policy", str(policy))
    closed = Workshop(workspace=shop.workspace, tools=shop.tools, approves=False)
    waiting = closed.run("decide", "runs", "always", *ASKED)

    assert (denied.exit_code, waiting.exit_code) == (3, 3)
    assert 'decide.execute = "deny"' in denied.stderr
    assert "preopen approve runs" in waiting.stderr
    assert shop.run_json("decide") == []


def test_name_without_an_answer_is_a_usage_error_that_says_which(shop: Workshop) -> None:
    """Ours: half a command does nothing."""
    result = shop.run("decide", "runs", *ASKED)
    assert result.exit_code == 2
    assert "preopen decide TOOL always" in result.stderr
    assert shop.run("decide", "nobody", "always").exit_code == 2


def test_damaged_file_is_exit_code_3_with_the_way_out(shop: Workshop, tmp_path: Path) -> None:
    """Fail closed: and what stands there is not written over."""
    file = tmp_path / "config" / "preopen" / "decisions.toml"
    file.parent.mkdir(parents=True)
    file.write_text("decisions = 1\n[[always]]\n")
    file.chmod(0o600)
    for words in (["decide"], ["decide", "runs", "always", *ASKED], ["decide", "runs", "forget"]):
        result = shop.run(*words)
        assert result.exit_code == 3
        assert f"{file}: is damaged" in result.stderr
    assert file.read_text() == "decisions = 1\n[[always]]\n"


def test_json_of_an_answer_is_one_value(shop: Workshop) -> None:
    """Ours: --json prints the result for a machine and nothing else."""
    result = shop.run("decide", "runs", "always", "--json", *ASKED)
    assert json.loads(result.stdout) == {
        "tool": "runs",
        "asked": True,
        "granted": ["run code from the arguments, inside the sandbox"],
    }
    assert shop.run_json("decide", "runs", "forget") == {"tool": "runs", "forgotten": 1}
