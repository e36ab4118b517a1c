"""Which cells give way, and by how much."""

import os

import pytest

from preopen.cells.turns import MOST_STEPS, STEPS, steps_for

CPUS = os.cpu_count() or 1


def test_cells_with_a_cpu_of_their_own_weigh_a_tenth() -> None:
    """Ours: a search beside a compile ends."""
    assert {steps_for(0), steps_for(1), steps_for(CPUS)} == {STEPS}


@pytest.mark.parametrize("crowd", [2, 3, 4, 8])
def test_the_more_cells_share_a_cpu_the_less_each_weighs(crowd: int) -> None:
    """Issue: honest calls beside hostile ones take less than twice their time."""
    each = 0.1 * 0.5 ** ((steps_for(crowd * CPUS) - STEPS) / 3)

    assert 0.05 <= crowd * each <= 0.11 or steps_for(crowd * CPUS) == MOST_STEPS


def test_no_cell_is_nicer_than_there_is() -> None:
    """Ours: setpriority(2) ends at 19."""
    assert steps_for(10_000) == MOST_STEPS
