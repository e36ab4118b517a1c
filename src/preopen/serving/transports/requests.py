"""The requests that were taken and are not settled: each id once, and so many bytes in all.

No stream and no clock here. One event loop, so no lock.
"""

from typing import Final

from mcp.shared.dispatcher import coerce_request_id
from mcp_types import INVALID_REQUEST, ErrorData, JSONRPCError, JSONRPCRequest, RequestId

from preopen.serving.transports.framing import MAX_LINE_BYTES

# Two of the longest lines. A tool lets 256 calls wait by default: with arguments of 16 MiB each
# they would hold 4 GiB.
MAX_TAKEN_BYTES: Final = 2 * MAX_LINE_BYTES
TOO_MUCH: Final = -32005  # of the codes that JSON-RPC leaves to servers, one that the SDK has not


class Requests:
    """Whose answers are still to come."""

    def __init__(self, max_bytes: int = MAX_TAKEN_BYTES) -> None:
        self._max_bytes = max_bytes
        self._taken: dict[RequestId, int] = {}
        self._bytes = 0

    def take(self, request: JSONRPCRequest, size: int) -> JSONRPCError | None:
        """Take a request whose line had `size` bytes, or return the answer that refuses it.

        A second request with the id of a running one is refused, by that id: answered, its caller
        would take the first one's answer for its own, and a cancel would reach the wrong one.
        "7" and 7 are one id here as they are to the SDK.
        """
        key = coerce_request_id(request.id)
        if key in self._taken:
            text = "a request with this id is still being answered; give each request its own id"
            return _refuse(request.id, INVALID_REQUEST, text)
        if self._taken and self._bytes + size > self._max_bytes:
            text = f"requests of {self._bytes} bytes are being answered and this one has {size}, "
            text += f"of at most {self._max_bytes} at once; wait for an answer, then ask again"
            return _refuse(request.id, TOO_MUCH, text)
        self._taken[key] = size
        self._bytes += size
        return None

    def settle(self, request_id: RequestId | None) -> None:
        """Forget a request: it is answered, or was taken back. An unknown id is nothing."""
        if request_id is not None:
            self._bytes -= self._taken.pop(coerce_request_id(request_id), 0)


def _refuse(request_id: RequestId, code: int, text: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=text))
