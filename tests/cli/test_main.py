import os
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.workshop import PREOPEN, Workshop
from preopen import __version__
from preopen.cli.main import VERBS, explain_error, shell
from preopen.cli.surroundings import read_surroundings
from preopen.errors import Fault, PolicyError


def test_without_a_verb_it_prints_the_help() -> None:
    """Ours: `preopen` alone is a question."""
    result = CliRunner().invoke(shell, [])
    assert result.exit_code == 0
    assert all(verb in result.stdout for verb in VERBS)


def test_it_says_its_version() -> None:
    """Ours: --version."""
    assert CliRunner().invoke(shell, ["--version"]).stdout == f"preopen {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_examples(verb: str) -> None:
    """Ours: an example says more than an option's name."""
    result = CliRunner().invoke(shell, [verb, "--help"])
    assert result.exit_code == 0
    assert f"  preopen {verb}" in result.stdout.partition("Examples:")[2]
    assert "--json" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["lst"],
        ["list", "--lvl"],
        ["list", "--allow", "all"],
        ["list", "--allow", "forbidden"],
        ["list", "--var", "A"],
        ["list", "--folder", "a=/", "--folder", "a=/"],
        ["call"],
        ["call", "nothing-of-that-name"],
        ["explain", "nothing-of-that-name"],
    ],
)
@pytest.mark.usefixtures("workshop")
def test_usage_is_exit_code_2_and_nothing_on_stdout(words: list[str]) -> None:
    """Ours: exit code 2 is the person's own slip."""
    result = CliRunner().invoke(shell, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


@pytest.mark.parametrize("verb", ["list", "policy", "check", "serve"])
def test_a_refused_policy_is_exit_code_3_everywhere(verb: str, workshop: Workshop) -> None:
    """Ours: exit code 3 names file, key and what to write."""
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text('preopen = 1\nmax_level = "all"\n')
    result = workshop.run(verb, "--policy", str(file))
    assert result.exit_code == 3
    assert f"{file}: max_level: " in result.stderr
    assert "Traceback" not in result.stderr


def test_the_shell_as_a_process_gives_its_exit_codes(workshop: Workshop) -> None:
    """Ours: 0 done, 1 the tool said no, 2 usage, 3 refused."""
    codes = {
        0: ("call", "peek", "path=a.txt"),
        1: ("call", "leave", "code=7"),
        2: ("call", "peek", "pth=a.txt"),
        3: ("call", "runs"),
    }
    assert codes.keys() == {workshop.spawn(*words).returncode for words in codes.values()}


def test_a_reader_that_leaves_early_hears_no_complaint(workshop: Workshop) -> None:
    """Ours: `preopen policy | head -1` is quiet."""
    readable, writable = os.pipe()
    os.close(readable)
    with os.fdopen(writable, "wb") as pipe:
        done = subprocess.run(
            [*PREOPEN, *workshop.line("policy")],
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=50,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_bug_of_ours_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours: never a traceback unasked."""
    assert explain_error(KeyError("x")) == 70
    said = capsys.readouterr().err
    assert "preopen itself failed: KeyError: 'x'" in said
    assert "PREOPEN_TRACEBACK=1" in said


def test_a_task_groups_wrapping_does_not_hide_what_went_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ours: a group is told as the first thing in it."""
    inner = PolicyError(Fault(place="--x", found="wrong", write="write y"))
    group = BaseExceptionGroup("tasks", [BaseExceptionGroup("tasks", [inner])])
    assert explain_error(group) == 3
    assert capsys.readouterr().err == "--x: wrong; write y\n"


def test_an_interruption_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours: Ctrl-C is no error to explain."""
    assert [130, 130] == [explain_error(KeyboardInterrupt()), explain_error(click.Abort())]
    assert capsys.readouterr().err == ""


def test_preopens_folders_follow_the_xdg_variables_where_these_are_absolute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """XDG base directories: a relative path is ignored; ours: honoured on every platform."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/here/config/")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    around = read_surroundings()
    assert around.config_dir == "/here/config/preopen"
    assert around.state_dir.startswith("/")
    assert "relative" not in around.state_dir
    assert around.cache_dir.endswith("preopen")


def test_a_current_folder_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: an error names the place and what to do."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    result = CliRunner().invoke(shell, ["policy"])
    assert result.exit_code == 3
    assert "the current folder" in result.stderr
