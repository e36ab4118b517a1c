import os
import pty
import re
import subprocess

from cli.processes import read_all
from cli.workshop import PREOPEN, Workshop


def test_offered_tools_are_listed_with_level_and_grants(workshop: Workshop) -> None:
    """Ours: one line a tool, the whole grant in plain words."""
    result = workshop.run("list")
    assert result.exit_code == 0
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("peek "))
    assert line.split(maxsplit=2) == [
        "peek",
        "read-only",
        f'read {workshop.workspace} (only what "path" names)',
    ]


def test_a_refused_tool_is_listed_below_with_the_reason_and_the_way_out(
    workshop: Workshop,
) -> None:
    """Design §2: a Refusal has file, key and reason."""
    below = workshop.run("list").stdout.partition("Not offered:")[2]
    assert f"{workshop.tools}/runs.toml: tool.level: not offered: level execute is above" in below
    assert "--allow execute" in below


def test_the_json_of_a_list_is_all_of_it(workshop: Workshop) -> None:
    """Ours: --json prints the result for a machine and nothing else."""
    listed = workshop.run_json("list", "--without", "leave")
    tools = {tool["name"]: tool for tool in listed["tools"]}
    assert {"peek", "typed", "spin"} <= tools.keys()
    assert tools["peek"]["level"] == "read-only"
    assert tools["peek"]["manifest"] == str(workshop.tools / "peek.toml")
    assert "runs" in {tool["name"] for tool in listed["refused"]}
    assert listed["left_out"] == ["leave"]


def test_a_list_without_tools_says_what_to_do(workshop: Workshop) -> None:
    """Ours: the empty state is no dead end."""
    every = [
        word for tool in workshop.run_json("list")["tools"] for word in ("--without", tool["name"])
    ]
    result = workshop.run("list", *every)
    assert result.stdout.startswith("No tools are offered.")
    assert "--manifests DIR" in result.stdout


def test_a_person_at_a_terminal_gets_a_table(workshop: Workshop) -> None:
    """Ours: drawn for a terminal, and a bracket in a path is no markup."""
    odd = workshop.workspace.parent / "[red]odd"
    odd.mkdir()
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "300", "TERM": "xterm"}
    done = subprocess.run(
        [*PREOPEN, "list", *workshop.flags, "--workspace", str(odd)],
        stdout=theirs,
        stdin=subprocess.DEVNULL,
        env=environment,
        timeout=50,
        check=False,
    )
    os.close(theirs)
    said = read_all(ours)
    assert done.returncode == 0
    assert "\x1b[" in said  # the heading is bold
    assert f'read {odd} (only what "path" names)' in re.sub(r"\x1b\[[0-9;]*m", "", said)
