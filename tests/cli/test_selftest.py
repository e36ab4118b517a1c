"""`preopen selftest`: what a person and a machine get from it."""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from preopen.cli import selftest
from preopen.selftest.asking import Stop
from preopen.selftest.ground import open_camp
from selftest.switching import write_entry

pytestmark = pytest.mark.timeout(180)


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the verb as a process."""
    command = [sys.executable, "-m", "preopen.cli.main", "selftest", *words]
    return subprocess.run(command, text=True, capture_output=True, check=False)


def test_a_machine_gets_every_attack_of_a_section() -> None:
    """Issue: `--json`, with id, section, what stopped it, control, passed."""
    done = run("leaks", "--json")
    attacks = json.loads(done.stdout)["attacks"]

    assert done.returncode == 0, done.stderr

    assert len(attacks) > 10
    for attack in attacks:
        assert attack["id"].startswith("leaks/")
        assert (attack["section"], attack["control"], attack["passed"]) == ("leaks", True, True)
        assert attack["stopped_by"], attack


def test_a_machine_gets_every_attack_on_the_network() -> None:
    """Issue: the section `network` has at least 25 rows, each with its control."""
    done = run("network", "--json")
    attacks = json.loads(done.stdout)["attacks"]

    assert done.returncode == 0, done.stderr
    assert len(attacks) >= 25
    assert {attack["section"] for attack in attacks} == {"network"}
    assert all(attack["passed"] and attack["stopped_by"] for attack in attacks)


def test_a_person_gets_a_table_and_a_sentence() -> None:
    """Issue: attack, what tried it, what stopped it, pass or fail; and it leaves nothing."""
    before = set(os.listdir(tempfile.gettempdir()))
    done = run("liars")

    assert done.returncode == 0, done.stderr
    assert "pass  nan " in done.stdout
    assert "module, component  result-check" in done.stdout
    assert "FAIL" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("All ")
    left = set(os.listdir(tempfile.gettempdir())) - before
    assert not [name for name in left if name.startswith("preopen selftest")]


def test_a_wall_that_does_not_hold_is_red_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: exit 1 on any failure; each names what was seen."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    entry = write_entry(tmp_path, [Stop.LANDLOCK], is_native=True)
    monkeypatch.setattr(selftest, "open_camp", partial(open_camp, native=entry))
    done = CliRunner().invoke(selftest.command, ["files", "--json"], standalone_mode=False)
    attacks = {each["id"]: each for each in json.loads(done.stdout)["attacks"]}

    assert done.return_value == 1
    assert attacks["files/native-read"]["passed"] is False
    assert "swordfish" in attacks["files/native-read"]["saw"]
    assert attacks["files/native-chmod"]["passed"] is True


def test_an_unknown_section_is_a_usage_error() -> None:
    """Ours: the message names the sections that there are."""
    done = run("fils")

    assert done.returncode == 2
    assert "leaks" in done.stderr
