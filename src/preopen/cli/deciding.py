"""What happens at a tool's calls, as `preopen explain` says it: run, asked about, or denied."""

from collections.abc import Iterator
from typing import assert_never

from preopen.policy.decisions import Decision, Ruling, rule_folders, writable_outside
from preopen.policy.policy import Policy
from preopen.serving.registry import Tool


def rulings_of(tool: Tool, policy: Policy) -> tuple[Ruling, ...]:
    """Return what is decided of every call, and then of those that write outside the workspace.

    Of those only what is stricter, each once: nobody is asked twice for one reason.
    """
    folders = writable_outside(tool.grants, policy.workspace)
    first, *more = rule_folders(policy.decisions, tool.name, tool.grants, folders)
    return (first, *(each for each in dict.fromkeys(more) if each.decision > first.decision))


def at_a_call(tool: Tool, policy: Policy) -> Iterator[str]:
    """Yield a line for each decision about a tool's calls, and how an answer lasts."""
    rulings = rulings_of(tool, policy)
    for each in rulings:
        yield f"{_happens(each.decision)}: {each}"
    if any(each.decision is Decision.ASK for each in rulings):
        yield "`preopen decide` shows what was answered for good, and takes it back"


def _happens(decision: Decision) -> str:
    match decision:
        case Decision.ALLOW:
            return "runs without a question"
        case Decision.ASK:
            return "a person is asked"
        case Decision.DENY:
            return "denied"
        case _:
            assert_never(decision)
