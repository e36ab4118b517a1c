import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.workshop import Workshop, ceiling
from lab import ROOT
from preopen.cli import serve
from preopen.cli.clients import client_entries, own_command, serve_arguments
from preopen.cli.main import shell
from preopen.cli.surroundings import read_surroundings
from preopen.policy.flags import Flags
from preopen.policy.policy import Policy

ODD = ["serve", "--workspace", '/home/me/my "best" app', "--var", "A=b c"]


def words_of(client: str, text: str) -> list[str]:
    """Return the command line that a client would start, as that client reads the entry."""
    if client == "Claude Code":
        words = shlex.split(text)
        assert ["claude", "mcp", "add", "preopen", "--"] == words[:5]
        return words[5:]
    table: dict[str, Any] = json.loads(text)
    root = "servers" if client == "VS Code" else "mcpServers"
    assert [root] == list(table)
    server = table[root]["preopen"]
    assert server.pop("type", "stdio") == "stdio"
    assert {"command", "args"} == set(server)
    return [server["command"], *server["args"]]


def test_every_entry_says_the_same_command_line_in_its_clients_form() -> None:
    """Ours: whatever a path holds, what is pasted starts what was meant."""
    entries = client_entries("/opt/preopen", ODD)
    assert ["Claude Desktop", "Claude Code", "VS Code", "Cursor"] == [e.client for e in entries]
    for entry in entries:
        assert ["/opt/preopen", *ODD] == words_of(entry.client, entry.text)


def test_vs_code_is_told_that_the_server_speaks_stdio() -> None:
    """VS Code's mcp.json: a server has a type."""
    (entry,) = (e for e in client_entries("/opt/preopen", []) if e.client == "VS Code")
    assert entry.data["servers"]["preopen"]["type"] == "stdio"


def test_an_entrys_command_is_this_very_installation() -> None:
    """Ours: the entry names a file that exists and answers."""
    command = own_command()
    assert Path(command[0]).is_absolute()
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("preopen ")


def test_an_entry_repeats_every_flag_with_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a client starts its servers in a folder of its own choice."""
    monkeypatch.chdir(tmp_path)
    flags = Flags(
        manifests=("tools",),
        variables={"A": "b"},
        folders={"docs": "~/docs"},
        allow="read-only",
        without=("hash",),
        policy_file="preopen.toml",
        require_wall=("landlock", "seccomp"),
    )
    around, policy = read_surroundings(), Policy(workspace="/src/app")
    words = serve_arguments(flags, policy, around, spawn=True, stdio=True)
    assert words == [
        *("serve", "--workspace", "/src/app"),
        *("--manifests", f"{tmp_path}/tools"),
        *("--var", "A=b"),
        *("--folder", f"docs={around.home}/docs"),
        *("--allow", "read-only"),
        *("--without", "hash"),
        *("--require-wall", "landlock"),
        *("--require-wall", "seccomp"),
        *("--policy", f"{tmp_path}/preopen.toml"),
        "--spawn",
        "--stdio",
    ]


# What is written after each flag of `preopen serve`; () where nothing is.
GIVEN: dict[str, tuple[str, ...]] = {
    "workspace": ("{top}/work",),
    "manifests": ("{top}/tools",),
    "variables": ("A=b c",),
    "folders": ("docs={top}/work",),
    "allow": ("read-only",),
    "without": ("peek",),
    "policy_file": ("{top}/preopen.toml",),
    "require_wall": ("seccomp",),
    "egress": ("https://docs.python.org",),
    "egress_private": ("http://localhost:3000",),
    "spawn": (),
    "stdio": (),
}
# These ask for the entries, and a server that was given one would print them.
ASKING = {"entries", "as_json"}


def test_the_table_of_flags_knows_every_flag_of_serve() -> None:
    """Issue: a flag that is added to `serve` is looked for in its entries, too."""
    assert GIVEN.keys() | ASKING == {each.name for each in serve.command.params}


@pytest.mark.parametrize("flag", GIVEN)
def test_the_entries_hold_each_flag_that_was_given(workshop: Workshop, flag: str) -> None:
    """Issue: what the client starts is what was asked for, and not less walled or otherwise run."""
    top = workshop.workspace.parent
    (top / "preopen.toml").write_text("preopen = 1\n")
    (option,) = (each for each in serve.command.params if each.name == flag)
    words = [option.opts[0], *(each.format(top=top) for each in GIVEN[flag])]
    said = CliRunner().invoke(shell, ["serve", "--json", *words])
    entry = json.loads(said.stdout)["Cursor"]["entry"]["mcpServers"]["preopen"]
    verb, *told = entry["args"]

    def read(line: list[str]) -> Any:  # noqa: ANN401 - whatever the flag's values are
        return serve.command.make_context("serve", list(line)).params[flag]

    assert verb == "serve"
    assert read(told) == read(words) != read([])


def test_the_entries_as_json_are_what_each_client_reads(workshop: Workshop) -> None:
    """Ours: `preopen serve --json` is for whoever writes the client's file by a program."""
    entries = workshop.run_json("serve")
    assert {"Claude Desktop", "Claude Code", "VS Code", "Cursor"} == set(entries)
    for client, entry in entries.items():
        words = words_of(client, entry["text"])
        assert words[-6:] == [*workshop.flags, *ceiling(["serve"])]
        if client != "Claude Code":
            assert json.loads(entry["text"]) == entry["entry"]


def test_the_readme_shows_the_entries_that_serve_prints() -> None:
    """Ours: who pastes from the README and who pastes from the terminal get the same."""
    readme = (ROOT / "README.md").read_text()
    words = ["serve", "--workspace", "/home/you/src/app"]
    entries = {e.client: e for e in client_entries("/absolute/path/to/preopen", words)}
    shown = [
        json.loads(text)
        for text in re.findall(r"^```json\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    ]
    for client in ("Claude Desktop", "VS Code", "Cursor"):
        assert entries[client].data in shown
    assert f"$ {entries['Claude Code'].text}\n" in readme
