"""The gate component, which a networked call's Store holds too: where its bytes are."""

import functools
import hashlib

from preopen.cells.cache import BinarySource
from preopen.errors import BinaryError, Fault
from preopen.shipped import WASM, shipped
from preopen.wire.frames import Binary
from preopen.wire.starters import GATE_SHA256, gate_binary


@functools.cache
def gate_source(guest: Binary) -> BinarySource:
    """Return the gate for a guest of this profile: code of one engine does not run in another."""
    return BinarySource(
        binary=gate_binary(stack_bytes=guest.stack_bytes, counts_fuel=guest.counts_fuel),
        place="preopen's own gate",
        read=_read,
    )


def _read() -> bytes:
    """Return the bytes of `wasm/http_gate`.

    Raises:
        BinaryError: they are not there, or not those that this release was built with.

    """
    file = shipped(WASM) / "http_gate" / "http_gate.wasm"
    try:
        data = file.read_bytes()
    except OSError as error:
        fault = Fault(place=str(file), found=f"cannot be read: {error.strerror}", write=_REINSTALL)
        raise BinaryError(fault) from error
    if hashlib.sha256(data).hexdigest() != GATE_SHA256:
        raise BinaryError(
            Fault(place=str(file), found="is not this release's gate", write=_REINSTALL)
        )
    return data


_REINSTALL = "install preopen again"
