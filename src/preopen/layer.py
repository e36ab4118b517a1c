"""The layers of the wall, by the names that receipts, `preopen doctor` and an operator say."""

import enum
from collections.abc import Iterable
from typing import Final


class Layer(enum.StrEnum):
    """One layer of the wall, in the order in which a cell puts them up.

    The four parts of Landlock came with later kernels; where one is missing the rest of Landlock
    still stands, and the part is named.
    """

    NAMESPACES = "namespaces"
    CAPABILITIES = "capabilities"
    NO_NEW_PRIVS = "no-new-privs"
    LANDLOCK = "landlock"  # reading, writing and executing files
    LANDLOCK_TRUNCATE = "landlock-truncate"  # cutting files short, which needs no right to write
    LANDLOCK_TCP = "landlock-tcp"  # TCP connections, by port
    LANDLOCK_DEVICES = "landlock-devices"  # ioctl on devices
    LANDLOCK_SCOPE = "landlock-scope"  # signals and abstract Unix sockets
    SECCOMP = "seccomp"
    UNDUMPABLE = "undumpable"
    RLIMITS = "rlimits"


ALL: Final = "all"  # what an operator writes for every one of them
LAYER_NAMES: Final = (ALL, *(layer.value for layer in Layer))


def layers_named(names: Iterable[str]) -> frozenset[Layer]:
    """Return the layers of these names, "all" being every one.

    Raises:
        ValueError: one of them is no layer's name.

    """
    found: set[Layer] = set()
    for name in names:
        found |= set(Layer) if name == ALL else {Layer(name)}
    return frozenset(found)
