"""A layer that exists and fails: no guest runs. A layer that is missing: the receipt says so."""

from pathlib import Path

import pytest

from lab import LAUNCHERS, QUICK, Lab, mounted, open_lab, probe
from preopen.capability import Access
from preopen.cells.job import Job
from preopen.layer import Layer
from preopen.outcome import CellLost, Returned
from sandbox.entries import entry_of

pytestmark = pytest.mark.anyio

OF_THE_PROCESS = (Layer.NAMESPACES, Layer.CAPABILITIES, Layer.NO_NEW_PRIVS)
OF_THE_CALL = (Layer.LANDLOCK, Layer.SECCOMP, Layer.UNDUMPABLE, Layer.RLIMITS)


def take_entry(lab: Lab, name: str) -> None:
    lab.pool.launcher.entry = name  # type: ignore[attr-defined]  # both launchers have it


async def test_layer_of_a_call_that_fails_refuses_the_call(
    cache_folder: Path, tree: Path, tmp_path: Path, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: "a layer that exists but fails to apply → the call is refused" by its name."""
    for layer in OF_THE_CALL:
        call = f"failing({launcher!r}, {layer.value!r}, {str(tmp_path / 'starts')!r})"
        folder = tmp_path / f"{launcher}_{layer.value}"
        folder.mkdir()
        name = entry_of(folder, monkeypatch, "sandbox.entries", call)
        async with open_lab(cache_folder, launcher) as lab:
            take_entry(lab, name)
            with mounted(tree, Access.WRITE) as mount:
                run = await lab.run(probe("module"), "write", "new.txt", mounts=(mount,))

        reason = f"the wall could not be put up: [Errno 12] {layer.value}: broken by a test"
        assert run.outcome == CellLost(reason=reason)
        assert not (tree / "new.txt").exists()


@pytest.mark.parametrize("layer", OF_THE_PROCESS)
async def test_layer_of_the_process_that_fails_lets_no_cell_start(
    cache_folder: Path,
    tmp_path: Path,
    layer: Layer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Issue: fail closed; the server says so at each call and starts no process on its own."""
    for launcher, who in (("zygote", "the zygote could not put up"), ("spawn", "the cell could")):
        folder = tmp_path / launcher
        folder.mkdir()
        call = f"failing({launcher!r}, {layer.value!r}, {str(folder / 'starts')!r})"
        name = entry_of(folder, monkeypatch, "sandbox.entries", call)
        async with open_lab(cache_folder, launcher) as lab:
            take_entry(lab, name)
            runs = [await lab.pool.run(a_call()) for _ in range(2)]

        for run in runs:
            assert isinstance(run.outcome, CellLost), run
            assert run.outcome.reason.startswith(who)
            assert "its wall; stderr of the server says why" in run.outcome.reason
        assert f"{layer.value}: broken by a test" in capfd.readouterr().err
        # Each call tries twice, and so may the keeper of spares, who then waits for a call.
        assert 1 <= len((folder / "starts").read_text().splitlines()) <= 8


def a_call() -> Job:
    """Return a call as a server makes it whose binary was not prepared."""
    return Job(
        tool="probe",
        source=probe("module"),
        argv=("args", ""),
        stdin=b"",
        environment=(),
        mounts=(),
        limits=QUICK,
    )


@pytest.mark.parametrize("layer", [each for each in Layer if each is not Layer.NO_NEW_PRIVS])
async def test_layer_that_is_missing_is_named_in_the_receipt(
    cache_folder: Path, tmp_path: Path, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: "a layer that the platform lacks is named … in each receipt"."""
    for launcher in LAUNCHERS:
        folder = tmp_path / f"{launcher}_lacks"
        folder.mkdir()
        call = f"lacking({launcher!r}, {layer.value!r})"
        name = entry_of(folder, monkeypatch, "sandbox.entries", call)
        async with open_lab(cache_folder, launcher) as lab:
            take_entry(lab, name)
            run = await lab.run(probe("module"), "args", "")

        assert isinstance(run.outcome, Returned), run
        assert f"{layer.value}: taken away by a test" in run.walls_missing
        assert layer.value not in run.walls


async def test_filter_without_no_new_privs_is_refused(
    cache_folder: Path, tmp_path: Path, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: Landlock and seccomp stand on it; a machine that lacks it alone gets no cell."""
    call = f"lacking({launcher!r}, 'no-new-privs')"
    name = entry_of(tmp_path, monkeypatch, "sandbox.entries", call)
    async with open_lab(cache_folder, launcher) as lab:
        take_entry(lab, name)
        run = await lab.run(probe("module"), "args", "")

    assert isinstance(run.outcome, CellLost), run
    assert "the wall could not be put up: [Errno 1] landlock" in run.outcome.reason
