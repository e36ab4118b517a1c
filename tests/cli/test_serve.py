import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from cli.processes import descendants, read_all, wait_until_gone
from cli.workshop import PREOPEN, Workshop
from lacking import machine_without
from preopen.cells.probing import ask_layers
from preopen.layer import Layer

HERE = [layer for layer, why in ask_layers("").items() if not why]
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "0"},
}


class Client:
    """A client that speaks lines of JSON-RPC, and sees what every client sees."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.number = 0

    def ask(self, method: str, params: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the server says
        """Send a request, and return the result that comes for it."""
        self.number += 1
        self._send({"id": self.number, "method": method, "params": params})
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get("id") == self.number:
                return message["result"]
        raise AssertionError("the server ended without an answer")

    def greet(self) -> None:
        """Shake hands, as the older era does."""
        self.ask("initialize", HELLO)
        self._send({"method": "notifications/initialized"})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()


@contextmanager
def served(workshop: Workshop, *words: str, before: Sequence[str] = ()) -> Iterator[Client]:
    """Start the server as a client does; `before` are the words that begin the command line."""
    process = subprocess.Popen(
        [*before, *PREOPEN, "serve", *workshop.flags, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Client(process)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("way", ["zygote", "spawn"])
def test_a_client_lists_and_calls_and_leaves_nothing_behind(workshop: Workshop, way: str) -> None:
    """Ours: end of input ends the server with 0 and every process of it."""
    with served(workshop, "--allow", "write", *(["--spawn"] if way == "spawn" else [])) as client:
        client.greet()
        names = {tool["name"] for tool in client.ask("tools/list", {})["tools"]}
        assert {"peek", "spin"} <= names
        assert "runs" not in names
        answer = client.ask("tools/call", {"name": "peek", "arguments": {"path": "a.txt"}})
        assert answer["content"][0]["text"] == "read a.txt: done this is a|\n"
        below = descendants(client.process.pid)
        _, stderr = client.process.communicate(timeout=20)
        assert client.process.returncode == 0
        wait_until_gone(below)
    first, *more = stderr.splitlines()
    assert f"workspace {workshop.workspace}; " in first
    assert "; tools: " in first
    assert "; network: closed" in first
    assert any(f"runs is refused: {workshop.tools}/runs.toml" in line for line in more)
    assert ("a fresh process for every call" in first) == (way == "spawn")


def test_the_first_line_says_which_hosts_are_open(workshop: Workshop) -> None:
    """Ours: whoever looks at the log of a client sees what its tools may reach."""
    rules = [f"https://{name}.example" for name in "abcd"]
    with served(workshop, *(word for rule in rules for word in ("--egress", rule))) as client:
        assert client.process.stderr is not None
        first = client.process.stderr.readline()
    assert f"; network: open to {', '.join(rules[:3])} and 1 more" in first


@pytest.mark.skipif(
    not {Layer.LANDLOCK, Layer.NAMESPACES} <= {*HERE}, reason="this machine lacks them"
)
@pytest.mark.parametrize("way", ["zygote", "spawn"])
@pytest.mark.parametrize("layer", ["", "landlock", "namespaces"])
def test_the_first_line_says_which_layers_are_missing(
    workshop: Workshop, way: str, layer: str
) -> None:
    """Issue: a layer that the platform lacks is named in the start-up line."""
    before = machine_without(layer) if layer else []
    with served(workshop, *(["--spawn"] if way == "spawn" else []), before=before) as client:
        assert client.process.stderr is not None
        first = client.process.stderr.readline()  # it comes although no client has said a word
    if layer:
        assert f"; wall: without {layer}" in first
        assert "`preopen doctor` says why" in first
    else:
        assert (f"; wall: all {len(Layer)} layers;" in first) == (HERE == [*Layer])


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_quietly_with_all_its_processes(
    workshop: Workshop, sent: signal.Signals
) -> None:
    """Ours: Ctrl-C and SIGTERM, with a call that never ends under way."""
    with served(workshop) as client:
        client.greet()
        client.ask("tools/call", {"name": "peek", "arguments": {"path": "a.txt"}})
        client._send({"id": 99, "method": "tools/call", "params": {"name": "turn"}})
        client.ask("ping", {})
        below = descendants(client.process.pid)
        client.process.send_signal(sent)
        _, stderr = client.process.communicate(timeout=20)
        assert client.process.returncode == 0
        assert "Traceback" not in stderr
        wait_until_gone(below)


def test_at_a_terminal_it_prints_the_entries_and_ends(workshop: Workshop) -> None:
    """Ours: a person who types `preopen serve` is not left with a silent program."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*PREOPEN, "serve", *workshop.flags],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=50,
        check=False,
    )
    os.close(theirs)
    said = read_all(ours)
    assert done.returncode == 0
    for client in ("Claude Desktop", "Claude Code", "VS Code", "Cursor"):
        assert f"\n{client}: " in said
    assert str(workshop.workspace) in said


def test_at_a_terminal_it_serves_when_told_so(workshop: Workshop) -> None:
    """Ours: --stdio means it; Ctrl-D ends it as the end of input does."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PREOPEN, "serve", "--stdio", *workshop.flags],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    os.write(ours, json.dumps(hello).encode() + b"\n")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "preopen"
    os.write(ours, b"\x04")
    process.communicate(timeout=20)
    os.close(ours)
    assert process.returncode == 0


def test_without_a_workspace_the_entries_say_what_is_missing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design §6: the home folder itself is never the workspace."""
    monkeypatch.setenv("HOME", str(workshop.workspace))
    result = workshop.run("serve", "--entries")
    assert result.exit_code == 0
    assert "No workspace yet" in result.stdout
    assert "/path/to/your/project" in result.stdout
