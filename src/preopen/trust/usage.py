"""What tools used, by the minute, in one file that servers of one user share. The door to SQLite.

Knows no quota and reads no clock. Whoever counts does it in one transaction, so that what two
servers decide at once is decided one after the other.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preopen.errors import Fault, PlatformError
from preopen.own import STATE, make_once, own_folder, usable

DAY: Final = 24 * 60  # minutes; what is older is forgotten
BUSY_SECONDS: Final = 5.0  # a transaction takes a few ms; 5 s is a disk that hangs
_LAYOUT: Final = 1
_TABLES: Final = (
    "CREATE TABLE clock (latest INTEGER NOT NULL CHECK (typeof(latest) = 'integer'))",
    "INSERT INTO clock VALUES (0)",
    """CREATE TABLE used (
        tool TEXT NOT NULL,
        minute INTEGER NOT NULL,
        calls INTEGER NOT NULL DEFAULT 0 CHECK (typeof(calls) = 'integer' AND calls >= 0),
        bytes_out INTEGER NOT NULL DEFAULT 0
            CHECK (typeof(bytes_out) = 'integer' AND bytes_out >= 0),
        PRIMARY KEY (tool, minute)
    ) WITHOUT ROWID""",
    "CREATE INDEX used_minute ON used (minute)",
    f"PRAGMA user_version = {_LAYOUT}",
)
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Of the disk, or of the rights to it. A journal that cannot be made is among them.
_DISK: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one tool used in one minute, which is counted from the epoch; sizes in bytes."""

    minute: int
    calls: int
    bytes_out: int


class Book:
    """The file within one transaction. Made by `open_book`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def minute(self, clock: int) -> int:
        """Return the minute that counts: the clock's, or the latest that any server saw.

        A clock that is set back would make what was used look as if it were still to come.
        """
        minute = max(clock, self.latest())
        self._database.execute("UPDATE clock SET latest = ?", (minute,))
        self._database.execute("DELETE FROM used WHERE minute < ?", (minute - DAY,))
        return minute

    def latest(self) -> int:
        """Return the latest minute that any server saw, 0 before the first."""
        (latest,) = self._database.execute("SELECT coalesce(max(latest), 0) FROM clock").fetchone()
        return int(latest)

    def used(self, tool: str) -> tuple[Used, ...]:
        """Return what a tool used in the last day, oldest first."""
        rows = self._database.execute(
            "SELECT minute, cast(calls AS INTEGER), cast(bytes_out AS INTEGER) FROM used"
            " WHERE tool = ? ORDER BY minute",
            (tool,),
        )
        return tuple(Used(minute=m, calls=c, bytes_out=b) for m, c, b in rows)

    def add(self, tool: str, minute: int, *, calls: int = 0, bytes_out: int = 0) -> None:
        """Add to what a tool used in a minute; `calls` below zero takes them back."""
        self._database.execute(
            "INSERT INTO used (tool, minute) VALUES (?, ?) ON CONFLICT DO NOTHING", (tool, minute)
        )
        self._database.execute(
            "UPDATE used SET calls = max(0, calls + ?), bytes_out = bytes_out + ?"
            " WHERE tool = ? AND minute = ?",
            (calls, bytes_out, tool, minute),
        )


@contextmanager
def open_book(file: Path) -> Iterator[Book]:
    """Open the file for one transaction, which stands whole or not at all. Blocks up to 5 s.

    Raises:
        PlatformError: folder or file is not ours alone, other servers kept it busy, or it cannot be
            read or written.

    """
    own_folder(file.parent, STATE)
    try:
        with usable(file.parent, STATE):
            _make_or_check(file)
        # A connection for each transaction: whoever removes the file starts anew at once.
        with closing(_connect(file, "rw")) as database:
            # Writing from its first statement on: nobody decides by what another is changing.
            database.execute("BEGIN IMMEDIATE")
            try:
                _lay_out(database, file)
                yield Book(database)
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise PlatformError(_fault(file, error)) from error


def read_used(file: Path, tool: str) -> tuple[int, tuple[Used, ...]] | None:
    """Return the latest minute that any server saw, and what a tool used, oldest first.

    Nothing is made, written or forgotten: what is older than a day may be among it. (0, ()) where
    nobody counted yet; None where a server was killed as it wrote, which the next to count puts
    right. Blocks up to 5 s.

    Raises:
        PlatformError: as of `open_book`.

    """
    if not os.path.lexists(file.parent):
        return 0, ()
    own_folder(file.parent, STATE)
    with usable(file.parent, STATE):
        try:
            _check(file, file.lstat())
        except FileNotFoundError:
            return 0, ()
    try:
        with closing(_connect(file, "ro")) as database:
            database.execute("BEGIN")  # both answers are of one moment
            if _layout(database, file) == 0:
                return 0, ()
            book = Book(database)
            return book.latest(), book.used(tool)
    except sqlite3.Error as error:
        # A hot journal, which only a writer may play back (SQLite's "Result and Extended Result
        # Codes", 776).
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
            return None
        raise PlatformError(_fault(file, error)) from error


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    uri = f"{file.as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _make_or_check(file: Path) -> None:
    """Make the file with mode 0600, or check that it is ours alone."""
    # By its name: to open and close the file would end this process's locks on it (SQLite's "How
    # To Corrupt An SQLite Database File", 2.2). Nobody else may enter the folder.
    try:
        about = file.lstat()
    except FileNotFoundError:
        make_once(file, b"")
        about = file.lstat()
    _check(file, about)


def _check(file: Path, about: os.stat_result) -> None:
    mode = stat.S_IMODE(about.st_mode)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or mode & 0o077:
        found = f"it is no file of ours alone (user {about.st_uid}, mode {mode:04o})"
        raise PlatformError(Fault(place=str(file), found=found, write=_anew(file)))


def _lay_out(database: sqlite3.Connection, file: Path) -> None:
    if _layout(database, file) == 0:
        for statement in _TABLES:
            database.execute(statement)


def _layout(database: sqlite3.Connection, file: Path) -> int:
    """Return which layout the file has, 0 before it has one; another one is a fault."""
    (layout,) = database.execute("PRAGMA user_version").fetchone()
    if layout not in (0, _LAYOUT):
        found = f"it has layout {layout}, and this preopen writes layout {_LAYOUT}"
        raise PlatformError(Fault(place=str(file), found=found, write=_anew(file)))
    return int(layout)


def _fault(file: Path, error: sqlite3.Error) -> Fault:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary one of an extended code
    if code in _BUSY:
        found, write = f"other servers kept it busy for {BUSY_SECONDS:.0f} s", "call again"
    elif code in _DISK:
        found = f"cannot be read or written: {error}"
        write = f"make room, or set {STATE} to a folder that you may write"
    elif code in _DAMAGED:
        found, write = f"it is damaged: {error}", _anew(file)
    else:
        found, write = f"it does not hold what it should: {error}", _anew(file)
    return Fault(place=str(file), found=found, write=write)


def _anew(file: Path) -> str:
    return f"remove it (rm {file}); counting then begins at zero"
