"""The entries that tell MCP clients how to start this server, as data."""

import json
import shlex
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy

NAME = "preopen"
NO_WORKSPACE = "/path/to/your/project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one client wants to be told: `text` to paste into `where`, and the same as data."""

    client: str
    where: str
    text: str
    data: Mapping[str, Any]


def client_entries(command: str, arguments: Sequence[str]) -> tuple[Entry, ...]:
    """Return an entry for each client that we know, all of which start `command arguments`."""
    server = {"command": command, "args": list(arguments)}
    words = ["claude", "mcp", "add", NAME, "--", command, *arguments]
    return (
        _json_entry(
            "Claude Desktop",
            "claude_desktop_config.json (Settings > Developer > Edit Config)",
            {"mcpServers": {NAME: server}},
        ),
        Entry(
            client="Claude Code",
            where="a shell, in your project",
            text=shlex.join(words),
            data={"command": words},
        ),
        _json_entry(
            "VS Code",
            ".vscode/mcp.json",
            {"servers": {NAME: {"type": "stdio", **server}}},
        ),
        _json_entry("Cursor", "~/.cursor/mcp.json", {"mcpServers": {NAME: server}}),
    )


def _json_entry(client: str, where: str, data: Mapping[str, Any]) -> Entry:
    return Entry(client=client, where=where, text=_json_text(data), data=data)


def _json_text(data: Mapping[str, Any]) -> str:
    """Return indented JSON in which a list of words stays on one line."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    for server in (part for table in data.values() for part in table.values()):
        spread = json.dumps(server["args"], indent=2, ensure_ascii=False).replace("\n", "\n      ")
        text = text.replace(spread, json.dumps(server["args"], ensure_ascii=False))
    return text


def own_command() -> list[str]:
    """Return the absolute command line of this installation's `preopen`."""
    running = Path(sys.argv[0])
    beside = Path(sysconfig.get_path("scripts"))
    for script in (running, beside / running.name, beside / NAME):
        if script.stem == NAME and script.is_file():
            return [str(script.absolute())]  # not resolved: a link in ~/.local/bin outlives updates
    return [sys.executable, "-m", "preopen.cli.entry"]


def serve_arguments(
    flags: Flags, policy: Policy, around: Surroundings, *, spawn: bool, stdio: bool
) -> list[str]:
    """Return the arguments that make a client's server what this command line said.

    Every path is absolute: a client starts its servers in a folder of its own choice. Of all flags
    of `preopen serve` only those that ask for the entries themselves are left out.
    """

    def absolute(path: str) -> str:
        if path == "~" or path.startswith("~/"):
            path = around.home + path[1:]
        return str(Path(around.cwd, path))

    words = ["serve", "--workspace", policy.workspace or NO_WORKSPACE]
    for folder in flags.manifests:
        words += ["--manifests", absolute(folder)]
    for name, value in flags.variables.items():
        words += ["--var", f"{name}={value}"]
    for name, path in flags.folders.items():
        words += ["--folder", f"{name}={absolute(path)}"]
    for rule in flags.egress:
        words += ["--egress", rule]
    for rule in flags.egress_private:
        words += ["--egress-private", rule]
    words += ["--allow", flags.allow] if flags.allow else []
    for name in flags.without:
        words += ["--without", name]
    for layer in flags.require_wall:
        words += ["--require-wall", layer]
    words += ["--policy", absolute(flags.policy_file)] if flags.policy_file else []
    words += ["--spawn"] if spawn else []
    words += ["--stdio"] if stdio else []
    return words
