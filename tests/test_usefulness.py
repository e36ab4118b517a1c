"""The tasks of `make usefulness`, as far as they can be checked without the code base."""

import importlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from bench.usefulness.task import Task

ROOT = Path(__file__).resolve().parent.parent
SEVEN = {"read", "write", "edit", "glob", "grep", "list", "hash"}


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> "tuple[Task, ...]":
    """Return the tasks; `bench` is no part of what is installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    found: tuple[Task, ...] = importlib.import_module("bench.usefulness.tasks").TASKS
    return found


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> "ModuleType":
    """Return what reads the results of both sides."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.usefulness.reading")


def test_there_are_twenty_tasks_and_all_seven_tools_have_one(tasks: "tuple[Task, ...]") -> None:
    """Issue: twenty tasks, done with the seven tools."""
    used = {call.tool for task in tasks for call in task.ours}

    assert len({task.name for task in tasks}) == len(tasks) == 20
    assert used == SEVEN


def test_the_tasks_call_the_tools_by_arguments_that_they_have(tasks: "tuple[Task, ...]") -> None:
    """Ours: a renamed argument is noticed here, and not first where there is a network."""
    for call in (call for task in tasks for call in task.ours):
        manifest = tomllib.loads((ROOT / "tool_manifests" / f"{call.tool}.toml").read_text())
        given = set(call.arguments)

        assert given <= set(manifest["input"]["properties"]), call
        assert given >= set(manifest["input"].get("required", [])), call


def test_the_table_that_is_kept_is_of_these_tasks(tasks: "tuple[Task, ...]") -> None:
    """Ours: docs/tools.md shows the table; who changes a task runs `make usefulness` again."""
    rows = (ROOT / "bench" / "usefulness" / "table.md").read_text().splitlines()
    names = [row.split("|")[1].strip() for row in rows if row.startswith("| ")]

    assert names[2:-1] == [task.name for task in tasks]
    total = [cell.strip() for cell in rows[-1].split("|")]
    assert (total[5], total[9]) == ("20 of 20", "20 of 20")
    assert int(total[4]) <= int(total[8])  # as the README says


def test_both_forms_of_a_search_result_are_read_alike(reading: "ModuleType") -> None:
    """Ours: one check judges both sides, so it must not depend on a side's form."""
    found = {("a/b.py", 7, "x = 1"), ("a/b.py", 8, "y: 2"), ("c.py", 1, "x")}
    grouped = "a/b.py\n7:    x = 1\n8-  y: 2\nc.py\n1:x\n[3 lines]\n"
    tabbed = "a/b.py\n7\tx = 1\n8-\ty: 2\nc.py\n1\tx\n"
    flat = "./a/b.py:7:    x = 1\na/b.py-8-  y: 2\n--\nc.py:1:x\n"

    assert reading.lines([grouped]) == reading.lines([tabbed]) == reading.lines([flat]) == found


def test_both_forms_of_a_tree_are_read_alike(reading: "ModuleType") -> None:
    """Ours: as above; a tree may round its sizes, but not by much."""
    sizes = {"a/b/c.py": 2000, "a/d.txt": 90}

    assert reading.agree(reading.sizes("a/b/c.py 2000\na/d.txt 90\n"), sizes)
    assert reading.agree(reading.sizes("a/\n b/\n  c.py 2.0K\n d.txt 90B\n"), sizes)
    assert not reading.agree(reading.sizes("a/\n b/\n  c.py 2.2K\n d.txt 90B\n"), sizes)
    assert not reading.agree(reading.sizes("a/\n d.txt 90B\n"), sizes)


def test_a_result_in_neither_form_says_nothing(reading: "ModuleType") -> None:
    """Ours: an error must never pass for an answer."""
    error = "django: Permission denied; ask the operator"

    assert not reading.lines([error])
    assert not reading.numbered(error)
    assert not reading.paths(error)
    assert not reading.counts(error)
    assert not reading.sizes(error)
