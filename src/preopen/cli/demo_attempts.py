"""What the demo tries on purpose, how that must end, and what ended it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A call that is to be stopped: how it ends, what it says, what did that."""

    heading: str
    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    outcome: str
    says: str = ""
    shown: int = 3  # lines of what the model would read
    stopped_by: str


# What tries something, how that must end, and what ended it.
ATTEMPTS: Final = (
    Attempt(
        heading="A path outside of the project",
        tool="read",
        arguments={"path": "../secret.txt"},
        outcome="Denied",
        stopped_by="the path check, before any process was touched",
    ),
    Attempt(
        heading="A tool that may read, and writes",
        tool="scribbler",
        outcome="Returned",
        says="errno 63",
        stopped_by='its grant: errno 63 is WASI\'s "not permitted"; behind it stands Landlock',
    ),
    Attempt(
        heading="A tool that never ends",
        tool="spinner",
        outcome="TimedOut",
        shown=1,
        stopped_by="the clock, which killed its process",
    ),
    Attempt(
        heading="A tool that eats memory",
        tool="hog",
        outcome="Exited",
        says="memory.grow was refused",
        stopped_by="its memory limit, which the engine keeps",
    ),
)


ELSEWHERE: Final = Attempt(
    heading="A host that nobody opened",
    tool="fetch",
    arguments={"url": "https://example.com/"},
    outcome="Denied",
    says="--egress https://example.com",
    stopped_by="the rules, before any name was looked up",
)
