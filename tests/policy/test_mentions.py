"""Names of tools in a policy that nobody knows: found wherever they stand, told with a way out."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from preopen.policy.flags import Flags, Surroundings
from preopen.policy.mentions import Mention, explain_unknown, find_unknown, first_unknown
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.policy.workspace_file import Held

KEYS = {  # what a file says of a tool → the key under which that is told
    "[quota.fetsh]\ncalls_per_hour = 1\n": "quota.fetsh",
    "[decide.tools]\nfetsh = 'deny'\n": "decide.tools.fetsh",
    "[cells.fetsh]\ncalls_per_cell = 9\n": "cells.fetsh",
    "[[flow]]\nthen = 'ask'\n[[flow]]\nfrom = [{ tool = 'fetsh' }]\nthen = 'ask'\n": "flow[1].from",
}


@dataclass
class Files:
    """The operator's file, and the workspace's own."""

    top: Path

    @property
    def mine(self) -> str:
        """The operator's."""
        return f"{self.top}/config/preopen.toml"

    @property
    def theirs(self) -> str:
        """The workspace's."""
        return f"{self.top}/app/preopen.toml"

    def policy(self, mine: str = "", theirs: str = "", held: Held | None = None) -> Policy:
        """Write what is given, and load."""
        for file, text in ((self.mine, mine), (self.theirs, theirs)):
            if text:
                Path(file).write_text(f"preopen = 1\n{text}")
        own = {f"{name}_dir": f"{self.top}/{name}" for name in ("config", "state", "cache")}
        around = Surroundings(cwd=f"{self.top}/app", home=str(self.top), environ={}, **own)
        return load_policy(Flags(), around, held)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Make the folders of both."""
    for name in ("config", "app"):
        (tmp_path / name).mkdir()
    return Files(tmp_path.resolve())


@pytest.mark.parametrize("text", KEYS)
def test_a_name_that_nobody_knows_is_found_with_its_key_and_its_file(
    files: Files, text: str
) -> None:
    """Ours: a typo in any of the four would hold nobody, and say so to nobody."""
    found = find_unknown(files.policy(text), {"fetch"})
    assert found == (Mention(tool="fetsh", key=KEYS[text], place=files.mine),)


@pytest.mark.parametrize("text", KEYS)
def test_a_name_that_is_known_is_none(files: Files, text: str) -> None:
    """Ours, beside the one above: also of a tool that is not offered, for it is known."""
    assert find_unknown(files.policy(text), {"fetsh"}) == ()


def test_what_counts_for_every_tool_names_none(files: Files) -> None:
    """Issue: `[quota."*"]` is for each tool that has none of its own."""
    policy = files.policy('[quota."*"]\ncalls_per_day = 1\n[[flow]]\nthen = "deny"\n')
    assert find_unknown(policy, ()) == ()


def test_a_name_in_the_workspaces_file_is_told_with_that_file(files: Files) -> None:
    """Ours: a project's own narrowing holds nobody by a typo, either."""
    theirs = '[decide.tools]\nfetsh = "deny"\n[quota.fetsh]\ncalls_per_day = 1\n'
    found = find_unknown(files.policy("", theirs), {"fetch"})
    assert {(each.key, each.place) for each in found} == {
        ("decide.tools.fetsh", files.theirs),
        ("quota.fetsh", files.theirs),
    }


def test_a_quota_of_two_files_is_told_once_with_both(files: Files) -> None:
    """Ours: the lower amounts of both count, and so both may hold the typo."""
    mine = "[quota.fetsh]\ncalls_per_hour = 9\ncalls_per_day = 9\n"
    (found,) = find_unknown(files.policy(mine, "[quota.fetsh]\ncalls_per_day = 1\n"), ())
    assert found.place == f"{files.mine} and {files.theirs}"


def test_a_file_that_said_it_before_says_it_once(files: Files) -> None:
    """Ours: what a workspace's file said in this process counts again at each reading."""
    held: Held = {}
    text = '[decide.tools]\nfetsh = "deny"\n'
    files.policy("", text, held)
    policy = files.policy("", f'max_level = "write"\n{text}', held)
    assert [each.key for each in find_unknown(policy, ())] == ["decide.tools.fetsh"]


def test_the_nearest_name_is_told_and_that_the_tool_may_come(files: Files) -> None:
    """Ours: place, thing found, what to write."""
    (found,) = find_unknown(files.policy("[quota.fetsh]\ncalls_per_hour = 1\n"), {"fetch"})
    assert str(explain_unknown(found, {"grep", "fetch"})) == (
        f"{files.mine}: quota.fetsh: no tool fetsh is known here: a typo?; if you mean fetch,"
        " write that; otherwise it counts as soon as such a tool is there"
    )
    assert "; `preopen list` says which there are; " in str(explain_unknown(found, {"grep"}))


def test_what_could_be_no_tools_name_is_not_the_nearest(files: Files) -> None:
    """Ours: a manifest that cannot be read is known by its file's name, which may be any text."""
    (found,) = find_unknown(files.policy("[quota.fetsh]\ncalls_per_hour = 1\n"), ())
    assert "if you mean" not in str(explain_unknown(found, {"fet\x1bsh"}))
    assert "if you mean fet-sh, " in str(explain_unknown(found, {"fet-sh"}))


def test_no_more_than_ten_are_said_at_once(files: Files) -> None:
    """Ours: a workspace's file may be a stranger's, and fills no log."""
    text = "[decide.tools]\n" + "".join(f'x{n} = "deny"\n' for n in range(12))
    unknown = find_unknown(files.policy("", text), ())
    lines = list(first_unknown(unknown, ()))

    assert [f"decide.tools.x{n}: " in line for n, line in enumerate(lines[:-1])] == [True] * 10
    assert lines[-1].startswith("2 more names of tools are not known here; ")
    assert len(list(first_unknown(unknown[:10], ()))) == 10
