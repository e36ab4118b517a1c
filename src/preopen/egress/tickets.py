"""What was approved, and the one-time path that stands for it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from preopen.egress.rule import Secret, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A credential with its values: the whole header, and the secret in it, which is masked."""

    header: bytes
    value: Secret
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """One request that passed both gates: what goes out, to which addresses, with what.

    `entry` is its number in the record of requests.
    """

    target: Target
    addresses: tuple[IPv4Address | IPv6Address, ...]
    login: Login | None
    entry: int


@dataclass(slots=True, kw_only=True)
class Tickets:
    """The tickets of one call. State: those issued and not yet redeemed, oldest first."""

    lifetime_s: float
    clock: Callable[[], float]
    _open: dict[str, tuple[float, Approved]] = field(default_factory=dict)

    def issue(self, approved: Approved) -> str:
        """Return a path that nobody can guess; it is good once, for `lifetime_s`."""
        path = "/" + secrets.token_urlsafe(24)
        self._open[path] = self.clock() + self.lifetime_s, approved
        return path

    def redeem(self, path: str) -> Approved | None:
        """Return what the path stands for and forget it; None if unknown, used or expired."""
        expires, approved = self._open.get(path, (0.0, None))
        if approved is None or self.clock() >= expires:
            return None  # an expired one stays for `expired`, which says what became of it
        del self._open[path]
        return approved

    def expired(self) -> tuple[Approved, ...]:
        """Return what nobody redeemed in time, and forget it."""
        now, gone = self.clock(), []
        for path, (expires, approved) in list(self._open.items()):
            if now < expires:
                break
            del self._open[path]
            gone.append(approved)
        return tuple(gone)

    def clear(self) -> tuple[Approved, ...]:
        """Return what nobody redeemed, and forget all of it."""
        left = tuple(approved for _, approved in self._open.values())
        self._open.clear()
        return left

    def __len__(self) -> int:
        return len(self._open)
