"""The pool over real cells: concurrency, cancellation, lost processes, and nothing left behind."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from lab import QUICK, Lab, mounted, open_lab, probe
from preopen.capability import Access, Mount
from preopen.cells import turns
from preopen.cells.handle import Cell
from preopen.cells.job import Binding, Run
from preopen.cells.launch import ZygoteLauncher
from preopen.outcome import Busy, CellLost, Returned, TimedOut
from processes import children_of, gone

pytestmark = pytest.mark.anyio


def zygote_of(lab: Lab) -> int:
    """Return the pid of a lab's zygote."""
    assert isinstance(lab.pool.launcher, ZygoteLauncher)
    assert lab.pool.launcher._zygote is not None
    return lab.pool.launcher._zygote.process.pid


def network_of(pid: int | str) -> str:
    """Return which network namespace a process is in."""
    return str(Path(f"/proc/{pid}/ns/net").readlink())


async def run_many(lab: Lab, calls: list[tuple[str, ...]], **more: object) -> list[Run]:
    """Run the probe once per item, all at once; the answers stand in the order of the calls."""
    runs: list[Run | None] = [None] * len(calls)

    async def one(place: int, words: tuple[str, ...]) -> None:
        runs[place] = await lab.run(probe("module"), *words, **more)  # type: ignore[arg-type]  # passed on

    async with anyio.create_task_group() as tasks:
        for place, words in enumerate(calls):
            tasks.start_soon(one, place, words)
    return [run for run in runs if run is not None]


async def test_calls_beside_endless_ones_are_all_answered_rightly(lab: Lab) -> None:
    """Issue: 48 calls at once with a dozen that never end are all answered rightly."""
    limits = replace(QUICK, concurrency=16)
    spin = replace(limits, wall_time_ms=1500)
    honest: list[Run] = []
    endless: list[Run] = []

    async def one_honest(number: int) -> None:
        honest.append(
            await lab.run(probe("module"), "env", "N", env={"N": str(number)}, limits=limits)
        )

    async def one_endless() -> None:
        endless.append(await lab.run(probe("module"), "spin", "", limits=spin, tool="endless"))

    with anyio.fail_after(50):
        async with anyio.create_task_group() as tasks:
            for number in range(36):
                tasks.start_soon(one_honest, number)
                if number % 3 == 0:
                    tasks.start_soon(one_endless)

    said = {run.outcome.stdout for run in honest if isinstance(run.outcome, Returned)}
    assert said == {b"env N: done %d\n" % number for number in range(36)}
    assert [TimedOut(limit="wall_time", limit_ms=1500)] * 12 == [run.outcome for run in endless]


async def test_full_queue_answers_busy_at_once(zygote_lab: Lab) -> None:
    """Design §5: Busy, naming the key."""
    limits = replace(QUICK, wall_time_ms=700, concurrency=1, queue=1)
    runs = await run_many(zygote_lab, [("spin", "")] * 4, limits=limits)

    busy = [run for run in runs if isinstance(run.outcome, Busy)]
    assert len(busy) == 2
    assert all(
        run.outcome == Busy(limit="queue", limit_value=1, retry_after_ms=1000) for run in busy
    )
    assert all(run.cell == "none" for run in busy)


async def test_call_that_finds_the_queue_full_counts_towards_no_rate(zygote_lab: Lab) -> None:
    """Issue: a refused call must not count, whichever limit refused it."""
    limits = replace(QUICK, wall_time_ms=700, concurrency=1, queue=1, rate=3)
    runs = await run_many(zygote_lab, [("spin", "")] * 4, limits=limits)
    after = await run_many(zygote_lab, [("env", "X")] * 2, limits=limits)

    outcomes = [run.outcome for run in runs + after]
    assert ["queue"] * 2 + ["rate"] == [each.limit for each in outcomes if isinstance(each, Busy)]


async def test_tool_bound_cell_gives_each_call_the_whole_fuel(
    lab: Lab, kind: str, tree: Path
) -> None:
    """Issue: the full fuel anew at each call, also after one that used it up."""
    binding, source = bind(tree, calls=100), probe(kind, counts_fuel=True)
    used, pids = [], []
    for words in (("spin", ""), ("env", "X"), ("spin", ""), ("env", "X")):
        run = await lab.run(source, *words, limits=replace(QUICK, fuel=5_000_000), binding=binding)
        used.append(run.usage.fuel_used)
        pids.append([cell.pid for _, cell in lab.pool.plain._bound])

    assert [5_000_000] * 2 == used[::2]
    assert used[1] == used[3]
    assert pids[0] == pids[3] != []


async def test_cancelled_call_kills_its_cell(lab: Lab) -> None:
    """Issue: cancellation kills the cell within 100 ms; here: by the time that the task is gone."""
    started: set[int] = set()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lab.run, probe("module"), "spin", "")
        with anyio.fail_after(30):
            while not (started := busy_cells(lab)):
                await anyio.sleep(0.01)  # it gives way once it has computed for long
        tasks.cancel_scope.cancel()

    await gone(started)
    assert (await lab.say("module", "env", "X", env={"X": "1"})) == ["env X: done 1"]


def busy_cells(lab: Lab) -> set[int]:
    """Return the cells whose call has computed for long."""
    return {cell.pid for cell in lab.pool.turns._running if cell.gave_way}


async def test_cells_share_their_zygotes_network_which_is_not_ours(zygote_lab: Lab) -> None:
    """Ours: one empty namespace for all cells; receipts name the layer."""
    lab = zygote_lab
    await lab.say("module", "args", "")
    zygote = zygote_of(lab)
    if "namespaces" not in lab.runs[0].walls:
        pytest.skip("this machine keeps user namespaces closed")
    with anyio.fail_after(10):
        while not (cells := children_of(zygote)):
            await anyio.sleep(0.01)  # the spare for the next call

    assert {network_of(zygote)} == {network_of(cell) for cell in cells}
    assert network_of(zygote) != network_of("self")


async def test_cells_that_were_forked_together_hold_one_socket_each(zygote_lab: Lab) -> None:
    """Ours: with a sibling's socket a cell could read that one's request, or answer for it."""
    lab = zygote_lab
    await lab.say("module", "args", "")
    cells = await lab.pool.plain._launch(4)
    with anyio.fail_after(30):  # the youngest may still be closing those of its siblings
        while {len(sockets_of(cell)) for cell in cells} != {1}:
            await anyio.sleep(0.01)
    sockets = [sockets_of(cell) for cell in cells]
    for cell in cells:
        cell.close()

    assert 4 == len(set().union(*sockets))


def sockets_of(cell: Cell) -> set[str]:
    folder = Path(f"/proc/{cell.pid}/fd")
    return {link for entry in folder.iterdir() if "socket" in (link := target(entry))}


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux has it")
async def test_guest_that_computes_for_long_gives_way_and_one_that_waits_does_not(
    lab: Lab, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: honest calls beside endless ones take less than twice their time."""
    # To load a component a spawned cell computes for 10 ms by itself where a machine is busy.
    monkeypatch.setattr(turns, "FULL_WEIGHT_MS", 100.0)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            for act in ("spin", "sleep"):
                tasks.start_soon(partial(lab.run, probe(kind), act, "60000", tool=act))
            running = lab.pool.turns._running
            while len(running) < 2 or not any(cell.gave_way for cell in running):
                await anyio.sleep(0.01)
            nice = {
                cell.gave_way: os.getpriority(os.PRIO_PROCESS, cell.pid) for cell in list(running)
            }
            tasks.cancel_scope.cancel()
    assert nice == {True: min(own + 10, 19), False: own}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux has it")
@pytest.mark.parametrize("with_files", [True, False])
async def test_cell_stays_on_one_cpu_from_a_call_with_files_on(
    zygote_lab: Lab, tree: Path, *, with_files: bool
) -> None:
    """Ours: a file call wakes a thread, and that is cheap on one CPU only."""
    lab, usable = zygote_lab, os.sched_getaffinity(0)
    await lab.say("module", "args", "")
    waiting = [os.sched_getaffinity(cell.pid) for cell in lab.pool.plain._spare]
    expected = 1 if with_files else len(usable)
    with anyio.fail_after(20), mounted(tree) as mount:

        async def spin() -> None:
            await lab.run(probe("module"), "spin", "", mounts=(mount,) if with_files else ())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(spin)
            while [expected] != [len(os.sched_getaffinity(pid)) for pid in busy_cells(lab)]:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    assert all(cpus == usable for cpus in waiting)


def target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # a cell that still warms itself opens and closes files
        return ""


async def test_zygote_starts_with_nothing_of_ours_in_its_environment(zygote_lab: Lab) -> None:
    """Design §3: what a cell could read of `/proc/self/environ` are settings of libraries."""
    await zygote_lab.say("module", "args", "")
    environ = Path(f"/proc/{zygote_of(zygote_lab)}/environ").read_bytes()

    assert {"TOKIO_WORKER_THREADS", "RUST_MIN_STACK", "MALLOC_ARENA_MAX", "LD_BIND_NOW"} == {
        each.partition("=")[0] for each in environ.decode().split("\0") if each
    }


async def test_killed_zygote_loses_its_calls_and_the_next_ones_work(zygote_lab: Lab) -> None:
    """Issue: kill -9 of the zygote: hit calls get CellLost and the next ones work."""
    lab = zygote_lab
    await lab.say("module", "args", "")
    runs: list[Run] = []

    async def hit() -> None:
        runs.append(await lab.run(probe("module"), "spin", ""))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hit)
            tasks.start_soon(hit)
            while len(busy_cells(lab)) < 2:
                await anyio.sleep(0.01)
            family = children_of(zygote_of(lab))
            os.kill(zygote_of(lab), signal.SIGKILL)

    assert all(isinstance(run.outcome, CellLost) for run in runs), runs
    await gone(family)
    assert ["env X: done 1"] == await lab.say("module", "env", "X", env={"X": "1"})


async def test_killed_cell_loses_its_call_and_the_next_ones_work(lab: Lab) -> None:
    """Issue: kill -9 of a running cell."""
    runs: list[Run] = []

    async def hit() -> None:
        runs.append(await lab.run(probe("module"), "spin", ""))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hit)
            while not (busy := busy_cells(lab)):
                await anyio.sleep(0.01)
            for pid in busy:
                os.kill(pid, signal.SIGKILL)

    assert [CellLost(reason="the cell was ended by SIGKILL")] == [run.outcome for run in runs]
    assert ["env X: done 1"] == await lab.say("module", "env", "X", env={"X": "1"})


async def test_killed_spare_cell_costs_no_call(zygote_lab: Lab) -> None:
    """Ours: a cell that died while it waited is not given a call."""
    lab = zygote_lab
    await lab.say("module", "args", "")
    with anyio.fail_after(10):
        while not lab.pool.plain._spare:
            await anyio.sleep(0.01)
    for cell in lab.pool.plain._spare:
        os.kill(cell.pid, signal.SIGKILL)
        await gone({cell.pid})

    assert ["env X: done 1"] == await lab.say("module", "env", "X", env={"X": "1"})


async def test_closed_pool_leaves_no_process_and_no_descriptor(
    cache_folder: Path, launcher: str
) -> None:
    """Issue: descriptors back where they were, no process left."""
    descriptors = len(os.listdir("/proc/self/fd"))
    async with open_lab(cache_folder, launcher) as lab:
        await lab.say("module", "args", "")
        family = children_of(os.getpid())
        assert family
    await gone(family)

    assert descriptors == len(os.listdir("/proc/self/fd"))


def bind(folder: Path, calls: int = 3) -> Binding:
    """Return the binding of a tool whose whole grant is one folder, to read."""

    @contextmanager
    def open_whole() -> Iterator[tuple[Mount, ...]]:
        with mounted(folder) as mount:
            yield (mount,)

    return Binding(identity="one tool", calls=calls, open_whole=open_whole)


async def test_tool_bound_cell_serves_its_calls_and_then_another_does(lab: Lab, tree: Path) -> None:
    """Design §3: `calls_per_cell`; each call has a fresh instance, the process is the same."""
    pids = []
    binding = bind(tree)
    for _ in range(4):
        with mounted(tree) as mount:
            said = await lab.say("module", "read", "a.txt", mounts=(mount,), binding=binding)
        assert ["read a.txt: done this is a|"] == said
        pids.append([cell.pid for _, cell in lab.pool.plain._bound])

    assert pids[0] == pids[1] != []
    assert pids[2] == []  # it was used up
    assert pids[3] not in ([], pids[0])
    assert "tool" == lab.runs[-1].cell


async def test_tool_bound_cell_reaches_nothing_outside_of_its_tool(
    lab: Lab, kind: str, tree: Path
) -> None:
    """Design §3: walled to the tool's grants: a later call is not mounted past them."""
    binding = bind(tree / "sub")
    with mounted(tree / "sub") as inside, mounted(tree, Access.WRITE) as outside:
        granted = await lab.say(kind, "read", "c.txt", mounts=(inside,), binding=binding)
        withheld = await lab.say(
            kind, "read", "a.txt", "write", "a.txt", mounts=(outside,), binding=binding
        )

    assert ["read c.txt: done this is c|"] == granted
    assert all("done" not in line for line in withheld), withheld


async def test_tool_bound_cell_outlives_a_trap_and_keeps_its_limits(lab: Lab, tree: Path) -> None:
    """Design §3: a fresh Store and instance each time; the limits are set anew."""
    binding = bind(tree, calls=100)
    limits = replace(QUICK, cpu_time_s=1)
    for _ in range(3):
        await lab.run(probe("module"), "panic", "", limits=limits, binding=binding)
        with mounted(tree) as mount:
            said = await lab.say("module", "read", "a.txt", mounts=(mount,), binding=binding)
        assert ["read a.txt: done this is a|"] == said
        grown = await lab.say("module", "grow", "40", binding=binding)
        assert ["grow 40: done 40"] == grown
    run = await lab.run(probe("module"), "spin", "", limits=limits, binding=binding)

    assert run.outcome == TimedOut(limit="cpu_time", limit_ms=1000)


async def test_every_receipt_names_the_walls_that_stood(lab: Lab) -> None:
    """Design §7: `walls`; here every layer that this kernel has, and the others by name."""
    run = await lab.run(probe("module"), "args", "")

    assert "rlimits" in run.walls
    assert not {each.split(":")[0] for each in run.walls_missing} & set(run.walls)
    assert "seccomp" in {*run.walls, *(each.split(":")[0] for each in run.walls_missing)}
