"""What a cell does with what it is sent: late binaries, large data, another user's workspace."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab import QUICK, Lab, mounted, open_lab, probe, wat
from preopen.capability import Access
from preopen.cells.launch import ZygoteLauncher
from preopen.errors import BinaryError
from preopen.outcome import Returned, Trapped

pytestmark = pytest.mark.anyio


async def test_cell_that_was_forked_before_a_binary_was_loaded_loads_it(zygote_lab: Lab) -> None:
    """Ours: the spare is older than the binary, and the call is answered all the same."""
    pool = zygote_lab.pool
    await zygote_lab.say("module", "args", "")
    (cell,) = await pool.plain._launch(1)
    late = wat('(module (memory (export "memory") 3) (func (export "_start")))')
    await pool.prepare(late)
    pool.plain._spare.appendleft(cell)
    assert late.binary not in cell.knows
    run = await zygote_lab.run(late)

    assert isinstance(run.outcome, Returned), run
    assert cell.closed


async def test_data_larger_than_file_size_is_no_matter(lab: Lab) -> None:
    """Design §5: binaries are loaded by descriptor: from bytes their data would be a cut memfd."""
    text = (
        '(module (memory (export "memory") 4) (data (i32.const 0) "{}") (func (export "_start")))'
    )
    run = await lab.run(
        wat(text.format("x" * 200_000)), limits=replace(QUICK, file_size_bytes=65_536)
    )

    assert isinstance(run.outcome, Returned), run


async def test_shared_memory_is_refused(zygote_lab: Lab) -> None:
    """Ours: it would outlive what the Store's limits count."""
    with pytest.raises(BinaryError, match="cannot compile"):
        await zygote_lab.run(wat('(module (memory 1 2 shared) (func (export "_start")))'))


async def test_loops_of_a_guest_leave_the_next_stack_whole(lab: Lab, kind: str) -> None:
    """Design §5: `stack` of another size is another engine; both serve side by side."""
    deep = await lab.run(probe(kind, stack_bytes=2 << 20), "recurse", "")
    said = await lab.say(kind, "env", "X", env={"X": "1"})

    assert isinstance(deep.outcome, Trapped), deep
    assert ["env X: done 1"] == said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_server_of_root_writes_as_the_workspace_s_owner(
    cache_folder: Path, tree: Path
) -> None:
    """Design §3: else it could not write there, or would leave files of root's."""
    owner = 65534
    for path in (tree, *tree.rglob("*")):
        os.chown(path, owner, owner)
    tree.chmod(0o755)
    async with open_lab(cache_folder, "zygote") as lab:
        assert isinstance(lab.pool.launcher, ZygoteLauncher)
        lab.pool.launcher.owner = f"{owner}:{owner}"
        with mounted(tree, Access.WRITE) as mount:
            said = await lab.say("module", "write", "new.txt", "append", "a.txt", mounts=(mount,))

    assert ["write new.txt: done", "append a.txt: done"] == said
    assert (tree / "new.txt").stat().st_uid == owner
