"""What a task is: one question, the calls that answer it on either side, and the right answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Said: TypeAlias = Sequence[str]  # what each call of one side answered, as a model reads it
Files: TypeAlias = Mapping[str, bytes | None]  # by path below the tree; None: there is no such file


def nothing(_tree: Path) -> Files:
    """Return the change that most tasks make."""
    return {}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one of our tools."""

    tool: str
    arguments: Mapping[str, object]


def call(tool: str, **arguments: object) -> Call:
    """Return a call, written as it is read."""
    return Call(tool, arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing that an agent does all day.

    The calls are those that an agent makes who has read the answers of the ones before: a line's
    number in a second call stands in what the first one said. Both sides answer the same question,
    and one check judges both: `answers` reads what was said, `changes` is what must have become of
    the tree. Both get the tree as it was, and work the answer out without either side's help.
    """

    name: str
    ours: Sequence[Call]
    plain: Sequence[str]
    answers: Callable[[Path, Said], bool]
    changes: Callable[[Path], Files] = field(default=nothing)
