"""What this machine lacks, and what becomes of a cell whose parent ends."""

import subprocess
import sys

import pytest

from preopen.sandbox import privileges
from preopen.sandbox.wall import Layer, Wall, WallError, probe_layers
from sandbox.wall_lab import outcome_of

ORPHAN = """
import os, signal
from preopen.sandbox.wall import Wall, probe_layers
lacking = [layer for layer, why in probe_layers().items() if why]
middle, (reading, writing) = os.getpid(), os.pipe()
if os.fork() == 0:
    Wall.prepare(lacking, middle).raise_([])
    os.write(1, b"up")
    os.write(writing, b".")
    signal.pause()
os.read(reading, 1)
os._exit(0)
"""


def test_every_layer_is_answered_for_and_this_process_is_none_the_worse() -> None:
    """Ours: the trial is made in a child; the prober reads files and opens sockets afterwards."""
    answers = probe_layers()
    assert list(answers) == list(Layer)
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123 - the plain call is what is tested
        assert file.read(1)
    assert probe_layers() == answers


def test_a_layer_that_fails_is_named_with_its_reason() -> None:
    """Design §3: without user namespaces the receipt names the weaker wall."""
    # Inside a cell a second user namespace is refused: its own user is mapped nowhere.
    found = outcome_of("probe_in_a_cell", missing=[Layer.SECCOMP, Layer.LANDLOCK])
    assert set(found) == {"namespaces"}
    assert "unshare" in found["namespaces"]


def test_where_no_process_can_be_forked_everything_is_missing() -> None:
    """Brief: probe_layers never raises."""
    found = outcome_of("probe_in_a_cell")
    assert set(found) == {layer.value for layer in Layer}


def test_elsewhere_than_on_linux_everything_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Design §3, Platforms: elsewhere there is no wall, and the reason is said."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert {"darwin" in why for why in probe_layers().values()} == {True}
    assert set(probe_layers()) == set(Layer)


def test_nothing_is_called_while_the_modules_are_imported() -> None:
    """Ours: on another system the import must not look for functions of this one's libc."""
    refuse = "import ctypes; ctypes.CDLL = None; import preopen.sandbox.wall"
    subprocess.run([sys.executable, "-I", "-c", refuse], check=True, timeout=20)


def test_a_layer_that_exists_and_fails_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours: fail closed; a wall with a hole that nobody named is not a wall."""

    def fail() -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(privileges, "forbid_dumps", fail)
    monkeypatch.setattr(privileges, "refuse_threads", lambda: None)
    rest = [layer for layer in Layer if layer is not Layer.UNDUMPABLE]
    with pytest.raises(WallError, match="undumpable: Cannot allocate memory") as caught:
        Wall(rest).raise_([])
    assert caught.value.errno == 12


def test_a_walled_cell_ends_with_its_parent() -> None:
    """Design §3, "Life and death": tied to the parent, whatever came after the tie."""
    # Its stdout is a pipe that is read to the end: it comes only when the orphan is gone, too.
    done = subprocess.run(
        [sys.executable, "-I", "-c", ORPHAN], capture_output=True, check=True, timeout=20
    )
    assert done.stdout == b"up"


def test_a_cell_whose_parent_has_ended_leaves_at_once() -> None:
    """Ours: the parent may end between the fork and the tie."""
    late = "from preopen.sandbox.wall import Layer, Wall; Wall.prepare(Layer, 1); print('here')"
    # Started by this test, so its parent is not process 1.
    done = subprocess.run(
        [sys.executable, "-I", "-c", late], capture_output=True, check=False, timeout=20
    )
    assert (done.returncode, done.stdout) == (0, b"")
