"""The one way from a verb into a loop, which imports what it needs before Ctrl-C is its own.

Between the two an interruption would end in the middle of an import, which Python takes badly: it
is lost, or becomes another error (a class's `__set_name__`), or ends the process by the signal
although it was caught (within the `exec` by which dataclasses are made).
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, TypeVarTuple

import anyio

from preopen.cli.interrupts import ending_at_once

_Result = TypeVar("_Result")
_Given = TypeVarTuple("_Given")


def run_loop(
    function: Callable[[*_Given], Awaitable[_Result]],
    *given: *_Given,
    options: dict[str, Any] | None = None,
) -> _Result:
    """Run a function in a loop of its own, as `anyio.run` does with these backend options."""
    with ending_at_once():
        anyio.run(_nothing, backend_options=options)  # half a millisecond, behind its imports
    return anyio.run(function, *given, backend_options=options)


async def _nothing() -> None:
    """Do nothing: the loop has imported all that it needs by then."""
