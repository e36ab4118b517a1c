"""Which tools a policy names, and where; and those of them that nobody here knows. Pure.

Such a name is no fault: its tool may come later. It may as well be a typo, and then what the
operator meant to hold is not held.
"""

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from preopen.document import printable
from preopen.errors import Fault
from preopen.policy.names import is_tool_name
from preopen.policy.policy import Policy
from preopen.policy.quotas import EVERY_TOOL, KEYS

MOST_SAID: Final = 10  # at a start or a reload: a workspace's file may be a stranger's


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A tool's name where a file says it: "quota.fetch", "flow[0].from" and the like.

    `place` is the file. Amounts of one quota may be of two: then it is "FILE and FILE".
    """

    tool: str
    key: str
    place: str


def find_unknown(policy: Policy, known: Collection[str]) -> tuple[Mention, ...]:
    """Return each place that names a tool which is not among those known, in the keys' order.

    `known` are the tools that are offered, refused, quarantined or left out.
    """
    # Each once: a workspace's file counts once for each text that it had in this process.
    return tuple(dict.fromkeys(each for each in _mentions(policy) if each.tool not in known))


def _mentions(policy: Policy) -> Iterator[Mention]:
    for decisions in policy.decisions:
        for name in decisions.tools:
            yield Mention(tool=name, key=f"decide.tools.{name}", place=printable(decisions.place))
    for name in policy.calls_per_cell:
        place = _place(policy, [f"cells.{name}.calls_per_cell"])
        yield Mention(tool=name, key=f"cells.{name}", place=place)
    for name in policy.quotas.quotas:
        if name != EVERY_TOOL:
            place = _place(policy, [f"quota.{name}.{key}" for key in KEYS])
            yield Mention(tool=name, key=f"quota.{name}", place=place)
    for rule in policy.flows:
        for name in rule.tools:
            yield Mention(tool=name, key=f"{rule.key}.from", place=printable(rule.place))


def _place(policy: Policy, keys: Sequence[str]) -> str:
    """Return who said what stands under these keys."""
    origins = dict.fromkeys(policy.origins.get(key, "default") for key in keys)
    return " and ".join(printable(each) for each in origins if each != "default")


def explain_unknown(mention: Mention, known: Collection[str]) -> Fault:
    """Return what a person reads of it, with the nearest name there is."""
    # A tool that could not be read is known by its file's name, which may be any text.
    near = difflib.get_close_matches(mention.tool, filter(is_tool_name, sorted(known)), n=1)
    meant = f"if you mean {near[0]}, write that" if near else "`preopen list` says which there are"
    return Fault(
        place=mention.place,
        key=mention.key,
        found=f"no tool {mention.tool} is known here: a typo?",
        write=f"{meant}; otherwise it counts as soon as such a tool is there",
    )


def first_unknown(unknown: Sequence[Mention], known: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each of the first ten, then how many more there are."""
    for mention in unknown[:MOST_SAID]:
        yield str(explain_unknown(mention, known))
    more = len(unknown) - MOST_SAID
    if more > 0:
        yield f"{more} more names of tools are not known here; `preopen check` says them all"
