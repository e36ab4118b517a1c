"""Exceptions of load time, by whose fault they are. What a guest does is an Outcome, never one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong in one place, and the way out.

    `place` is a file, flag or command line; `key` the dotted key in it (or ""); `found` says what
    stands there; `write` says what to write instead (or "").
    """

    place: str
    key: str = ""
    found: str
    write: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: {self.key}" if self.key else self.place
        return f"{where}: {self.found}; {self.write}" if self.write else f"{where}: {self.found}"


def found_and_write(problem: ValueError | str) -> tuple[str, str]:
    """Return the halves of "what was found; what to write". What was found may hold a "; "."""
    found, _, write = str(problem).rpartition("; ")
    return (found, write) if found else (write, "")


class PreopenError(Exception):
    """Raised when something cannot be loaded or started; never raised itself, only its kinds are.

    `faults` holds every fault that was found, at least one, in the order of the file.
    """

    def __init__(self, *faults: Fault) -> None:
        if type(self) is PreopenError:
            msg = "raise ManifestError, BinaryError, PolicyError, UsageError or PlatformError"
            raise TypeError(msg)
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


class ManifestError(PreopenError):
    """Raised when a manifest is not valid: its author's fault. The tool is not offered."""


class BinaryError(PreopenError):
    """Raised when a binary is damaged, too large or not what its manifest pinned."""


class PolicyError(PreopenError):
    """Raised when `preopen.toml` or a flag over it is not valid: the operator's fault."""


class PlatformError(PreopenError):
    """Raised when this machine lacks, or fails at, something that preopen needs to run."""
