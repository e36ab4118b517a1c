"""`--require-wall LAYER` and `[wall] require`: where the layer is missing nothing starts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.workshop import PREOPEN, Workshop
from lacking import break_sandbox, broken_preopen, machine_without
from preopen.cells.probing import ask_layers
from preopen.errors import PlatformError
from preopen.layer import Layer

CALL = ("call", "peek", "path=a.txt")
SERVE = ("serve",)

# What this machine lacks by itself can be required nowhere.
HERE = [layer for layer, why in ask_layers("").items() if not why]
needs_layers = pytest.mark.skipif(
    not {Layer.LANDLOCK, Layer.NAMESPACES} <= {*HERE}, reason="this machine lacks them"
)


def run(workshop: Workshop, *words: str, lacks: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a verb, on this machine or on one that lacks a layer."""
    before = machine_without(lacks) if lacks else []
    return subprocess.run(
        [*before, *PREOPEN, *words, *workshop.flags],
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=50,
        check=False,
    )


@needs_layers
@pytest.mark.parametrize("words", [CALL, SERVE, (*CALL, "--spawn"), (*SERVE, "--spawn")])
@pytest.mark.parametrize("layer", ["landlock", "namespaces"])
def test_with_the_layer_it_starts_and_without_it_it_does_not(
    workshop: Workshop, words: tuple[str, ...], layer: str
) -> None:
    """Issue: `--require-wall LAYER` refuses to start without it; exit 3 names the way out."""
    words = (*words, "--require-wall", layer)
    assert run(workshop, *words).returncode == 0
    refused = run(workshop, *words, lacks=layer)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert f"--require-wall: {layer} is required, and this machine lacks it: " in refused.stderr
    assert "pass in the seccomp filter over this process" in refused.stderr
    assert "Traceback" not in refused.stderr


@needs_layers
def test_without_the_flag_a_missing_layer_is_said_and_the_call_runs(workshop: Workshop) -> None:
    """Design §3, Platforms: the control; the receipt names what is missing."""
    done = run(workshop, *CALL, "--receipt", lacks="landlock")
    assert (done.returncode, done.stdout) == (0, "read a.txt: done this is a|\n")
    assert "landlock: syscall: Function not implemented" in done.stderr


@needs_layers
def test_the_operators_file_requires_too_and_flags_add_to_it(workshop: Workshop) -> None:
    """Issue: `[wall] require`; a flag can only ask for more."""
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text('preopen = 1\n[wall]\nrequire = ["namespaces"]\n')
    words = (*CALL, "--policy", str(file))
    assert run(workshop, *words).returncode == 0
    assert run(workshop, *words, lacks="landlock").returncode == 0
    of_file = run(workshop, *words, lacks="namespaces")
    assert of_file.returncode == 3
    assert f"{file}: namespaces is required" in of_file.stderr
    of_flag = run(workshop, *words, "--require-wall", "landlock", lacks="landlock")
    assert of_flag.returncode == 3
    assert "landlock is required" in of_flag.stderr


def test_an_unknown_layer_is_a_slip_that_is_answered_with_the_names(workshop: Workshop) -> None:
    """Issue: a usage error listing them; in the file a refusal of the policy."""
    wrong = run(workshop, *CALL, "--require-wall", "landlok")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert all(layer in wrong.stderr for layer in Layer)
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text('preopen = 1\n[wall]\nrequire = ["landlok"]\n')
    wrong = run(workshop, *CALL, "--policy", str(file))
    assert wrong.returncode == 3
    assert f"{file}: wall.require[0]: " in wrong.stderr


def test_the_policy_and_the_clients_entry_say_what_is_required(workshop: Workshop) -> None:
    """Ours: where a value came from; and a pasted entry asks for what its maker asked for."""
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text('preopen = 1\n[wall]\nrequire = ["seccomp", "landlock"]\n')
    rows = workshop.run_json("policy", "--policy", str(file))
    (row,) = (row for row in rows if row["key"] == "wall.require")
    assert (row["value"], row["from"]) == ("landlock, seccomp", str(file))
    entries: dict[str, Any] = workshop.run_json("serve", "--require-wall", "all")
    words = entries["Cursor"]["entry"]["mcpServers"]["preopen"]["args"]
    assert ["--require-wall", "all"] == words[words.index("--require-wall") :][:2]


@pytest.mark.parametrize(
    "program", ["sys.exit('it broke')", "", "print([])", "print('{')"], ids=str.strip
)
def test_where_the_trial_itself_fails_nobody_is_told_that_all_is_well(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: fail closed, whatever way it fails."""
    break_sandbox(tmp_path, program)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(PlatformError, match="the process that tries its layers failed"):
        ask_layers("")


def test_a_layer_that_the_trial_leaves_out_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: fail closed."""
    break_sandbox(tmp_path, """print('{"seccomp": ""}')""")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    answers = ask_layers("")
    assert list(answers) == list(Layer)
    assert [layer for layer, why in answers.items() if not why] == [Layer.SECCOMP]


def test_a_trial_that_cannot_run_refuses_the_start(workshop: Workshop) -> None:
    """Issue: refuses to start without it; where nobody knows, it is without it."""
    break_sandbox(workshop.tools, "sys.exit('it broke')")
    done = subprocess.run(
        [*broken_preopen(workshop.tools), *CALL, *workshop.flags, "--require-wall", "landlock"],
        text=True,
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "the wall: the process that tries its layers failed: it broke" in done.stderr
