"""`preopen approve` and `preopen diff`: what they pin, what they say, which code they exit with."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cli.workshop import PREOPEN, Workshop
from preopen.cli.surroundings import read_surroundings
from preopen.trust.lock import load_lock

READS = '[[directory]]\nhost = "${workspace}"\n'


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """Make the workshop one in which no run approves anything."""
    return replace(workshop, approves=False)


def lock_of_this_user() -> Path:
    """Return the file that approvals are kept in."""
    return Path(read_surroundings().config_dir, "preopen.lock")


def offered(workshop: Workshop, *words: str) -> set[str]:
    """Return the names of the tools that are offered, preopen's own left out."""
    tools = workshop.run_json("list", *words)["tools"]
    return {t["name"] for t in tools if t["manifest"].startswith(str(workshop.tools))}


def test_approved_tool_is_offered_and_another_is_not(workshop: Workshop) -> None:
    """Issue: `preopen approve TOOL` lets one in; what nobody approved stays out."""
    assert offered(workshop) == set()
    result = workshop.run("approve", "peek")

    assert result.exit_code == 0
    assert offered(workshop) == {"peek"}


def test_approve_says_what_it_pins_in_words(workshop: Workshop) -> None:
    """Issue: it prints what it pins: the level, the grants as written, the sha256."""
    first, *lines = workshop.run("approve", "peek").stdout.splitlines()

    assert first == "approved  peek: level read-only"
    assert '  read ${workspace} (only what "path" names)' in lines
    pin = load_lock(lock_of_this_user()).pins["peek"].definition
    assert any(pin.sha256 in line for line in lines)
    assert any(pin.fingerprint in line for line in lines)


def test_one_approval_holds_in_every_workspace_and_folder(
    workshop: Workshop, tmp_path: Path
) -> None:
    """Issue: asks as written; neither the workspace nor the manifest's place is a part of it."""
    workshop.run("approve", "peek")
    moved = replace(workshop, workspace=tmp_path / "other", tools=tmp_path / "moved")
    moved.workspace.mkdir()
    workshop.tools.rename(moved.tools)

    assert offered(moved) == {"peek"}


def test_all_approves_every_tool_and_a_refused_one_does_not_stop_it(workshop: Workshop) -> None:
    """Issue: `--all`; a refused tool beside it does not stop the rest."""
    result = workshop.run("approve", "--all")

    assert result.exit_code == 0
    assert "refused  runs" in result.stderr
    assert {"peek", "leave", "spin"} <= offered(workshop)
    assert "runs" not in load_lock(lock_of_this_user()).pins


@pytest.mark.parametrize(
    ("name", "said"),
    [("runs", "--allow execute"), ("pek", "did you mean peek?"), ("leave", "--without")],
    ids=["refused", "unknown", "left out"],
)
def test_named_tool_that_cannot_be_approved_is_exit_code_3_and_the_rest_is_approved(
    workshop: Workshop, name: str, said: str
) -> None:
    """Issue: 3 at the end if a named one was refused or unknown."""
    result = workshop.run("approve", name, "peek", "--without", "leave")

    assert result.exit_code == 3
    assert f"not approved  {name}" in result.stderr
    assert said in result.stderr
    assert set(load_lock(lock_of_this_user()).pins) == {"peek"}


def test_second_run_says_that_it_is_approved_already(workshop: Workshop) -> None:
    """Issue: a second run says so, and changes nothing."""
    workshop.run("approve", "peek")
    before = lock_of_this_user().stat().st_ino
    result = workshop.run("approve", "peek", "read")

    assert result.exit_code == 0
    assert "already approved  peek" in result.stdout
    assert "already approved  read: it comes with preopen" in result.stdout
    assert lock_of_this_user().stat().st_ino == before


@pytest.mark.parametrize("words", [(), ("peek", "--all")])
def test_approve_wants_names_or_all(workshop: Workshop, words: tuple[str, ...]) -> None:
    """Ours: neither is no order, and both are two."""
    result = workshop.run("approve", *words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert not lock_of_this_user().exists()


def test_approve_needs_no_terminal_and_no_answer(workshop: Workshop) -> None:
    """Issue: it asks nothing."""
    done = workshop.spawn("approve", "--all", stdin=subprocess.DEVNULL)

    assert done.returncode == 0
    assert "approved  peek" in done.stdout


def test_json_of_an_approval_holds_all_that_was_pinned(workshop: Workshop) -> None:
    """Ours: for a script that approves what it installed."""
    told = workshop.run_json("approve", "peek", "runs")
    (peek,) = told["approved"]
    pin = load_lock(lock_of_this_user()).pins["peek"].definition

    assert (peek["name"], peek["before"], peek["level"]) == ("peek", False, "read-only")
    assert peek["fingerprint"] == pin.fingerprint
    assert peek["imports"] == list(pin.imports)
    assert [each["name"] for each in told["refused"]] == ["runs"]


def test_diff_of_what_is_approved_is_exit_code_0(workshop: Workshop) -> None:
    """Issue: 0, nothing changed."""
    workshop.run("approve", "--all")
    result = workshop.run("diff")

    assert result.exit_code == 0
    assert result.stdout.startswith("nothing waits")


def test_diff_says_what_changed_and_is_exit_code_1(workshop: Workshop) -> None:
    """Issue: in words, against what was approved; 1, something waits."""
    workshop.run("approve", "--all")
    file = workshop.tools / "peek.toml"
    file.write_text(file.read_text().replace("For a test.", "For two.") + READS)
    result = workshop.run("diff")

    approved = load_lock(lock_of_this_user()).pins["peek"].approved

    assert result.exit_code == 1
    assert result.stdout.splitlines()[:4] == [
        f"peek is changed since {approved}: {file}",
        "  + read ${workspace}",
        '  - tool.description = "For a test."',
        '  + tool.description = "For two."',
    ]
    assert "peek" not in offered(workshop)


def test_diff_of_named_tools_looks_at_no_other(workshop: Workshop) -> None:
    """Issue: `preopen diff [TOOL…]`."""
    workshop.run("approve", "peek")

    assert workshop.run("diff", "peek", "read").exit_code == 0
    assert workshop.run("diff", "peek", "leave").stdout.startswith("leave is new")
    assert workshop.run("diff", "runs").exit_code == 3
    assert workshop.run("diff", "nowhere").exit_code == 2


def test_json_of_a_diff_is_all_of_it(workshop: Workshop) -> None:
    """Ours: what changed, by key."""
    workshop.run("approve", "--all")
    file = workshop.tools / "peek.toml"
    file.write_text(file.read_text() + '[limits]\nmemory = "1MiB"\n')
    (told,) = workshop.run_json("diff", "peek")["waiting"]

    assert (told["name"], told["what"], told["manifest"]) == ("peek", "changed", str(file))
    after = 'limits.memory = "1MiB"'
    assert told["changes"] == [{"key": "limits.memory", "before": None, "after": after}]


def test_swapped_binary_waits_and_its_sha256_is_told(workshop: Workshop) -> None:
    """Issue: a swapped binary, though its manifest pins the new one."""
    wat = '(module (memory (export "memory") 1) (func (export "_start") i32.const {} drop))'
    workshop.add_wat("mine", "", wat.format(1))
    workshop.run("approve", "mine")
    before = (workshop.tools / "mine.toml").read_text()
    workshop.add_wat("mine", "", wat.format(2))
    lines = workshop.run("diff", "mine").stdout.splitlines()

    assert (workshop.tools / "mine.toml").read_text() != before
    assert [line.split(" = ")[0] for line in lines[1:3]] == [
        "  - binary.sha256",
        "  + binary.sha256",
    ]
    assert "mine" not in offered(workshop)


def test_renamed_tool_and_one_that_takes_its_name_wait(workshop: Workshop) -> None:
    """Issue: a rename does not launder an old approval."""
    workshop.run("approve", "peek", "scrawl")
    peek, scrawl = (workshop.tools / f"{name}.toml" for name in ("peek", "scrawl"))
    taken = scrawl.read_text().replace('name = "scrawl"', 'name = "peek"')
    scrawl.write_text(peek.read_text().replace('name = "peek"', 'name = "scrawl"'))
    peek.write_text(taken)
    told = {each["name"]: each["what"] for each in workshop.run_json("list")["quarantined"]}

    assert offered(workshop) == set()
    assert (told["peek"], told["scrawl"]) == ("changed", "changed")


def test_approve_all_holds_for_one_run_and_writes_nothing(workshop: Workshop) -> None:
    """Issue: `--approve-all` counts for that run only."""
    assert "peek" in offered(workshop, "--approve-all")
    assert "peek" not in offered(workshop)
    assert not lock_of_this_user().exists()


def test_tools_of_the_configuration_folder_wait_as_well(workshop: Workshop) -> None:
    """Issue: who wrote a file there is not told by its place."""
    usual = lock_of_this_user().parent / "tools"
    usual.parent.mkdir(parents=True)
    workshop.tools.rename(usual)
    workshop.tools.mkdir()
    before = workshop.run_json("list")
    workshop.run("approve", "peek")

    assert "peek" in {tool["name"] for tool in before["quarantined"]}
    assert "peek" in {tool["name"] for tool in workshop.run_json("list")["tools"]}


def test_what_a_manifest_says_reaches_no_terminal_as_it_is(workshop: Workshop) -> None:
    """Ours: all that is printed of a manifest is an author's text."""
    file = workshop.tools / "peek.toml"
    file.write_text(file.read_text() + '[environment]\nA = "\u00a0"\n')
    said = workshop.run("diff", "peek").stdout + workshop.run("approve", "peek").stdout

    assert "environment A" in said
    assert all(line.isprintable() for line in said.splitlines())


def test_configuration_folder_that_cannot_be_made_is_said_with_the_way_out(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: what cannot be kept is not approved; what only reads goes on, and offers nothing."""
    (workshop.workspace / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(workshop.workspace / "file"))
    result = workshop.run("approve", "peek")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "set XDG_CONFIG_HOME to a folder that you may write" in result.stderr
    assert offered(workshop) == set()


@pytest.mark.parametrize("verb", [("list",), ("call", "peek", "path=a.txt"), ("approve", "peek")])
def test_damaged_lock_is_exit_code_3_with_file_and_way_out(
    workshop: Workshop, verb: tuple[str, ...]
) -> None:
    """Issue: a damaged lock approves nothing, and is not written over."""
    lock_of_this_user().parent.mkdir(parents=True)
    lock_of_this_user().write_text("lock = 1\n[")
    result = workshop.run(*verb)

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"{lock_of_this_user()}: damaged: ")
    assert lock_of_this_user().read_text() == "lock = 1\n["


def test_approvals_while_servers_start_are_all_kept_and_no_server_fails(
    workshop: Workshop,
) -> None:
    """Issue: three at once on one user folder: no lost decision, no broken file."""
    names = ("peek", "leave", "spin")
    verbs = [("approve", name) for name in names] + [("serve", "--stdio") for _ in names]
    started = [
        subprocess.Popen(
            [*PREOPEN, *workshop.line(*verb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for verb in verbs
    ]
    said = [process.communicate(timeout=50) for process in started]

    assert [process.returncode for process in started] == [0] * 6, said
    assert set(load_lock(lock_of_this_user()).pins) == set(names)
    assert set(names) == offered(workshop)
