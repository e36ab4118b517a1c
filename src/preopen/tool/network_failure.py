"""What the gateway refused or cut → lines that let a model act, beside whatever the guest printed.

A guest hears an error code at most; what was in the way, and how to move it, stands here.
"""

from collections.abc import Sequence
from typing import Final

from preopen.outcome import Denial, Request
from preopen.tool.failure import held_to, how_to_raise, one_line, twice, written
from preopen.tool.manifest import Manifest

_SHOWN: Final = 5

_CUT: Final = {
    "request_bytes": "was not sent whole: its body is longer than",
    "response_bytes": "was cut: its answer is longer than",
    "requests": "was not sent: as many are in flight as there may be,",
}


def explain_network(
    manifest: Manifest, requests: Sequence[Request], denials: Sequence[Denial]
) -> tuple[str, ...]:
    """Return what was denied and what a limit ended, a line each with its way out."""
    return (*_denied(denials), *_cut(manifest, requests))


def _denied(denials: Sequence[Denial]) -> tuple[str, ...]:
    seen = dict.fromkeys((one_line(each.reason), one_line(each.allow)) for each in denials)
    lines = [
        f"Denied by the operator's policy: {reason}." + (f" To allow it, {allow}." if allow else "")
        for reason, allow in list(seen)[:_SHOWN]
    ]
    more = len(seen) - len(lines)
    return (*lines, f"… and {more} more that the receipt names.") if more > 0 else tuple(lines)


def _cut(manifest: Manifest, requests: Sequence[Request]) -> tuple[str, ...]:
    """Return a line for each limit that a request met; the first request stands for all."""
    met = {request.limit: request for request in reversed(requests) if request.limit in _CUT}
    return tuple(
        f"{each.method} to {each.host} {_CUT[key]} {written(key, held_to(manifest, key))}."
        f" {how_to_raise(manifest, twice(key, held_to(manifest, key)))}"
        for key, each in met.items()
    )
