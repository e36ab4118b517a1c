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
    """Run a function in a loop of its own, as `anyio.run` does with these backend options.

    Nothing may be open or begun that is to be cleared away: `import_loop` comes before that.
    """
    import_loop(options)
    return anyio.run(function, *given, backend_options=options)


def import_loop(options: dict[str, Any] | None = None) -> None:
    """Have imported what `anyio.run` with these options needs; Ctrl-C ends the process at once."""
    with ending_at_once():
        anyio.run(_nothing, backend_options=options)  # half a millisecond, behind its imports


async def _nothing() -> None:
    """Do nothing: the loop has imported all that it needs by then."""
