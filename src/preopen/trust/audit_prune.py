"""Removes old files of the audit log, at a person's word only, and has that on record."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from preopen.own import STATE, usable
from preopen.trust.audit_file import HEAD_ENDING, utc_now
from preopen.trust.audit_register import FOLDER, Pruning, Register, change_register, prepare
from preopen.trust.audit_verify import FileReport, Report

_NUMBER: Final = re.compile(r"-\d{4,}\.jsonl$")


def old_files(report: Report, before: str) -> tuple[str, ...]:
    """Return the files of every process that is gone and wrote its last record before that time.

    A process's files go together: each is bound to the one before it.
    """
    young = {_process_of(file) for file in report.files if not _is_old(file, before)}
    return tuple(file.file for file in report.files if _process_of(file) not in young)


def prune(state_dir: Path, names: tuple[str, ...]) -> None:
    """Remove these files and their heads; the register keeps when that was and how many they were.

    Whoever ends this in the middle may say it again: the names are marked first.

    Raises:
        PlatformError: they cannot be removed, or the register not be written.

    """
    time = utc_now()
    key = prepare(state_dir, time)
    folder = state_dir / FOLDER
    going: list[str] = []

    def mark(known: Register) -> Register:
        kept = tuple(name for name in known.files if name not in names)
        going.extend(dict.fromkeys([*known.going, *names]))
        return replace(known, files=kept, going=tuple(going))

    def finish(known: Register) -> Register:
        left = tuple(name for name in known.going if name not in going)
        return known.pruned(Pruning(time=time, files=len(going)), going=left)

    change_register(state_dir, key, time, mark)
    with usable(folder, STATE):
        for name in going:
            (folder / name).unlink(missing_ok=True)
            (folder / name).with_suffix(HEAD_ENDING).unlink(missing_ok=True)
    change_register(state_dir, key, time, finish)


def _process_of(file: FileReport) -> str:
    return _NUMBER.sub("", file.file)


def _is_old(file: FileReport, before: str) -> bool:
    return file.state != "running" and file.last_time < before
