"""One line of `preopen doctor`: what was checked, how it stands, the way out."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from preopen.errors import Fault


class State(enum.StrEnum):
    """How a check stands: a warning is weaker or slower than it could be, a fault does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One check. `way_out` says what to do, "" where there is nothing to do."""

    section: str
    name: str
    state: State
    found: str
    way_out: str = ""


def lines_of(section: str, name: str, faults: Iterable[Fault]) -> list[Line]:
    """Return a FAIL line for each of a PreopenError's faults."""
    return [
        Line(
            section=section,
            name=name,
            state=State.FAIL,
            found=": ".join(filter(None, (fault.place, fault.key, fault.found))),
            way_out=fault.write,
        )
        for fault in faults
    ]
