"""How much and how long: the bounds of asks, of requests and of what a receipt holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Bounds that no manifest changes. Times in seconds, sizes in bytes.

    `head_s` is for a guest's request head and `first_byte_s` for a server's response head, each
    from its beginning to its end; `between_s` lies between two pieces of a body, either way.
    `headers` and `head_bytes` bound either head. `linger_s` is how long a guest that was answered
    early may go on sending.
    """

    ticket_s: float = 30.0  # the cell redeems at once; 30 s is a machine that swaps
    resolve_s: float = 10.0
    connect_s: float = 10.0
    head_s: float = 10.0
    first_byte_s: float = 60.0
    between_s: float = 60.0
    linger_s: float = 2.0
    headers: int = 128
    head_bytes: int = 64 << 10
    discarded: int = 16 << 20  # bytes that a guest may send in vain after an early answer
    addresses: int = 8  # of a name that are tried; all are checked
    recorded: int = 200  # requests in a receipt; a guest can ask a million times
    denied: int = 100  # denials in a receipt
