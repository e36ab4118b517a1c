"""What one call asked of the network, for its receipt: bounded, since a guest can ask for ever."""

from dataclasses import dataclass, field

from preopen.outcome import Denial, Request


@dataclass(slots=True, kw_only=True)
class Record:
    """Requests in the order of their asks, and denials; of those beyond the caps, the count."""

    max_requests: int
    max_denials: int
    requests: list[Request] = field(default_factory=list)
    denials: list[Denial] = field(default_factory=list)
    more_requests: int = 0
    more_denials: int = 0

    def add(self, request: Request) -> int:
        """Return the entry's number, for `replace`."""
        if len(self.requests) < self.max_requests:
            self.requests.append(request)
        else:
            self.more_requests += 1
        return len(self.requests) + self.more_requests - 1

    def replace(self, entry: int, request: Request) -> None:
        """Put what became of a request where its ask stands; nothing for one beyond the cap."""
        if entry < self.max_requests:
            self.requests[entry] = request

    def deny(self, denial: Denial) -> None:
        """Add a denial; one like an earlier one is not told twice."""
        if denial in self.denials:
            return
        if len(self.denials) < self.max_denials:
            self.denials.append(denial)
        else:
            self.more_denials += 1
