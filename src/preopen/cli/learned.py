"""What `preopen learn` found, as a person and as a machine reads it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Final

from preopen.cli.printing import aligned
from preopen.outcome import JsonValue
from preopen.serving.learning import Learned, Trial
from preopen.serving.registry import Tool
from preopen.trust.learning import Add, Change, Remove, SetKey
from preopen.trust.revision import difference

_SHOWN: Final = 300  # characters of what a failed call said
_TRIED: Final = {
    Trial.SAME: "the same calls gave the same answers under it",
    Trial.OTHER: "the same calls gave other answers under it; compare before you use it",
    Trial.NONE: "not tried: no grant is less, or some is more, or the calls change something",
}


def learned_lines(tool: Tool, learned: Learned) -> Iterator[str]:
    """Yield the lines that say what was learned of a tool: the diff, why, and what is unknown."""
    lesson = learned.lesson
    findings = lesson.findings
    yield from _calls(tool, learned)
    diff = [*difference(lesson.before, lesson.after, tool.manifest.file)]
    if diff:
        yield from ("", *diff)
    elif findings.operator:
        yield "the manifest asks for enough; the operator opens less"
    else:
        yield "nothing to change"
    why = [(each.place, each.evidence.value, each.reason) for each in findings.changes]
    yield from _section("WHY", aligned(why) if why else ())
    yield from _section("ONLY THE OPERATOR OPENS IT", findings.operator)
    yield from _section("LEVEL", _level(tool, learned) if diff else ())
    yield from _section("TRIED", (_TRIED[learned.trial],) if diff else ())
    yield from _section("ADVICE, FROM THESE CALLS ALONE", findings.advice)
    yield from _section("NOTE", (*map(_withheld, learned.withheld), *findings.notes))


def learned_to_json(tool: Tool, learned: Learned) -> dict[str, JsonValue]:
    """Return the same as `--json` shows it."""
    lesson = learned.lesson
    findings = lesson.findings
    return {
        "name": tool.name,
        "offered": True,
        "manifest": tool.manifest.file,
        "calls": [
            {
                "outcome": call.receipt.outcome,
                "failed": call.failed,
                "uses": [{"act": use.act.value, "host_path": use.host_path} for use in call.uses],
                "requests": [asdict(request) for request in call.receipt.requests],
                "denials": [asdict(denial) for denial in call.receipt.denials],
            }
            for call in learned.calls
        ],
        "changes": [_change(each) for each in findings.changes],
        "operator": list(findings.operator),
        "advice": list(findings.advice),
        "notes": list(findings.notes),
        "level": {
            "declared": tool.manifest.level.value,
            "derived": tool.level.value,
            "smallest": None if lesson.derived is None else lesson.derived.value,
        },
        "trial": learned.trial.value,
        "withheld": [_change(each) for each in learned.withheld],
        "diff": list(difference(lesson.before, lesson.after, tool.manifest.file)),
        "smallest": lesson.after,
    }


def _calls(tool: Tool, learned: Learned) -> Iterator[str]:
    failed = [(n, call) for n, call in enumerate(learned.calls, 1) if call.failed]
    count = len(learned.calls)
    yield (
        f"{count} call{'s' if count > 1 else ''} of {tool.name}: {count - len(failed)} ended well,"
        f" {len(failed)} failed"
    )
    for number, call in failed:
        first = next(iter(call.said.splitlines()), call.receipt.outcome)
        yield f"  call {number}: {first[:_SHOWN]}"


def _level(tool: Tool, learned: Learned) -> Iterator[str]:
    derived = learned.lesson.derived
    now = f"declared {tool.manifest.level.value}, derived {tool.level.value}"
    then = "unknown until its folders are opened" if derived is None else derived.value
    yield f"now {now}; then {then}"


def _withheld(change: Change) -> str:
    return (
        f"{change.place}: {change.reason}; left as it is, for relative paths start there, and that"
        " the program uses none could not be shown"
    )


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield f"\n{heading}"
        yield from (f"  {line}" for line in found)


def _change(change: Change) -> dict[str, JsonValue]:
    said = {"place": change.place, "evidence": change.evidence.value, "reason": change.reason}
    match change:
        case SetKey(value=value):
            return {"kind": "set", **said, "value": value}
        case Remove():
            return {"kind": "remove", **said}
        case Add(table=table, values=values):
            return {"kind": "add", **said, "table": table, "values": dict(values)}
