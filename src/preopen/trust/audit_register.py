"""Which files the audit log has: so that one that is removed, with its head and all, is missed.

One file for every process of the user's, changed whole and under a lock.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from preopen.own import STATE, change_file, own_folder, own_key, read_own, usable
from preopen.trust.audit_line import make_sealed, read_body

REGISTER: Final = "files.json"
FOLDER: Final = "audit"
KEY: Final = "audit.key"
AFTER_REMOVAL: Final = "what was recorded until then can no longer be checked"
MAX_PRUNINGS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Files that the operator had removed, and when."""

    time: str
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Names of files in the order of their beginnings.

    `lost` is the time at which a register had to be begun although there was a key: then an older
    one, and whatever it named, was removed. "" where that never happened. `going` are the names
    that the operator is having removed: a file of those may be there or not.
    """

    files: tuple[str, ...] = ()
    going: tuple[str, ...] = ()
    lost: str = ""
    prunings: tuple[Pruning, ...] = ()

    def pruned(self, pruning: Pruning, *, going: tuple[str, ...]) -> "Register":
        """Return it after one more pruning; of very many, the last ones are known."""
        prunings = (*self.prunings, pruning)[-MAX_PRUNINGS:]
        return replace(self, going=going, prunings=prunings)


def prepare(state_dir: Path, time: str) -> bytes:
    """Return the log's key; key and register are made where there are none.

    Raises:
        PlatformError: the folder or the key is not ours alone, or cannot be written.

    """
    file = state_dir / FOLDER / REGISTER

    def begin(text: str | None) -> str:
        # Under the register's lock: of several servers, only the first finds no key.
        had_key = (state_dir / KEY).exists()
        key = own_key(state_dir / KEY, AFTER_REMOVAL)
        return text or write_register(key, Register(lost=time if had_key else ""))

    own_folder(state_dir, STATE)  # first: one that is made on the way to another is open to all
    own_folder(file.parent, STATE)
    with usable(file.parent, STATE):
        there = file.exists()
    if not there:
        change_file(file, STATE, begin)
    return own_key(state_dir / KEY, AFTER_REMOVAL)


def change_register(
    state_dir: Path, key: bytes, time: str, change: Callable[[Register], Register]
) -> None:
    """Replace the register by what `change` makes of it.

    Raises:
        PlatformError: it cannot be written.

    """

    def rewrite(text: str | None) -> str:
        known = None if text is None else read_register(key, text)
        return write_register(key, change(known or Register(lost=time)))

    change_file(state_dir / FOLDER / REGISTER, STATE, rewrite)


def add_file(state_dir: Path, key: bytes, time: str, name: str) -> None:
    """Add a file that was begun.

    Raises:
        PlatformError: the register cannot be written.

    """

    def add(known: Register) -> Register:
        return replace(known, files=(*known.files, name))

    change_register(state_dir, key, time, add)


def find_register(state_dir: Path, key: bytes) -> Register | None:
    """Return the register; None where there is none that was written under this key.

    Raises:
        PlatformError: it cannot be read.

    """
    file = state_dir / FOLDER / REGISTER
    with usable(file.parent, STATE):
        text = read_own(file)
    return None if text is None else read_register(key, text)


def write_register(key: bytes, register: Register) -> str:
    """Return a register as its file's text."""
    fields = {
        "files": list(register.files),
        "going": list(register.going),
        "lost": register.lost,
        "prunings": [[each.time, each.files] for each in register.prunings],
    }
    return make_sealed(key, fields).decode() + "\n"


def read_register(key: bytes, text: str) -> Register | None:
    """Return what a register's text says, None where it was not written so under this key."""
    match read_body(text.encode(errors="replace")):
        case {
            "files": [*files],
            "going": [*going],
            "lost": str(lost),
            "prunings": [*prunings],
        }:
            pass
        case _:
            return None
    try:
        found = Register(
            files=tuple(map(str, files)),
            going=tuple(map(str, going)),
            lost=lost,
            prunings=tuple(Pruning(time=str(time), files=int(n)) for time, n in prunings),
        )
    except (TypeError, ValueError, OverflowError):
        return None
    written = write_register(key, found).encode()
    return found if hmac.compare_digest(written, text.encode(errors="replace")) else None
