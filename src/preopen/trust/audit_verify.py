"""Is the audit log whole? Every file under the key, with its head, and with the files around it."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from preopen.document import shown
from preopen.errors import Fault
from preopen.own import read_key
from preopen.trust.audit_chain import Chain, check_head
from preopen.trust.audit_file import ENDING, HEAD_ENDING
from preopen.trust.audit_files import NAME, is_in_use, lines_of, list_files, opened, read_small
from preopen.trust.audit_line import BEGINNING, Head, read_head
from preopen.trust.audit_register import (
    AFTER_REMOVAL,
    FOLDER,
    KEY,
    REGISTER,
    Pruning,
    Register,
    find_register,
)

_OTHERS: Final = 0o077
MOST_BYTES: Final = 64 << 20  # of a file that is read; a writer goes on to the next long before
TRIES: Final = 5  # to read a head that is being written

_ANEW: Final = f"end every server, move {FOLDER}/ and {KEY} away together, and a new log begins"
_AWAY: Final = "find out who removed it, and put it back from a copy if there is one"
_AWAY_OR_ANEW: Final = f"{_AWAY}, or {_ANEW}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One file: its records, how it ended, and what was found in it.

    `state` is "ended", "rotated" (another file follows), "running" (its process lives), "stopped"
    (its process ended without a word) or "begun" (its process ended before it wrote any record).
    """

    file: str
    records: int
    state: str
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    last_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check of the whole log came to: whole where there is no fault."""

    files: tuple[FileReport, ...] = ()
    others: tuple[Fault, ...] = ()
    prunings: tuple[Pruning, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault, in the order of the files."""
        return (*self.others, *(fault for file in self.files for fault in file.faults))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing and no fault."""
        return tuple(f"{file.file}: {note}" for file in self.files for note in file.notes)

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(file.records for file in self.files)


def verify(state_dir: Path) -> Report:
    """Check every file of the log; nothing is changed, and a server may write meanwhile.

    Raises:
        OSError: the folder cannot be read.
        PlatformError: the key or the register is not ours alone, or the key is none.

    """
    folder = state_dir / FOLDER
    listing = list_files(folder)
    others = [*_folder_faults(folder), *(_stranger(folder / name) for name in listing.others)]
    stems = sorted({*listing.files, *listing.heads})
    key = read_key(state_dir / KEY, AFTER_REMOVAL)
    if key is None:
        if stems or (folder / REGISTER).exists():
            found = "the key is missing, so nothing that was recorded can be checked"
            write = f"put it back from a copy; without one, {_ANEW}"
            others.append(Fault(place=str(state_dir / KEY), found=found, write=write))
        return Report(others=tuple(others))
    chains: dict[str, Chain] = {}
    reports = [_check(folder, stem, key, chains) for stem in stems]
    # Read last: whatever was there before is named in it, or was removed.
    register = find_register(state_dir, key)
    if register is None:
        found = "the register of files is missing or was changed: files may be missing, too"
        others.append(Fault(place=str(folder / REGISTER), found=found, write=_AWAY_OR_ANEW))
        register = Register(files=tuple(report.file for report in reports))
    reports = [_joined(folder, each, chains, register) for each in reports]
    reports = [each for each in reports if each.file not in register.going]
    others += _register_faults(folder, register, {report.file for report in reports})
    return Report(files=tuple(reports), others=tuple(others), prunings=register.prunings)


def _folder_faults(folder: Path) -> Iterator[Fault]:
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except FileNotFoundError:
        return
    if mode & _OTHERS:
        found = f"its mode is {mode:04o}, so others may enter it"
        yield Fault(place=str(folder), found=found, write=f"chmod 700 {folder}")


def _register_faults(folder: Path, register: Register, there: set[str]) -> list[Fault]:
    faults = []
    if register.lost:
        found = f"an older register was removed before {register.lost}, and files may be, too"
        faults.append(Fault(place=str(folder / REGISTER), found=found, write=_AWAY_OR_ANEW))
    for name in register.files:
        if name not in there and not _is_there(folder, name):
            found = "the file is missing, and its head, too: the register names it"
            faults.append(Fault(place=str(folder / name), found=found, write=_AWAY))
    return faults


def _check(folder: Path, stem: str, key: bytes, chains: dict[str, Chain]) -> FileReport:
    """Check one file by itself and against its head."""
    path = folder / f"{stem}{ENDING}"
    chain = Chain(path=path, key=key)
    before = _read_head(folder, stem, key)
    running = False
    try:
        with opened(path) as file:
            if file is None:
                chain.fault("this is no plain file", "find out who put it there, and remove it")
                return _report(chain, "stopped")
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                found = f"it is larger than {MOST_BYTES >> 20} MiB, which preopen never writes"
                chain.fault(found, "find out who wrote it, and move it away")
                return _report(chain, "stopped")
            _check_mode(chain, file.fileno())
            running = is_in_use(file)
            chain.read(lines_of(file))
    except FileNotFoundError:
        return _absent(chain, before)
    except OSError as error:
        chain.fault(f"cannot be read: {error.strerror}", "make it a plain file that you may read")
        return _report(chain, "stopped")
    chains[path.name] = chain
    return _with_head(chain, before, _read_head(folder, stem, key), running=running)


def _check_mode(chain: Chain, descriptor: int) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & _OTHERS:
        found = f"its mode is {mode:04o}, so others may read or change it"
        chain.fault(found, f"chmod 600 {chain.path}")


def _with_head(chain: Chain, before: Head | str, after: Head | str, *, running: bool) -> FileReport:
    path = chain.path.with_suffix(HEAD_ENDING)
    match before, after:
        case Head(), Head():
            check_head(chain, before, after)
            chain.forget()
        case _:
            said = before if isinstance(before, str) else str(after)
            chain.faults.append(Fault(place=str(path), found=said, write=_AWAY))
    kind = (chain.last or {}).get("kind")
    state = {"end": "ended", "rotated": "rotated"}.get(str(kind), "stopped")
    if running:
        state = "running"
    elif chain.count == 0:
        state = "begun"
    notes = []
    if chain.unfinished and chain.is_whole and not running:
        notes.append(f"line {chain.count + 1} is unfinished: its process ended while it wrote it")
    return _report(chain, state, notes)


def _absent(chain: Chain, head: Head | str) -> FileReport:
    """Return what a head without its file means."""
    if isinstance(head, Head) and head.count == 0:
        return _report(chain, "begun", ["a process ended before it wrote any record here"])
    count = f"its head counts {head.count} records" if isinstance(head, Head) else f"and {head}"
    chain.fault(f"the file is missing: {count}", _AWAY)
    return _report(chain, "stopped")


def _report(chain: Chain, state: str, notes: list[str] | None = None) -> FileReport:
    faults = list(chain.faults)
    if chain.more:
        found = f"and {chain.more} more faults"
        faults.append(Fault(place=str(chain.path), found=found))
    return FileReport(
        file=chain.path.name,
        records=chain.count,
        state=state,
        faults=tuple(faults),
        notes=tuple(notes or ()),
        last_time=str((chain.last or {}).get("time", "")),
    )


def _read_head(folder: Path, stem: str, key: bytes) -> Head | str:
    """Return a file's head, or in words why there is none."""
    path = folder / f"{stem}{HEAD_ENDING}"
    for _ in range(TRIES):
        try:
            content = read_small(path)
        except OSError as error:
            return f"the head cannot be read: {error.strerror}"
        if content is None:
            return "the file has no head, so nobody can tell whether its end was cut"
        head = read_head(key, content)
        if head is not None and head.file != f"{stem}{ENDING}":
            return "this head is of another file"
        if head is not None:
            return head
    return "the head was changed, or was not written by preopen under this key"


def _joined(
    folder: Path, report: FileReport, chains: Mapping[str, Chain], register: Register
) -> FileReport:
    """Check that the files around a file are there, and are those that it was written between."""
    chain = chains.get(report.file)
    if chain is None:
        return report
    chain.faults, chain.more = [], 0
    last = chain.last or {}
    following = last.get("next") if last.get("kind") == "rotated" else None
    if isinstance(following, str) and not _is_there(folder, following):
        chain.fault(
            f"{shown(following)}, the file that follows it, is missing", _AWAY, line=chain.count
        )
    _check_previous(chain, chains)
    # One record is what a process leaves that was killed before it could register the file.
    if chain.count > 1 and report.file not in (*register.files, *register.going):
        found = "the register does not name this file: it was put back to an older one, or changed"
        chain.fault(found, _AWAY)
    return replace(report, faults=(*report.faults, *chain.faults))


def _is_there(folder: Path, name: str) -> bool:
    """Whether a file is there that was begun since the folder was listed; any name may be asked."""
    return bool(NAME.fullmatch(name.removesuffix(ENDING))) and (folder / name).exists()


def _check_previous(chain: Chain, chains: Mapping[str, Chain]) -> None:
    start = chain.start or {}
    previous, mac = start.get("previous"), start.get("previous_mac")
    if not isinstance(previous, str) or not previous:
        return
    before = chains.get(previous)
    if before is None:
        chain.fault(f"{shown(previous)}, the file before it, is missing", _AWAY, line=1)
        return
    # The record that says "rotated" was written after this file was begun, if it was.
    if mac not in (before.macs[-2:] or [BEGINNING]):
        chain.fault(f"{shown(previous)}, the file before it, ends with another record", line=1)


def _stranger(path: Path) -> Fault:
    write = "find out who put it there, and remove it"
    return Fault(place=str(path), found="this is no file of the audit log", write=write)
