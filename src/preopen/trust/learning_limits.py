"""What calls used of their limits → values with head-room, as advice. Pure.

A few calls are no bound of what a tool needs, so nothing here is a change to a manifest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from preopen.capability import LIMIT_KEYS, Limits
from preopen.outcome import Receipt
from preopen.tool.limits import format_limit
from preopen.trust.learning import Recorded

_AMPLE: Final = 4  # times what was used: less is head-room, and no reason to write anything
_ROOM: Final = 2  # times what was used, rounded up to a power of two of the unit

# Below these a limit is not worth lowering: another machine, or another call, needs as much.
_LEAST: Final[Mapping[str, int]] = {
    "wall_time": 1000,
    "memory": 4 << 20,
    "output": 64 << 10,
}


def advise_limits(
    calls: Sequence[Recorded], limits: Limits, ceilings: Mapping[str, int]
) -> Iterator[str]:
    """Yield a line for each limit that was hit, or that is more than four times what was used."""
    ran = [call.receipt for call in calls if call.receipt.cell != "none"]
    if not ran:
        return
    for key, used_by in _USED.items():
        present = getattr(limits, LIMIT_KEYS[key])
        used = max(map(used_by, ran))
        if any(_hit(key, receipt, limits) for receipt in ran):
            more = min(present * _ROOM, ceilings.get(key, present * _ROOM))
            if more > present:
                yield f"limits.{key}: a call reached it; try {_line(key, more)}"
            else:
                yield f"limits.{key}: a call reached it, and the operator's ceiling is no higher"
        elif used and present > _AMPLE * max(used, _LEAST[key]):
            enough = max(_rounded(used * _ROOM, 1000 if key == "wall_time" else 1), _LEAST[key])
            yield (
                f"limits.{key}: at most {format_limit(key, used)} of"
                f" {format_limit(key, present)} was used; {_line(key, enough)} leaves room"
            )


def _memory(receipt: Receipt) -> int:
    # The size of the whole process says nothing of the guest's memory, which is what is limited.
    return receipt.usage.peak_memory_bytes if receipt.usage.memory_of == "guest" else 0


def _wall_time(receipt: Receipt) -> int:
    return -int(-receipt.usage.wall_time_ms // 1)


def _output(receipt: Receipt) -> int:
    return receipt.usage.bytes_out


_USED: Final[Mapping[str, Callable[[Receipt], int]]] = {
    "wall_time": _wall_time,
    "memory": _memory,
    "output": _output,
}


def _hit(key: str, receipt: Receipt, limits: Limits) -> bool:
    match key, receipt.outcome:
        case "output", "OutputOverflow":
            return True
        case "wall_time", "TimedOut":
            return receipt.usage.wall_time_ms >= limits.wall_time_ms
        case _:
            return False


def _rounded(number: int, unit: int) -> int:
    """Return the next power of two, in this unit."""
    return unit << max(0, (-(-number // unit) - 1).bit_length())


def _line(key: str, number: int) -> str:
    return f'{key} = "{format_limit(key, number)}"'
