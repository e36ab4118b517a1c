"""`preopen decide`: what a person answered for good; given and taken back from the shell."""

from pathlib import Path

import click

from preopen.cli.approvals import read_approvals
from preopen.cli.finding import find_tool, withheld_text
from preopen.cli.options import approve_flag, examples, json_flag, policy_flags
from preopen.cli.printing import safe, say, say_json, say_table, warn
from preopen.cli.starting import open_standing
from preopen.cli.surroundings import read_surroundings
from preopen.policy.decisions import rule_folders, writable_outside
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.asking import asked_for, subjects_of
from preopen.serving.loading import load_registry
from preopen.serving.registry import Tool
from preopen.trust.standing import FILE_NAME, Always, forget, read_always

_NO = 1
_REFUSED = 3


@click.command(
    "decide",
    short_help="Answer for good what a tool would ask, or take that back.",
    epilog=examples(
        "preopen decide                                   what was answered for good",
        "preopen decide deploy always --workspace ~/app   every such call may run from now on",
        "preopen decide deploy forget                     be asked again",
    ),
)
@click.argument("name", metavar="[TOOL]", required=False)
@click.argument("answer", type=click.Choice(["always", "forget"]), required=False)
@policy_flags
@approve_flag
@json_flag
def command(
    name: str | None, answer: str | None, flags: Flags, *, approve_all: bool, as_json: bool
) -> int:
    """Show what was answered for good; with TOOL, let it run without being asked, or forget that.

    "always" holds for TOOL as it is now, with what it is granted under these flags. When its
    definition or its grant changes it is asked about again. It never lifts a deny.
    """
    around = read_surroundings()
    file = Path(around.config_dir, FILE_NAME)
    if name is None:
        _show(read_always(file), as_json=as_json)
        return 0
    if answer is None:
        raise click.UsageError("write what to do: preopen decide TOOL always, or forget")
    if answer == "forget":
        return _forget(file, name, as_json=as_json)
    policy = load_policy(flags, around)
    approvals = read_approvals(around, approve_all=approve_all)
    tool = find_tool(load_registry(policy, approvals), name)
    if not isinstance(tool, Tool):
        warn(withheld_text(tool))
        return _REFUSED
    return _always(tool, policy, around, as_json=as_json)


def _always(tool: Tool, policy: Policy, around: Surroundings, *, as_json: bool) -> int:
    outside = writable_outside(tool.grants, policy.workspace)
    reasons = asked_for(rule_folders(policy.decisions, tool.name, tool.grants, outside))
    if reasons:
        subjects = subjects_of(tool, reasons)
        open_standing(around).always(tool.name, subjects, reasons, tool.grants_text)
    if as_json:
        say_json({"tool": tool.name, "asked": bool(reasons), "granted": list(tool.grants_text)})
        return 0
    if not reasons:
        say(f"{tool.name} is never asked about: there is nothing to decide")
        return 0
    say(f"{tool.name} runs without being asked about from now on. It may:")
    say("\n".join(f"  {safe(line)}" for line in tool.grants_text or ("nothing but compute",)))
    return 0


def _forget(file: Path, name: str, *, as_json: bool) -> int:
    count = forget(file, name)
    if as_json:
        say_json({"tool": name, "forgotten": count})
    elif count:
        say(f"{name} is asked about again; servers that run now see it at their next call")
    else:
        say(f"nothing was answered for good about {safe(name)}")
    return 0 if count else _NO


def _show(answers: tuple[Always, ...], *, as_json: bool) -> None:
    if as_json:
        say_json(
            [
                {
                    "tool": each.tool,
                    "date": each.date,
                    "why": list(each.why),
                    "granted": list(each.granted),
                }
                for each in answers
            ]
        )
    elif answers:
        rows = [
            (safe(each.tool), safe(each.date), safe("; ".join(each.granted))) for each in answers
        ]
        say_table(("TOOL", "SINCE", "GRANTED THEN"), rows)
    else:
        say("nothing was answered for good yet")
