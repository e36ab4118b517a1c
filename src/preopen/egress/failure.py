"""Why a request that was approved came to nothing: the far side's fault, or the guest's."""

from typing import Final

_TIMEOUTS: Final = frozenset(
    {
        "connection_timeout",
        "connection_read_timeout",
        "connection_write_timeout",
        "http_response_timeout",
    }
)


class Failure(Exception):  # noqa: N818 - a word of ours, for what is no error here
    """The far side gave no answer, or none that can be passed on.

    `error` is a proxy error type of RFC 9209, 2.3. `details` is a text of ours: never one of a
    library, whose messages repeat headers, and never one of the server. `limit` is the manifest's
    key that ended it, or "".
    """

    def __init__(self, error: str, details: str, *, limit: str = "") -> None:
        super().__init__(f"{error}: {details}")
        self.error = error
        self.details = details
        self.limit = limit

    @property
    def status(self) -> int:
        """What the guest is answered: 504 where time ran out, else 502."""
        return 504 if self.error in _TIMEOUTS else 502

    @property
    def proxy_status(self) -> str:
        """The value of `Proxy-Status` (RFC 9209)."""
        return f'preopen; error={self.error}; details="{self.details}"'


class GuestLost(Exception):  # noqa: N818 - nothing of ours went wrong
    """The guest left, stalled, sent what is no request, or more than it may: then by `limit`."""

    def __init__(self, reason: str, *, limit: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.limit = limit
