"""preopen's own folders, keys and files: ours alone, changed whole or not at all.

Several servers share them: a file changes under a lock, beside and then renamed.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from preopen.errors import Fault, PlatformError

# The variables by which the operator moves the three folders.
CONFIG: Final = "XDG_CONFIG_HOME"
CACHE: Final = "XDG_CACHE_HOME"
STATE: Final = "XDG_STATE_HOME"
MOST_BYTES: Final = 64 << 20  # of a text file; a lock with hundreds of tools has a tenth of it
_KEY_BYTES = 32
_ALL = 0o077
_WRITING = 0o022
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def usable(folder: Path, variable: str) -> Iterator[None]:
    """Say of a folder of ours that what was tried in it failed, and what the operator can do."""
    try:
        yield
    except OSError as error:
        raise unusable(folder, variable, error) from error


def unusable(folder: Path, variable: str, error: OSError) -> PlatformError:
    """Return what it means that one of preopen's own folders cannot be made, read or written."""
    found = f"cannot be made or written: {error.strerror or error}"
    if isinstance(error.filename, str | Path) and str(error.filename) != str(folder):
        found = f"{found} ({error.filename})"
    write = f"set {variable} to a folder that you may write"
    if error.errno in _FULL:
        write = f"make room, or set {variable} to a folder on another disk"
    return PlatformError(Fault(place=str(folder), found=found, write=write))


def own_folder(folder: Path, variable: str, *, others: int = _ALL) -> None:
    """Make a folder that is ours alone, or check that it is; `variable` names another one.

    `others` are the bits of its mode that may not be set: all of them, or only those to write.

    Raises:
        PlatformError: it cannot be made, belongs to another user, or others may enter it.

    """
    with usable(folder, variable):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.stat()
    if about.st_uid != os.geteuid():
        found = f"it belongs to user {about.st_uid}, and whoever writes there runs code as you"
        write = f"set {variable} to a folder of your own"
        raise PlatformError(Fault(place=str(folder), found=found, write=write))
    if stat.S_IMODE(about.st_mode) & others:
        what, mode = ("enter", "700") if others == _ALL else ("write in", "go-w")
        found = f"its mode is {stat.S_IMODE(about.st_mode):04o}, so others may {what} it"
        raise PlatformError(Fault(place=str(folder), found=found, write=f"chmod {mode} {folder}"))


def own_key(file: Path, after_removal: str) -> bytes:
    """Return the 32 bytes of a `0600` key in our state folder, made at the first asking.

    `after_removal` says what it means that a damaged key is removed.

    Raises:
        PlatformError: the folder or the key is not ours alone, or the key has another length.

    """
    own_folder(file.parent, STATE)
    with usable(file.parent, STATE):
        try:
            return _read_key(file, after_removal)
        except FileNotFoundError:
            make_once(file, secrets.token_bytes(_KEY_BYTES))
            return _read_key(file, after_removal)


def read_key(file: Path, after_removal: str) -> bytes | None:
    """Return a key that `own_key` made, None where there is none; nothing is made.

    Raises:
        PlatformError: it is not ours alone, or has another length.

    """
    with usable(file.parent, STATE):
        try:
            return _read_key(file, after_removal)
        except FileNotFoundError:
            return None


def make_once(file: Path, content: bytes) -> None:
    """Make a `0600` file of ours with this content, unless it is there by now.

    Never over the file of a server that was quicker, and never seen half written.

    Raises:
        OSError: it cannot be made.

    """
    beside = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
        os.link(beside, file)
    except FileExistsError:
        pass
    finally:
        beside.unlink(missing_ok=True)


def _read_key(path: Path, after_removal: str) -> bytes:
    # Never waits, whatever stands there, and reads a folder as none.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        mode = stat.S_IMODE(about.st_mode)
        key = os.read(descriptor, _KEY_BYTES + 1) if stat.S_ISREG(about.st_mode) else b""
    finally:
        os.close(descriptor)
    if mode & 0o077 or len(key) != _KEY_BYTES:
        found = f"this key has mode {mode:04o} and {len(key)} bytes"
        write = f"remove it (rm {path}); {after_removal}"
        raise PlatformError(Fault(place=str(path), found=found, write=write))
    return key


def change_file(file: Path, variable: str, change: Callable[[str | None], str]) -> None:
    """Replace a text file of ours by what `change` makes of it, None where there is none yet.

    Under a lock beside it, so that of several servers none undoes what another wrote; written
    beside, fsynced and renamed, mode 0600: a reader sees the old text or the new one. What `change`
    raises leaves the file as it was.

    Raises:
        PlatformError: the folder is not ours alone, or the file cannot be read or written.

    """
    own_folder(file.parent, variable, others=_WRITING)
    with usable(file.parent, variable), _locked(file):
        text = change(read_own(file))
        beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}.part")
        try:
            with os.fdopen(
                os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as out:
                out.write(text.encode())
                out.flush()
                os.fsync(out.fileno())
            beside.rename(file)
        finally:
            beside.unlink(missing_ok=True)


def read_own(file: Path) -> str | None:
    """Return a text file of ours, None where there is none; never through a link.

    Raises:
        OSError: it cannot be read.
        PlatformError: others may write it, or it is larger than 64 MiB.

    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as opened:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & _WRITING:
            found = f"it belongs to user {about.st_uid} with mode {stat.S_IMODE(about.st_mode):04o}"
            write = f"chown {os.geteuid()} {file} and chmod 600 {file}, if it says what you mean"
            raise PlatformError(Fault(place=str(file), found=found, write=write))
        if about.st_size > MOST_BYTES:
            found = f"it is larger than {MOST_BYTES >> 20} MiB, which preopen never writes"
            write = "put back the one that was there, or move it away"
            raise PlatformError(Fault(place=str(file), found=found, write=write))
        return opened.read(MOST_BYTES).decode(errors="replace")


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock of a file of ours; it stays behind, empty, for a rename would lose it."""
    lock = file.with_name(f".{file.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
