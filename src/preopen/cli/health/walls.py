"""The layers of the wall, tried on this machine → lines."""

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from preopen.cells.probing import ask_layers
from preopen.cli.health.kernel import Kernel, read_kernel
from preopen.cli.health.line import Line, State, lines_of
from preopen.cli.health.remedies import LEFT_OPEN, way_out
from preopen.cli.starting import owner_of_cells
from preopen.errors import Fault, PlatformError, PolicyError
from preopen.layer import Layer
from preopen.policy.policy import Policy

SECTION: Final = "wall"


def check_required(policy: Policy) -> None:
    """Return if this machine has every layer that the operator requires.

    The first refusal, at the start, with its way out; `cells/launch.py` asks again at each hello.

    Raises:
        PolicyError: it lacks one.
        PlatformError: the trial itself failed, so nobody knows.

    """
    if not policy.required_layers:
        return
    answers, kernel = _ask(policy)
    origin = policy.origins.get("wall.require", "wall.require")
    faults = [
        Fault(
            place=origin,
            found=f"{layer} is required, and this machine lacks it: {why}",
            write=way_out(layer, why, kernel),
        )
        for layer, why in answers.items()
        if why and layer in policy.required_layers
    ]
    if faults:
        raise PolicyError(*faults)


def examine_wall(policy: Policy) -> Iterator[Line]:
    """Yield a line for each layer, each really tried, as whoever the cells are."""
    try:
        answers, kernel = _ask(policy)
    except PlatformError as error:
        yield from lines_of(SECTION, "layers", error.faults)
        return
    yield from wall_lines(answers, kernel, policy.required_layers)


def wall_lines(
    answers: Mapping[Layer, str], kernel: Kernel, required: Collection[Layer]
) -> Iterator[Line]:
    """Yield what each answer means: a missing layer is a fault where the operator requires it."""
    for layer, why in answers.items():
        if not why:
            found = "up; required" if layer in required else "up"
            yield Line(section=SECTION, name=layer, state=State.OK, found=found)
            continue
        yield Line(
            section=SECTION,
            name=layer,
            state=State.FAIL if layer in required else State.WARN,
            found=f"missing: {why}. Without it {LEFT_OPEN[layer]}",
            way_out=way_out(layer, why, kernel),
        )


def _ask(policy: Policy) -> tuple[Mapping[Layer, str], Kernel]:
    owner = owner_of_cells(policy)
    return ask_layers(owner), read_kernel(as_root=os.geteuid() == 0 and not owner)
