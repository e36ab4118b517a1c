"""Answers that last: those of this session, and `decisions.toml`, which several servers share.

A person's "always" is written by the server, with its date and what was granted, and counts while
the tool's definition, its grants and the reasons for asking are the same.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomli_w

from preopen.document import key_of, load_toml, shown
from preopen.errors import Fault, PolicyError
from preopen.own import CONFIG, change_file, read_own, usable
from preopen.trust.consent import Channel, Question, Say

FILE_NAME: Final = "decisions.toml"
FORMAT: Final = 1
_HEAD: Final = """\
# What a person answered with "always". Written by preopen; `preopen decide TOOL forget`, or
# removing an entry here, takes it back.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Always:
    """One lasting "yes": of which tool, since when, for what."""

    tool: str
    date: str  # RFC 3339, UTC
    subjects: tuple[str, ...]
    why: tuple[str, ...]
    granted: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Standing:
    """What was answered for longer than one call. The file is read anew each time it is asked."""

    file: Path
    now: Callable[[], dt.datetime]
    _session: set[str] = field(default_factory=set)

    def find(self, subjects: Iterable[str]) -> Channel | None:
        """Return how these were answered before with a lasting yes, None where one was not.

        Raises:
            PolicyError: `decisions.toml` is damaged: nothing in it counts.
            PlatformError: it cannot be read, or others may write it.

        """
        left = set(subjects) - self._session
        if not left:
            return Channel.SESSION
        always = {subject for each in read_always(self.file) for subject in each.subjects}
        return None if left - always else Channel.ALWAYS

    def keep(self, question: Question, say: Say) -> None:
        """Keep an answer as long as it says.

        Raises:
            PolicyError, PlatformError: an "always" could not be written; it counts for this call.

        """
        if say is Say.SESSION:
            self._session.update(question.subjects)
        elif say is Say.ALWAYS:
            self.always(question.tool, question.subjects, question.reasons, question.granted)

    def always(
        self, tool: str, subjects: tuple[str, ...], why: tuple[str, ...], granted: tuple[str, ...]
    ) -> None:
        """Keep a lasting yes, by a question or ahead of one; raises as `keep`."""
        entry = Always(
            tool=tool,
            date=self.now().astimezone(dt.UTC).isoformat(timespec="seconds"),
            subjects=subjects,
            why=why,
            granted=granted,
        )
        _change(self.file, lambda kept: [*_without(kept, entry), entry])


def read_always(file: Path) -> tuple[Always, ...]:
    """Return every lasting answer in `decisions.toml`, none where there is no file.

    Raises:
        PolicyError: the file is not valid.
        PlatformError: it cannot be read, or others may write it.

    """
    with usable(file.parent, CONFIG):
        text = read_own(file)
    return () if text is None else _parse(text, file)


def forget(file: Path, tool: str) -> int:
    """Take every lasting answer about a tool back, and return how many there were.

    Raises:
        PolicyError, PlatformError: as `read_always`.

    """
    before = len(read_always(file))
    if not before:
        return 0
    left: list[Always] = []

    def drop(kept: tuple[Always, ...]) -> list[Always]:
        left.extend(each for each in kept if each.tool != tool)
        return left

    _change(file, drop)
    return before - len(left)


def _without(kept: tuple[Always, ...], entry: Always) -> list[Always]:
    """Drop what this answer stands in for: the same tool, asked for the same reasons."""
    return [each for each in kept if (each.tool, each.why) != (entry.tool, entry.why)]


def _change(file: Path, change: Callable[[tuple[Always, ...]], list[Always]]) -> None:
    def rewrite(text: str | None) -> str:
        kept = () if text is None else _parse(text, file)
        tables = [
            {
                "tool": each.tool,
                "date": each.date,
                "why": list(each.why),
                "granted": list(each.granted),
                "subjects": list(each.subjects),
            }
            for each in change(kept)
        ]
        return _HEAD + tomli_w.dumps({"decisions": FORMAT, "always": tables})

    change_file(file, CONFIG, rewrite)


def _parse(text: str, file: Path) -> tuple[Always, ...]:
    try:
        return _entries(load_toml(text))
    except ValueError as problem:
        found = f"is damaged, and nothing in it counts: {problem}"
        write = f"mend it, or remove it (rm {file}) and answer again when you are asked"
        raise PolicyError(Fault(place=str(file), found=found, write=write)) from None


def _entries(document: dict[str, Any]) -> tuple[Always, ...]:
    if type(document.get("decisions")) is not int or document["decisions"] != FORMAT:
        raise ValueError(f"decisions = {FORMAT} is missing")
    match document:
        case {"decisions": _, "always": [*tables], **others} if not others:
            return tuple(_entry(table, number) for number, table in enumerate(tables))
        case {"decisions": _, **others} if not others:
            return ()
        case _:
            raise ValueError("it holds more than a list of [[always]]")


def _entry(table: object, number: int) -> Always:
    """Return one answer, of which no word is guessed: what is left out or unknown is a fault."""
    match table:
        case {
            "tool": str(tool),
            "date": str(date),
            "subjects": [*subjects],
            "why": [*why],
            "granted": [*granted],
            **others,
        } if not others and all(isinstance(each, str) for each in (*subjects, *why, *granted)):
            return Always(
                tool=tool,
                date=date,
                subjects=tuple(subjects),
                why=tuple(why),
                granted=tuple(granted),
            )
        case _:
            key = key_of(("always", number))
            raise ValueError(f"{key}, {shown(table)}, is no answer that preopen wrote")
