"""What outlives one call, and one policy: a person's lasting answers. A session is the process."""

from collections.abc import Callable
from dataclasses import dataclass

from preopen.trust.standing import Standing


def decide_command(tool: str) -> str:
    """Return what allows a tool for good, where nobody knows the flags of this server."""
    return f"preopen decide {tool} always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One server process, or one `preopen call`. By default nothing lasts."""

    standing: Standing | None = None
    command: Callable[[str], str] = decide_command
