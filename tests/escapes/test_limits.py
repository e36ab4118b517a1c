"""Hogs: each limit of design §5, and how it ends. Only the call that hogs is hurt."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
import wasmtime

from lab import QUICK, Lab, mounted, probe, source_of, wat
from preopen.capability import Access
from preopen.outcome import (
    CellLost,
    Exited,
    OutOfFuel,
    OutputOverflow,
    Returned,
    TimedOut,
    Trapped,
)

pytestmark = pytest.mark.anyio

SHORT = replace(QUICK, wall_time_ms=400)
MIB = 1 << 20


async def honest(lab: Lab, kind: str) -> bool:
    """Whether an honest call still goes well."""
    return await lab.say(kind, "env", "X", env={"X": "1"}) == ["env X: done 1"]


@pytest.mark.parametrize("act", ["spin", "sleep"])
async def test_wall_time_ends_a_guest_that_spins_or_sleeps(lab: Lab, kind: str, act: str) -> None:
    """Design §3: a guest that sleeps in a host call is cut as surely as one that spins."""
    with anyio.fail_after(30):
        run = await lab.run(probe(kind), act, "600000", limits=SHORT)

    assert run.outcome == TimedOut(limit="wall_time", limit_ms=400)
    assert await honest(lab, kind)


async def test_wall_time_lets_a_guest_that_is_quick_enough(lab: Lab, kind: str) -> None:
    """The pair of the one above."""
    assert ["sleep 5: done"] == await lab.say(kind, "sleep", "5")


async def test_guest_that_has_filled_its_memory_may_still_call_for_files(
    lab: Lab, kind: str, tree: Path
) -> None:
    """Ours: its first file call starts wasmtime's threads, or has found them; there is room."""
    with mounted(tree) as mount:
        said = await lab.say(kind, "hoard", "999", "read", "a.txt", mounts=(mount,))

    assert "read a.txt: done this is a|" == said[1]


async def test_cpu_time_ends_a_guest_that_spins(lab: Lab, kind: str) -> None:
    """Design §5: TimedOut, naming cpu_time."""
    run = await lab.run(probe(kind), "spin", "", limits=replace(QUICK, cpu_time_s=1))

    assert run.outcome == TimedOut(limit="cpu_time", limit_ms=1000)


async def test_memory_within_the_limit_is_given(lab: Lab, kind: str) -> None:
    """Design §5: `memory`, granted."""
    said = await lab.say(kind, "grow", "40", limits=replace(QUICK, memory_bytes=64 * MIB))

    assert ["grow 40: done 40"] == said


async def test_memory_past_the_limit_is_refused(lab: Lab, kind: str) -> None:
    """Design §5: the guest's own failure; the receipt tells how much it had."""
    limits = replace(QUICK, memory_bytes=64 * MIB)
    run = await lab.run(probe(kind), "grow", "400", limits=limits)

    assert isinstance(run.outcome, Returned), run
    assert run.outcome.stdout == b"grow 400: OutOfMemory\n"
    assert 50 * MIB < run.usage.peak_memory_bytes
    assert await honest(lab, kind)


async def test_second_memory_of_a_module_is_refused(zygote_lab: Lab) -> None:
    """Design §5: a module has one memory, so that the limit is exact."""
    run = await zygote_lab.run(wat('(module (memory 1) (memory 1) (func (export "_start")))'))

    assert isinstance(run.outcome, Trapped), run


async def test_stack_ends_a_guest_that_recurses(lab: Lab, kind: str) -> None:
    """Design §5: Trapped."""
    run = await lab.run(probe(kind), "recurse", "")

    assert isinstance(run.outcome, Trapped), run
    assert await honest(lab, kind)


async def test_output_past_the_limit_ends_the_guest_and_keeps_the_part(lab: Lab, kind: str) -> None:
    """Design §5: OutputOverflow."""
    run = await lab.run(probe(kind), "flood", "stdout", limits=replace(QUICK, output_bytes=10_000))

    assert run.outcome == OutputOverflow(limit_bytes=10_000, stdout=b"x" * 10_000)


async def test_output_up_to_the_limit_is_whole(lab: Lab, kind: str) -> None:
    """The pair of the one above: `print x: done` is 4 + 9 + 1 bytes."""
    run = await lab.run(probe(kind), "print", "1234", limits=replace(QUICK, output_bytes=21))

    assert isinstance(run.outcome, Returned), run
    assert b"1234print 1234: done\n" == run.outcome.stdout


async def test_stderr_past_the_limit_is_cut_and_said(lab: Lab, kind: str) -> None:
    """Design §5: cut, said; the guest goes on."""
    run = await lab.run(
        probe(kind), "warn", "a" * 900, "warn", "b" * 900, limits=replace(QUICK, stderr_bytes=1000)
    )

    assert isinstance(run.outcome, Returned), run
    assert run.outcome.stderr == b"[earlier stderr was cut]\n" + b"a" * 100 + b"b" * 900


async def test_flood_on_both_streams_ends_like_one(lab: Lab, kind: str) -> None:
    """Issue: a guest that floods both streams hurts only its own call."""
    run = await lab.run(probe(kind), "flood", "both")

    assert isinstance(run.outcome, OutputOverflow), run
    assert len(run.outcome.stdout) == QUICK.output_bytes
    assert await honest(lab, kind)


async def test_file_size_stops_a_file_that_grows(lab: Lab, kind: str, tree: Path) -> None:
    """Design §5: the guest's own error, EFBIG."""
    limits = replace(QUICK, file_size_bytes=1 * MIB)
    with mounted(tree, Access.WRITE) as mount:
        said = await lab.say(kind, "fill", "big", "write", "small", mounts=(mount,), limits=limits)

    assert said[0].startswith("fill big: done 1048576 "), said
    assert "write small: done" == said[1]
    assert (tree / "big").stat().st_size == 1 * MIB


async def test_open_files_stops_a_guest_that_opens_for_ever(
    lab: Lab, kind: str, tree: Path
) -> None:
    """Design §5: RLIMIT_NOFILE."""
    with mounted(tree) as mount:
        said = await lab.say(
            kind, "open", "a.txt", mounts=(mount,), limits=replace(QUICK, open_files=64)
        )

    opened = int(said[0].split()[3])
    assert 20 < opened < 64, said


async def test_tables_and_table_elements_are_limited(zygote_lab: Lab) -> None:
    """Design §5: Store limits."""
    text = '(module (table {n} funcref) (table 1 funcref) (func (export "_start")))'
    few = replace(QUICK, table_elements=1000, tables=2)
    fits = await zygote_lab.run(wat(text.format(n=1000)), limits=few)
    too_long = await zygote_lab.run(wat(text.format(n=1001)), limits=few)
    too_many = await zygote_lab.run(wat(text.format(n=1)), limits=replace(few, tables=1))

    assert isinstance(fits.outcome, Returned), fits
    assert isinstance(too_long.outcome, Trapped), too_long
    assert isinstance(too_many.outcome, Trapped), too_many


async def test_bad_ends_say_what_the_guest_said(lab: Lab, kind: str) -> None:
    """Ours: an exit code, and what both streams held."""
    exited = await lab.run(probe(kind), "print", "out", "warn", "why", "exit", "3")
    panicked = await lab.run(probe(kind), "panic", "")

    # A component can say no more than ok or err through wasi:cli/run of 0.2.
    code = 3 if kind == "module" else 1
    assert exited.outcome == Exited(
        exit_code=code, stdout=b"outprint out: done\nwarn why: done\n", stderr=b"why"
    )
    assert isinstance(panicked.outcome, Trapped), panicked
    assert b"on purpose" in panicked.outcome.stderr


FUEL = replace(QUICK, fuel=20_000_000)


async def test_fuel_ends_a_guest_that_spins_and_keeps_what_it_wrote(lab: Lab, kind: str) -> None:
    """Issue: OutOfFuel for modules and components; the amount used is known."""
    source = probe(kind, counts_fuel=True)
    run = await lab.run(source, "print", "out", "spin", "", limits=FUEL)

    assert isinstance(run.outcome, OutOfFuel), run
    assert (20_000_000, b"outprint out: done\n") == (run.outcome.limit, run.outcome.stdout)
    assert run.usage.fuel_used == 20_000_000
    assert await honest(lab, kind)


async def test_fuel_that_is_enough_is_counted_and_the_same_each_time(lab: Lab, kind: str) -> None:
    """The pair of the one above."""
    source = probe(kind, counts_fuel=True)
    ends = [await lab.run(source, "env", "X", limits=FUEL) for _ in range(2)]
    assert all(isinstance(run.outcome, Returned) for run in ends), ends
    first, second = (run.usage.fuel_used for run in ends)
    assert first == second
    assert first in range(1, 20_000_000)


async def test_bad_ends_of_a_guest_with_fuel_say_what_it_used(lab: Lab, kind: str) -> None:
    """Issue: for every end where it is known; a guest's own trap is no OutOfFuel."""
    source = probe(kind, counts_fuel=True)
    exited = await lab.run(source, "exit", "3", limits=FUEL)
    panicked = await lab.run(source, "panic", "", limits=FUEL)
    plain = await lab.run(probe(kind), "exit", "3")

    assert isinstance(exited.outcome, Exited), exited
    assert isinstance(panicked.outcome, Trapped), panicked
    assert exited.usage.fuel_used
    assert panicked.usage.fuel_used
    assert plain.usage.fuel_used is None


async def test_wall_time_ends_a_guest_that_sleeps_on_its_fuel(lab: Lab, kind: str) -> None:
    """Issue: a sleeping guest uses no fuel; it is cut as surely as one that spins."""
    limits = replace(SHORT, fuel=20_000_000)
    with anyio.fail_after(30):
        run = await lab.run(probe(kind, counts_fuel=True), "sleep", "600000", limits=limits)

    assert run.outcome == TimedOut(limit="wall_time", limit_ms=400)
    assert run.usage.fuel_used is None
    assert await honest(lab, kind)


async def test_start_function_uses_fuel(zygote_lab: Lab) -> None:
    """Ours: a guest runs before its `_start` is called."""
    text = '(module (func $s (loop (br 0))) (start $s) (func (export "_start")))'
    source = source_of(bytes(wasmtime.wat2wasm(text)), "module", counts_fuel=True)
    run = await zygote_lab.run(source, limits=FUEL)

    assert isinstance(run.outcome, OutOfFuel), run


async def test_limit_of_fuel_on_code_that_counts_none_runs_no_guest(zygote_lab: Lab) -> None:
    """Ours: fail closed; only a bug of ours asks for it."""
    run = await zygote_lab.run(probe("module"), "env", "X", limits=FUEL)

    assert isinstance(run.outcome, CellLost), run
