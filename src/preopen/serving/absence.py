"""Why a tool that was called is not offered, as the operator reads it on record. Pure.

Clients are told less (`Registry.absence_of`): whether a tool was refused, and why, is not theirs.
"""

from typing import Final

from preopen.document import printable, shown
from preopen.outcome import Denial
from preopen.serving.current import Current

NOT_OFFERED: Final = "NotOffered"  # the outcome of such a call, beside those of calls that were run

_MAX_TEXT: Final = 1024  # characters of a reason; a flood of such calls repeats it each time


def why_absent(served: Current, name: str) -> Denial:
    """Return why the tool of this name is not offered, and what the operator may do; bounded."""
    registry = served.registry
    if name in served.policy.barred and name in registry.left_out:  # ahead: it frees no name
        place = printable(served.policy.workspace_file)
        return _denial(name, f"left out by {place}, the workspace's own file", "")
    for tool in registry.withheld:
        if tool.name == name:
            fault, *more = tool.faults
            where = f"{fault.place}: {fault.key}" if fault.key else fault.place
            rest = f" (and {len(more)} more)" if more else ""
            return _denial(name, f"not offered: {where}: {fault.found}{rest}", fault.write)
    if name in registry.left_out:
        return _denial(name, "left out by --without, or by without under [tools]", "")
    return _denial(name, "there is no tool of this name", "")


def _denial(name: str, reason: str, write: str) -> Denial:
    return Denial(target=shown(name), reason=_cut(reason), allow=_cut(write))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
