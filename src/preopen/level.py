"""Permission levels: how much harm a tool could do with what it was granted."""

import enum
import functools


@functools.total_ordering
class PermissionLevel(enum.Enum):
    """`none < read-only < write < execute < dangerous < forbidden`.

    A manifest declares one; the policy derives one from the grants. The derived one is advertised,
    gated and asked about; the declared one is only what it must not exceed. `forbidden` is never
    offered.
    """

    NONE = "none"
    READ_ONLY = "read-only"
    WRITE = "write"
    EXECUTE = "execute"
    DANGEROUS = "dangerous"
    FORBIDDEN = "forbidden"

    @property
    def rank(self) -> int:
        """The place in the order, 0 for `none`."""
        return list(PermissionLevel).index(self)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, PermissionLevel):
            return NotImplemented
        return self.rank < other.rank
