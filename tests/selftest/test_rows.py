"""The self-test's rows: each passes here, and each is red when all that stops it is off."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import anyio
import pytest

from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.start import ZYGOTE
from preopen.layer import Layer
from preopen.selftest.asking import LAYERS, Section, Stop, Who
from preopen.selftest.ground import NATIVE, open_camp
from preopen.selftest.row import Result, Row
from preopen.selftest.running import ROWS, fight
from sandbox.test_wall_layers import STOPPED_BY
from selftest.switching import IN_CELLS, SWITCHES, entries_without, server_without

Trial: TypeAlias = tuple[Row, frozenset[Stop]]  # a row, and what is off

PAIRS = [(section, row) for section, rows in ROWS.items() for row in rows]
IDS = [row.id for _, row in PAIRS]


def run(trials: Iterable[Trial], entries: tuple[str, str], caches: Path) -> list[Result]:
    """Return what rows come to in cells of these zygotes, each without what is off beside it."""

    async def fight_them(top: Path) -> list[Result]:
        cache = Cache(caches / "cache", caches / "state" / "cache.key", compile_binary)
        results: list[Result] = []
        async with open_camp(top, cache, guests=entries[0], native=entries[1]) as camp:
            for row, off in trials:
                with server_without(off):
                    results.append(await fight(camp, row))
        return results

    with TemporaryDirectory(prefix="preopen sélftest ") as folder:
        return anyio.run(fight_them, Path(folder).resolve())


def run_without(trials: Iterable[Trial], caches: Path) -> Iterator[tuple[Trial, Result]]:
    """Yield what each row comes to without what is off beside it; few zygotes for many rows."""
    alike: dict[frozenset[Stop], list[Trial]] = defaultdict(list)
    for row, off in trials:
        alike[IN_CELLS & off].append((row, off))
    for of_cells, group in alike.items():
        with TemporaryDirectory() as folder, entries_without(of_cells, Path(folder)) as entries:
            yield from zip(group, run(group, entries, caches), strict=True)


@pytest.fixture(scope="module")
def whole(cache_folder: Path) -> dict[str, Result]:
    """Return what every row comes to with nothing off."""
    return {
        result.row.id: result
        for result in run([(row, frozenset()) for _, row in PAIRS], (ZYGOTE, NATIVE), cache_folder)
    }


@pytest.fixture(scope="module")
def without(cache_folder: Path) -> dict[str, Result]:
    """Return what every row comes to with all that stops it off."""
    trials = [(row, frozenset(row.stopped_by)) for _, row in PAIRS]
    return {row.id: result for (row, _), result in run_without(trials, cache_folder)}


@pytest.fixture(scope="module")
def with_one(cache_folder: Path) -> dict[tuple[str, Stop], Result]:
    """Return what each row of the network comes to with one of its stops alone."""
    trials = [
        (row, frozenset(row.stopped_by) - {stop})
        for row in ROWS[Section.NETWORK]
        for stop in row.stopped_by[1:]
    ]
    return {
        (row.id, stop): result
        for (row, off), result in run_without(trials, cache_folder)
        for stop in {*row.stopped_by} - off
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", IDS)
def test_row_passes(whole: dict[str, Result], row: str) -> None:
    """Issue: each attack is stopped, and its control works."""
    assert whole[row].passed, whole[row]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", [row for _, row in PAIRS], ids=IDS)
def test_row_is_red_when_all_that_stops_it_is_off(without: dict[str, Result], row: Row) -> None:
    """Issue: a test switches off the whole list of a row and sees it turn red."""
    result = without[row.id]

    assert not result.attack.holds, result
    # And for the attack's sake: a cell did it, and did what was granted beside it. (Native code in
    # a guest's place has neither its variables nor its standard input; a program that was run took
    # the cell's place.)
    assert result.control.holds or Stop.WASI in row.stopped_by, result
    assert "CellLost" not in result.attack.saw or row.id == "hogs/native-execute", result


def test_there_are_rows_enough_and_no_two_have_one_name() -> None:
    """Issue: at least 45 rows of files, hogs, leaks and liars, and 25 of the network."""
    assert len(IDS) - len(ROWS[Section.NETWORK]) >= 45
    assert len(ROWS[Section.NETWORK]) >= 25
    assert len(set(IDS)) == len(IDS)
    assert set(ROWS) == set(Section)
    assert all(row.id.startswith(f"{section}/") for section, row in PAIRS)


def test_every_stop_can_be_switched_off_and_none_is_idle() -> None:
    """Ours: a stop that no row names, or that no test can switch off, is a word and no more."""
    assert {stop for _, row in PAIRS for stop in row.stopped_by} == set(Stop) == SWITCHES
    assert {stop.value for stop in LAYERS} <= {layer.value for layer in Layer}


def behind() -> Iterator[tuple[str, Stop]]:
    for _, row in PAIRS:
        yield from ((row.id, stop) for stop in row.stopped_by[1:])


@cache
def alone() -> set[str]:
    """Return what stops some attack first, here or in the table of the wall's layers."""
    firsts = {row.stopped_by[0].value for _, row in PAIRS}
    # What only they stop: tests/sandbox/test_wall_layers.py, "capabilities are dropped".
    firsts.add(Stop.CAPABILITIES.value)
    return firsts | {layer.value for layers in STOPPED_BY.values() for layer in layers}


@pytest.mark.parametrize(("row", "stop"), list(behind()))
def test_what_stands_second_stands_first_elsewhere(row: str, stop: Stop) -> None:
    """Issue: a layer that stands second has a row in which the first is off."""
    assert stop.value in alone(), f"{row}: nothing shows that {stop} stops anything alone"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("row", "stop"),
    [(row.id, stop) for row in ROWS[Section.NETWORK] for stop in row.stopped_by[1:]],
)
def test_what_stands_second_stops_the_attack_alone(
    with_one: dict[tuple[str, Stop], Result], row: str, stop: Stop
) -> None:
    """Issue: on a machine without a layer another must stop the row; each is seen to do so."""
    result = with_one[row, stop]

    assert result.attack.holds or (stop in LAYERS and stop not in result.stopped_by), result


def test_missing_layers_stop_nothing(whole: dict[str, Result]) -> None:
    """Issue: where a layer is missing another must stop the row; the list says what is here."""
    for result in whole.values():
        assert set(result.stopped_by) <= set(result.row.stopped_by)
        assert result.stopped_by, result


def test_who_tries_is_what_the_table_says() -> None:
    """Ours: guests of both kinds, or native code; no row for one kind without a reason in it."""
    assert {row.who for _, row in PAIRS} == set(Who)
