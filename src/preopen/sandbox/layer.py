"""The names of the wall's layers, as receipts, `probe` and tests say them."""

import enum


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
