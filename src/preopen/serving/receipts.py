"""A receipt as JSON: the same for clients and for the audit log. No protocol here."""

from preopen.outcome import Denial, JsonValue, Receipt, Request


def receipt_to_json(receipt: Receipt) -> dict[str, JsonValue]:
    """Return a receipt as clients and the audit log see it."""
    usage = receipt.usage
    fuel = {} if usage.fuel_used is None else {"fuel_used": usage.fuel_used}
    user = {"cell_user": receipt.cell_user} if receipt.cell_user else {}
    return {
        "outcome": receipt.outcome,
        "grants": list(receipt.grants),
        "cell": receipt.cell,
        **user,
        "walls": list(receipt.walls),
        "walls_missing": list(receipt.walls_missing),
        "wall_time_ms": round(usage.wall_time_ms, 3),
        "cpu_time_ms": round(usage.cpu_time_ms, 3),
        "peak_memory_bytes": usage.peak_memory_bytes,
        "memory_of": usage.memory_of,
        "bytes_in": usage.bytes_in,
        "bytes_out": usage.bytes_out,
        **fuel,
        "denials": list(map(denial_to_json, receipt.denials)),
        "requests": list(map(_request_to_json, receipt.requests)),
        **({"left_out": receipt.left_out} if receipt.left_out else {}),
        "notes": list(receipt.notes),
        **({"consent": receipt.consent} if receipt.consent else {}),
        "sha256": receipt.sha256,
    }


def denial_to_json(denial: Denial) -> dict[str, JsonValue]:
    """Return one denial as receipts have it."""
    return {"target": denial.target, "reason": denial.reason, "allow": denial.allow}


def _request_to_json(request: Request) -> dict[str, JsonValue]:
    path = {"path": request.path} if request.path else {}
    return {
        "method": request.method,
        "scheme": request.scheme,
        "host": request.host,
        "port": request.port,
        **path,
        "address": request.address,
        "result": request.result,
        "request_bytes": request.request_bytes,
        "response_bytes": request.response_bytes,
        "time_ms": round(request.time_ms, 3),
    }
