"""A wasmtime guest under the whole wall: what was granted works, in later calls too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from preopen.cells.start import ENVIRONMENT

PROBE = Path(__file__).with_name("guest_probe.py")


def run_guest(**request: Any) -> Any:  # noqa: ANN401 - JSON
    done = subprocess.run(
        [sys.executable, "-I", str(PROBE)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("as_user", [True, False])
def test_a_guest_reads_its_folder_under_every_layer(as_user: bool) -> None:  # noqa: FBT001 - pytest
    """Design §3, "The order of one cell": as root and as an ordinary user."""
    answer = run_guest(as_user=as_user)
    ((code, output, _),) = answer["calls"]
    assert (code, output, answer["end"]) == (0, "this is a.txt\n", 0)


def test_wasmtimes_threads_start_under_the_wall() -> None:
    """Design §3, "Wall before threads": none runs before it, so that it binds them all."""
    before, after = run_guest()["threads"]
    assert before == 1
    assert after > 1


@pytest.mark.parametrize(("one_file", "code"), [("a.txt", 0), ("b.txt", 2)])
def test_a_wall_of_one_file_hides_its_siblings_from_the_guest(one_file: str, code: int) -> None:
    """Design §5, Narrowing: the folder is mounted, the wall is one file (2 is WASI's ACCES)."""
    ((found, output, _),) = run_guest(one_file=one_file)["calls"]
    assert found == code
    assert output == ("this is a.txt\n" if code == 0 else "")


def test_without_landlock_the_mounted_folder_is_open_to_the_guest() -> None:
    """Ours: the control of the row above; wasm's own sandbox lets a mounted folder be read."""
    ((code, _, _),) = run_guest(one_file="b.txt", missing=["landlock"])["calls"]
    assert code == 0


def test_without_namespaces_the_guest_runs_all_the_same() -> None:
    """Design §3: where user namespaces are closed the wall is weaker, and stands."""
    answer = run_guest(missing=["namespaces"])
    ((code, _, _),) = answer["calls"]
    assert code == 0
    assert "namespaces" not in answer["layers"]


def test_one_cell_takes_new_descriptors_after_the_wall_for_many_calls() -> None:
    """Design §3, tool-bound cells: mounts come by SCM_RIGHTS, limits are set."""
    answer = run_guest(calls=40)
    assert [(code, output) for code, output, _ in answer["calls"]] == [(0, "this is a.txt\n")] * 40
    # What the host keeps between calls stays far below the slack that hard limits leave for it.
    assert answer["calls"][-1][2] - answer["calls"][0][2] < 4 << 20
