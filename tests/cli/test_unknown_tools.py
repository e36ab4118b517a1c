"""A name in preopen.toml that names no tool is said by serve, check and doctor, and is no fault."""

import json
from pathlib import Path

import pytest

from cli.workshop import Workshop

SAID = "no tool peak is known here: a typo?"
NAMED = {  # key → what the file says there of a tool
    "quota": "[quota.{name}]\ncalls_per_hour = 9\n",
    "decide.tools": "[decide.tools]\n{name} = 'ask'\n",
    "cells": "[cells.{name}]\ncalls_per_cell = 9\n",
    "flow": "[[flow]]\nfrom = [{{ tool = '{name}' }}]\nthen = 'ask'\n",
}


def policy(workshop: Workshop, name: str, *, of: str = "quota") -> str:
    """Write the operator's file, in which this tool is named, and return its path."""
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text("preopen = 1\n" + NAMED[of].format(name=name))
    return str(file)


def checked(workshop: Workshop, name: str, of: str, *more: str) -> tuple[bool, list[str]]:
    """Check one manifest and the file; return whether all is well, and the warnings of names."""
    file = str(workshop.tools / "spin.toml")
    found = workshop.run_json("check", file, "--policy", policy(workshop, name, of=of), *more)
    return found["ok"], [each for each in found["warnings"] if "a typo?" in each]


@pytest.mark.parametrize("of", NAMED)
def test_check_warns_of_a_name_that_no_tool_has(workshop: Workshop, of: str) -> None:
    """Issue: a warning with the nearest name, and no fault: the tool may come later."""
    well, warnings = checked(workshop, "peak", of)
    assert well
    (warning,) = warnings
    assert SAID in warning
    assert "if you mean peek, write that" in warning


@pytest.mark.parametrize("of", NAMED)
def test_check_says_nothing_of_a_name_that_a_tool_has(workshop: Workshop, of: str) -> None:
    """Issue, the pair: though only another manifest is checked, the policy knows this tool."""
    assert checked(workshop, "peek", of) == (True, [])


def test_a_tool_that_is_not_offered_is_known(workshop: Workshop) -> None:
    """Issue: refused, left out or quarantined, it is there."""
    assert checked(workshop, "runs", "decide.tools") == (True, [])
    assert checked(workshop, "peek", "quota", "--without", "peek") == (True, [])
    held = Workshop(workspace=workshop.workspace, tools=workshop.tools, approves=False)
    said = held.spawn("serve", "--policy", policy(workshop, "peek")).stderr
    assert "peek is not offered: " in said
    assert "a typo?" not in said


def test_a_tool_of_a_manifest_that_is_checked_is_known(workshop: Workshop) -> None:
    """Ours: a manifest may be checked before it lies where the policy looks."""
    before = checked(workshop, "late", "quota")[1]
    moved = workshop.add("late", "none", '[run]\nargs = ["exit", "0"]\n')
    aside = moved.rename(workshop.workspace.parent / "late.toml")
    file = policy(workshop, "late")
    found = workshop.run_json("check", str(aside), "--policy", file)

    assert len(before) == 1
    assert not [each for each in found["warnings"] if "a typo?" in each]


def test_serve_says_it_once_at_its_start(workshop: Workshop) -> None:
    """Issue: once, on stderr; the server runs."""
    file = policy(workshop, "peak")
    done = workshop.spawn("serve", "--policy", file)
    assert done.returncode == 0
    assert done.stderr.count(SAID) == 1
    assert f"preopen: {file}: quota.peak: {SAID}; if you mean peek, write that; " in done.stderr


def test_serve_says_nothing_where_each_name_is_a_tools(workshop: Workshop) -> None:
    """Issue, the pair."""
    done = workshop.spawn("serve", "--policy", policy(workshop, "peek"))
    assert done.returncode == 0
    assert "a typo?" not in done.stderr


def unknown_rows(workshop: Workshop, file: str | Path) -> list[dict[str, str]]:
    """Return doctor's rows about names that it does not know."""
    done = workshop.spawn("doctor", "--json", "--policy", str(file))
    rows = json.loads(done.stdout)["checks"]
    assert "tools" in {row["name"] for row in rows}
    return [row for row in rows if row["name"] == "unknown tools"]


def test_doctor_has_a_row_for_it(workshop: Workshop) -> None:
    """Issue: a warning, with the nearest name as the way out."""
    file = policy(workshop, "peak", of="flow")
    (row,) = unknown_rows(workshop, file)
    assert (row["section"], row["state"]) == ("policy", "warn")
    assert row["found"] == f"{file}: flow[0].from: {SAID}"
    assert row["way_out"].startswith("if you mean peek, write that; ")


def test_doctor_has_none_where_each_name_is_a_tools(workshop: Workshop) -> None:
    """Issue, the pair."""
    assert unknown_rows(workshop, policy(workshop, "peek", of="flow")) == []


def test_doctor_counts_what_it_does_not_say(workshop: Workshop) -> None:
    """Ours: a workspace's file may be a stranger's, and makes no page of its own."""
    tools = "".join(f'x{n} = "deny"\n' for n in range(12))
    (workshop.workspace / "preopen.toml").write_text(f"preopen = 1\n[decide.tools]\n{tools}")
    rows = unknown_rows(workshop, policy(workshop, "peek"))
    assert len(rows) == 11
    assert rows[-1]["found"] == "2 more names of tools are not known here"
