"""Binaries that could not be compiled, remembered by their hash, so that each costs its time once.

A file `<sha256 of the binary>.refused` beside the compiled ones holds the reason. Its folder is one
for each engine, so another wasmtime, or other settings, try again by themselves.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preopen.document import printable
from preopen.errors import BinaryError, Fault

_REASON_BYTES = 1000  # of a file that anything may stand in; the compiler's own reasons are shorter

_WAY_OUT: Final = "rebuild it, or try the same one again with `preopen check --retry`"


@dataclass(frozen=True, slots=True)
class Refusals:
    """What one engine's compiler refused, or died of."""

    shelf: Path

    def recall(self, sha256: str, place: str) -> BinaryError | None:
        """Return the Refusal of the binary of this hash, which `place` names, or None.

        That there is a file is what counts: one that cannot be read refuses, too.
        """
        try:
            reason = _read(self._file_of(sha256))
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = f"it was refused before, and why cannot be read ({error.strerror})"
        found = f"{reason} (remembered from the first try)"
        return BinaryError(Fault(place=place, found=found, write=_WAY_OUT))

    def remember(self, sha256: str, error: BinaryError) -> None:
        """Keep why this binary was refused. Where that fails it is only tried once more."""
        reason = "; ".join(fault.found for fault in error.faults)
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(self._file_of(sha256), flags, 0o600), "wb") as file:
                file.write(reason.encode(errors="replace")[:_REASON_BYTES])

    def forget(self, sha256: str) -> None:
        """Have the binary tried again."""
        self._file_of(sha256).unlink(missing_ok=True)

    def _file_of(self, sha256: str) -> Path:
        return self.shelf / f"{sha256}.refused"


def _read(path: Path) -> str:
    # Never waits, whatever it is: a fifo without a writer gives an end of file.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        text = (file.read(_REASON_BYTES) or b"").decode(errors="replace")
    return printable(" ".join(text.split())) or "it was refused before, and no reason is kept"
