"""`preopen doctor`, as a process: what it finds fit, what it finds wrong, what it leaves behind."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from cli.processes import read_all
from cli.workshop import PREOPEN, Workshop
from lacking import break_sandbox, broken_preopen, machine_without
from preopen.cells.probing import ask_layers
from preopen.cli.surroundings import read_surroundings
from preopen.errors import PlatformError
from preopen.layer import Layer

Checks: TypeAlias = dict[str, dict[str, str]]
SECTIONS = ["machine", "wall", "folders", "sandbox", "policy", "network"]
HERE = [layer for layer, why in ask_layers("").items() if not why]


def run(
    workshop: Workshop, *words: str, before: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*before, *PREOPEN, "doctor", *workshop.flags, *words],
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=50,
        check=False,
    )


def checks(done: "subprocess.CompletedProcess[str]") -> Checks:
    """Return each check of `--json` by its name."""
    assert done.stderr == ""
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def faults(found: Checks) -> set[str]:
    return {name for name, check in found.items() if check["state"] == "fail"}


def snapshot(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_fit_machine_has_no_fault_and_every_part_is_told(workshop: Workshop) -> None:
    """Issue: Python, wasmtime, each wall layer really tried, cache, workspace, policy."""
    done = run(workshop, "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    assert done.returncode == 0
    assert list(dict.fromkeys(check["section"] for check in found)) == SECTIONS
    for check in found:
        assert set(check) == {"section", "name", "state", "found", "way_out"}
        assert check["state"] in ("ok", "warn")
        assert all(isinstance(value, str) for value in check.values())
        assert check["found"]
        assert check["way_out"] or check["state"] == "ok"
    names = {check["name"] for check in found}
    assert {"python", "wasmtime", "mcp", "jsonschema", "anyio", "uvloop"} <= names
    assert {"compiler", "cell", "cache", "state", "config", "disk"} <= names
    assert {"file", "workspace", "tools", "client", "user", "descriptors"} <= names
    assert [check["name"] for check in found if check["section"] == "wall"] == list(Layer)


def test_a_person_reads_a_line_for_each_within_80_columns(workshop: Workshop) -> None:
    """Ours: aligned; only a path or a name that is longer goes past the edge."""
    lines = run(workshop).stdout.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")][:-1] == SECTIONS
    assert any(line.startswith("  ok    seccomp") for line in lines) or Layer.SECCOMP not in HERE
    assert [line for line in lines if len(line) > 80 and " " in line.strip()[27:]] == []
    assert lines[-1].split(",")[0].endswith(" ok")


def test_at_a_terminal_it_says_the_same(workshop: Workshop) -> None:
    """Ours: colours by rich, for a person only."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*PREOPEN, "doctor", *workshop.flags],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=50,
        check=False,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    said = read_all(ours)
    assert done.returncode == 0
    assert "\x1b[32mok  \x1b[0m  python" in said
    assert "\x1b" not in run(workshop).stdout


def test_it_changes_nothing_but_the_cache(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brief: it leaves nothing behind; the cache and its key are what every call fills."""
    for name in ("TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))
    before = snapshot(tmp_path)
    assert run(workshop).returncode == 0
    made = set(snapshot(tmp_path)) - set(before)
    assert set(before) <= set(snapshot(tmp_path))
    assert {path for path in made if not path.startswith(("XDG_CACHE_HOME", "XDG_STATE_"))} == set()
    compiled = [path for path in made if path.endswith(".cwasm")]
    assert len(compiled) == 4  # the three starters, and the doctor's own module
    assert [path for path in made if path.endswith("cache.key")]


def spoil_policy(workshop: Workshop) -> tuple[str, str, str]:
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text("preopen = 1\nworkspaces = '.'\n")
    return str(file), f"{file}: workspaces: unknown key", "workspace"


def no_policy(workshop: Workshop) -> tuple[str, str, str]:
    file = workshop.workspace.parent / "gone.toml"
    return str(file), f"{file}: cannot be read", "TOML"


@pytest.mark.parametrize("spoil", [spoil_policy, no_policy])
def test_a_policy_that_is_refused_is_one_fault_and_the_rest_is_tried(
    workshop: Workshop, spoil: Callable[[Workshop], tuple[str, str, str]]
) -> None:
    """Brief: exit 1 and not 3; a broken policy is what doctor is for."""
    file, fault, way_out = spoil(workshop)
    done = run(workshop, "--json", "--policy", file)
    found = checks(done)
    assert done.returncode == 1
    assert faults(found) == {"file"}
    assert fault in found["file"]["found"]
    assert way_out in found["file"]["way_out"]
    assert found["cell"]["state"] == "ok"


def test_the_home_folder_as_workspace_is_a_fault(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design §6: never `/` or the home folder."""
    monkeypatch.setenv("HOME", str(workshop.workspace))
    done = run(workshop, "--json")
    found = checks(done)
    assert done.returncode == 1
    assert faults(found) == {"workspace"}
    assert "the home folder is never the workspace" in found["workspace"]["found"]
    assert "--workspace FOLDER" in found["workspace"]["way_out"]


def open_to_others(folder: Path) -> tuple[str, str]:
    (folder / "preopen").mkdir(parents=True)
    (folder / "preopen").chmod(0o777)
    return "its mode is 0777", f"chmod 700 {folder}/preopen"


def no_folder(folder: Path) -> tuple[str, str]:
    folder.write_text("not a folder")
    return "cannot be made or written: Not a directory", "_HOME to a folder that you may write"


@pytest.mark.parametrize("spoil", [open_to_others, no_folder])
@pytest.mark.parametrize("name", ["cache", "state"])
def test_a_folder_that_cannot_be_used_is_a_fault_and_the_cell_is_tried_all_the_same(
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    spoil: Callable[[Path], tuple[str, str]],
) -> None:
    """Issue: cache; ours: preopen loads no code from a folder that others may enter."""
    monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    reason, way_out = spoil(tmp_path / name)
    done = run(workshop, "--json")
    found = checks(done)
    assert done.returncode == 1
    assert faults(found) == {name}
    assert reason in found[name]["found"]
    assert way_out in found[name]["way_out"]
    assert found["cell"]["state"] == "ok"
    assert "with a cache of its own" in found["cell"]["found"]


def test_a_key_that_others_may_read_is_a_fault(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design §3: who knows the key can have us load code."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert faults(checks(run(workshop, "--json"))) == set()
    key = tmp_path / "state" / "preopen" / "cache.key"
    key.chmod(0o644)
    found = json.loads(run(workshop, "--json").stdout)["checks"]
    (fault,) = (check for check in found if check["state"] == "fail")
    assert "this key has mode 0644" in fault["found"]
    assert f"rm {key}" in fault["way_out"]


def test_a_cache_on_a_noexec_mount_is_a_fault(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a compiled binary is mapped as code, which such a mount forbids."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o noexec,mode=700 none {tmp_path}/cache"
    own_mounts = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    if subprocess.run([*own_mounts, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    done = run(workshop, "--json", before=(*own_mounts, f'{mount} && exec "$0" "$@"'))
    found = checks(done)
    assert done.returncode == 1
    assert "noexec" in found["cache's mount"]["found"]
    assert "XDG_CACHE_HOME" in found["cache's mount"]["way_out"]


@pytest.mark.skipif(
    not {Layer.LANDLOCK, Layer.NAMESPACES} <= {*HERE}, reason="this machine lacks them"
)
@pytest.mark.parametrize("layer", ["landlock", "namespaces"])
def test_a_missing_layer_is_a_warning_and_a_required_one_a_fault(
    workshop: Workshop, layer: str
) -> None:
    """Issue: each layer really tried, with the way out and what it leaves open."""
    before = tuple(machine_without(layer))
    done = run(workshop, "--json", before=before)
    found = checks(done)
    assert done.returncode == 0
    assert found[layer]["state"] == "warn"
    assert found[layer]["found"].startswith("missing: ")
    assert "Without it" in found[layer]["found"]
    assert "seccomp filter over this process" in found[layer]["way_out"]
    assert found["seccomp"] == {**found["seccomp"], "state": "ok", "found": "up"}
    required = run(workshop, "--json", "--require-wall", layer, before=before)
    assert required.returncode == 1
    assert faults(checks(required)) == {layer}
    here = checks(run(workshop, "--json", "--require-wall", layer))
    assert here[layer]["found"] == "up; required"


def test_a_sandbox_that_does_not_start_is_told_part_by_part(workshop: Workshop) -> None:
    """Issue: really tried; what fails in one part hides no other."""
    break_sandbox(workshop.tools, "sys.exit('it broke')")
    done = subprocess.run(
        [*broken_preopen(workshop.tools), "doctor", "--json", *workshop.flags],
        text=True,
        capture_output=True,
        timeout=50,
        check=False,
    )
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert faults(found) == {"layers", "compiler", "cell"}
    assert "it broke" in found["layers"]["found"]
    assert "reinstall wasmtime" in found["cell"]["way_out"]
    assert found["workspace"]["state"] == "ok"


def test_refused_tools_are_named(workshop: Workshop) -> None:
    """Brief: how many offered, refused (names)."""
    found = checks(run(workshop, "--json", "--allow", "write"))
    assert "runs" in found["refused tools"]["found"]
    assert found["tools"]["found"].split(" ")[1] == "offered,"
    assert "refused tools" not in checks(run(workshop, "--json", "--without", "runs"))


def test_too_few_descriptors_are_a_fault_that_says_how_many(workshop: Workshop) -> None:
    """Brief: the limit is high enough for `cells`."""
    before = ("sh", "-c", 'ulimit -n 200 && exec "$0" "$@"')
    done = run(workshop, "--json", before=before)
    found = checks(done)
    assert done.returncode == 1
    assert faults(found) == {"descriptors"}
    assert "ulimit -n 384" in found["descriptors"]["way_out"]


def test_an_interruption_is_quiet_and_leaves_no_process(workshop: Workshop) -> None:
    """Ours: Ctrl-C is no error to explain; the whole group hears it, as at a terminal."""
    process = subprocess.Popen(
        [*PREOPEN, "doctor", *workshop.flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "machine\n"
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=20)  # its processes hold stderr open while they live
    assert (process.returncode, stderr.strip()) == (130, "")


def test_a_folder_that_is_gone_is_one_fault_and_the_machine_is_tried(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brief: missing folders are clean lines; without surroundings there is no policy to load."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = run(workshop, "--json")
    found = checks(done)
    assert done.returncode == 1
    assert faults(found) == {"surroundings"}
    assert "the current folder" in found["surroundings"]["found"]
    assert found["cell"]["state"] == "ok"


def test_where_nobody_knows_the_home_folder_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours: a user whose number is in no list, as in containers."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(PlatformError, match="HOME is not set"):
        read_surroundings()
