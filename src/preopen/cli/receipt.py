"""A receipt as a person reads it. What a machine reads is serving/server.py's."""

from collections.abc import Iterator

from preopen.cli.printing import aligned
from preopen.outcome import Receipt, Request, Usage


def receipt_lines(receipt: Receipt) -> list[str]:
    """Return the receipt as aligned lines."""
    return aligned(_rows(receipt))


def _rows(receipt: Receipt) -> Iterator[tuple[str, str]]:
    usage = receipt.usage
    yield "outcome", receipt.outcome
    yield "reached", "; ".join(receipt.grants) or "nothing"
    user = receipt.cell_user and f", as the workspace's owner {receipt.cell_user}"
    yield "cell", f"{_CELLS.get(receipt.cell, receipt.cell)}{user}"
    if receipt.consent:
        yield "consent", receipt.consent
    if receipt.cell != "none":
        yield "walls", ", ".join(receipt.walls) or "none"
        if receipt.walls_missing:
            yield "missing", "; ".join(receipt.walls_missing)
        memory = f"{usage.peak_memory_bytes / (1 << 20):.1f} MiB ({usage.memory_of})"
        yield (
            "used",
            (
                f"{usage.wall_time_ms:.1f} ms, {usage.cpu_time_ms:.1f} ms CPU, {memory}, "
                f"{usage.bytes_in} bytes in, {usage.bytes_out} out{_fuel(usage)}"
            ),
        )
    for request in receipt.requests:
        yield "request", _request(request)
    for denial in receipt.denials:
        yield "denied", str(denial)
    if receipt.left_out:
        yield "left out", f"{receipt.left_out} more requests and denials"
    for note in receipt.notes:
        yield "note", note
    yield "sha256", receipt.sha256


def _request(request: Request) -> str:
    host = f"[{request.host}]" if ":" in request.host else request.host
    where = f"{request.scheme}://{host}:{request.port}{request.path}"
    at = f" at {request.address}" if request.address else ""
    sizes = f"{request.request_bytes} bytes up, {request.response_bytes} down"
    return f"{request.method} {where}{at}: {request.result}, {sizes}, {request.time_ms:.1f} ms"


def _fuel(usage: Usage) -> str:
    return "" if usage.fuel_used is None else f", {usage.fuel_used} units of fuel"


_CELLS = {"call": "for this call alone", "tool": "of this tool", "none": "none was touched"}
