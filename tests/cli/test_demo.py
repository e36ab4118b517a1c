import re
import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime

from lab import ROOT

GUESTS = sorted((ROOT / "wasm/demo").glob("*.wat"))


def test_the_demo_shows_what_works_and_what_is_stopped(tmp_path: Path) -> None:
    """Ours: one command on a fresh clone; nothing is left, and no traceback is seen."""
    done = subprocess.run(
        [sys.executable, "-m", "preopen.cli.demo"],
        capture_output=True,
        text=True,
        env={"PATH": "", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("stopped by") == 5
    assert 'May "edit"' in done.stdout
    assert "answer: no" in done.stdout
    assert re.search(r"^  consent +once \(elicitation\)$", done.stdout, re.MULTILINE)
    assert re.search(r"^  could reach +write …/project/src", done.stdout, re.MULTILINE)
    assert "  + write ${workspace}" in done.stdout
    assert "quarantined until a person runs  preopen approve notes" in done.stdout
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) < 120
    assert re.search(r"^  outcome +Returned$", done.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", GUESTS, ids=lambda source: source.stem)
def test_a_guest_of_the_demo_is_what_its_source_says(source: Path) -> None:
    """Ours: a committed binary is one that anyone can build again."""
    built = bytes(wasmtime.wat2wasm(source.read_text()))
    assert source.with_suffix(".wasm").read_bytes() == built
