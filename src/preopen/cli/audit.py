"""`preopen audit`: what was called and decided, and whether the record of it is whole."""

import json
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from preopen.cli.options import examples
from preopen.cli.printing import aligned, fault_to_json, say, say_json, say_table
from preopen.cli.surroundings import read_surroundings
from preopen.document import printable
from preopen.outcome import JsonValue
from preopen.own import STATE, usable
from preopen.trust.audit_files import Follower, Shown
from preopen.trust.audit_prune import old_files, prune
from preopen.trust.audit_register import FOLDER
from preopen.trust.audit_verify import Report, verify

_NO: Final = 1
_POLL_SECONDS: Final = 0.3  # a person reads along
_HEADERS: Final = ("TIME", "CLIENT", "TOOL", "OUTCOME", "CONSENT", "DETAIL")
_FOR_PEOPLE: Final = frozenset({"call", "decision", "missed", "begin"})
_FOLLOWED: Final = _FOR_PEOPLE - {"begin"}
_LAST: Final = 50
_CELL: Final = 300  # characters
_AGO: Final = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which records are wanted; "" and False want all."""

    tool: str = ""
    outcome: str = ""
    since: str = ""
    denied: bool = False

    def wants(self, fields: dict[str, JsonValue]) -> bool:
        """Whether a record is among them."""
        if self.tool and fields.get("tool") != self.tool:
            return False
        if self.outcome and str(fields.get("outcome", "")).lower() != self.outcome.lower():
            return False
        if self.denied and not _is_denied(fields):
            return False
        return str(fields["time"]) >= self.since


def _read_time(
    context: click.Context, parameter: click.Parameter, written: str | None
) -> str | None:
    """Return a time as records have it, of "2h" or "2026-03-01" or a whole ISO 8601 time."""
    if written is None:
        return None
    try:
        if ago := _AGO.fullmatch(written):
            at = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            at = datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{written!r} is no time; write one such as 2h, 7d, 2026-03-01 or 2026-03-01T09:30"
        raise click.BadParameter(msg, context, parameter) from error
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@click.command(
    "audit",
    short_help="Show what was called and decided; check that the record is whole.",
    epilog=examples(
        "preopen audit --denied --since 7d",
        "preopen audit --tool fetch --last 20 --json",
        "preopen audit --follow",
        "preopen audit --verify",
        "preopen audit --prune 90d                    removes what is older, if all is whole",
    ),
)
@click.option("--tool", default="", metavar="NAME", help="Only calls of this tool.")
@click.option("--outcome", default="", metavar="OUTCOME", help="Only calls that ended so.")
@click.option("--denied", is_flag=True, help="Only what was denied, wholly or in part.")
@click.option(
    "--since", default=None, metavar="TIME", callback=_read_time, help="Such as 2h, 7d, 2026-03-01."
)
@click.option(
    "--last", type=click.IntRange(1), metavar="N", help="Only the last N. For people: 50."
)
@click.option("--follow", is_flag=True, help="Show what comes, too, until Ctrl-C.")
@click.option("--verify", "verifies", is_flag=True, help="Check every file; 0 whole, 1 not.")
@click.option(
    "--prune",
    "before",
    default=None,
    metavar="TIME",
    callback=_read_time,
    help="Remove the files of processes that ended before.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; one for --verify.")
def command(
    tool: str,
    outcome: str,
    since: str | None,
    last: int | None,
    before: str | None,
    *,
    denied: bool,
    follow: bool,
    verifies: bool,
    as_json: bool,
) -> int:
    """Show the records of calls and decisions of this user's servers, newest last.

    What is shown is read and not checked; --verify finds what was changed, cut, moved or removed.
    """
    if verifies + follow + (before is not None) > 1:
        raise click.UsageError("--verify, --follow and --prune are three things; write one of them")
    state_dir = Path(read_surroundings().state_dir)
    with usable(state_dir / FOLDER, STATE):
        if before is not None:
            return _prune(state_dir, before, as_json=as_json)
        if verifies:
            return _verify(verify(state_dir), state_dir, as_json=as_json)
        wanted = Filter(tool=tool, outcome=outcome, since=since or "", denied=denied)
        follower = Follower(state_dir / FOLDER)
        _show(follower, wanted, last, as_json=as_json)
        while follow:
            time.sleep(_POLL_SECONDS)
            _show_new(follower, wanted, as_json=as_json)
    return 0


def _show(follower: Follower, wanted: Filter, last: int | None, *, as_json: bool) -> None:
    """Show what is there: all of it to a machine, the last of it to a person."""
    found = (shown for shown in follower.new() if wanted.wants(shown.fields))
    if as_json:
        _say_lines(found if last is None else deque(found, maxlen=last))
        return
    kept: deque[Shown] = deque(maxlen=last or _LAST)
    unended: set[str] = set()
    for shown in found:
        kind, call = shown.fields["kind"], str(shown.fields.get("call"))
        if kind == "call":
            unended.discard(call)
        elif kind == "begin":
            unended.add(call)
        if kind in _FOR_PEOPLE:
            kept.append(shown)
    rows = [_row(each.fields) for each in kept if not _is_repeated(each.fields, unended)]
    if rows:
        say_table(_HEADERS, rows)
    else:
        say(f"Nothing of that kind is on record in {follower.folder}.")


def _is_repeated(fields: dict[str, JsonValue], unended: set[str]) -> bool:
    """Whether a call's beginning is told by its end."""
    return fields["kind"] == "begin" and str(fields.get("call")) not in unended


def _show_new(follower: Follower, wanted: Filter, *, as_json: bool) -> None:
    found = [shown for shown in follower.new() if wanted.wants(shown.fields)]
    if as_json:
        _say_lines(found)
        return
    rows = [_row(each.fields) for each in found if each.fields["kind"] in _FOLLOWED]
    for line in aligned(rows) if rows else ():
        say(line)


def _say_lines(found: Iterable[Shown]) -> None:
    for shown in found:
        place = {"file": shown.file, "line": shown.line}
        # ASCII: no text of a record can end its line, or reach a terminal as it is.
        text = json.dumps({**place, **shown.fields, **place})
        click.echo(text.replace("\x7f", "\\u007f"))  # all that is left to escape


def _row(fields: dict[str, Any]) -> tuple[str, ...]:
    client = " ".join(str(fields.get(key, "")) for key in ("client", "client_version"))
    consent = str(fields.get("consent", ""))
    if channel := fields.get("channel"):
        consent = f"{consent} ({channel})"
    texts = (
        str(fields["time"]),
        client.strip(),
        str(fields.get("tool", "")),
        _outcome(fields),
        consent,
        "; ".join(_details(fields)),
    )
    return tuple(_printable(text) for text in texts)


def _outcome(fields: dict[str, Any]) -> str:
    match fields["kind"]:
        case "call":
            return str(fields.get("outcome", ""))
        case "decision":
            return str(fields.get("decision", ""))
        case "missed":
            return "not recorded"
        case _:
            return "began"


def _details(fields: dict[str, Any]) -> Iterator[str]:
    """Yield what a person wants to know of a record: of a no, why; else what was reachable."""
    if fields["kind"] == "missed":
        yield f"{fields.get('count')} records since {fields.get('since')} could not be written"
    if rule := fields.get("rule"):
        yield str(rule)
    denials = [each for each in _items(fields, "denials") if isinstance(each, dict)]
    for denial in denials:
        allow = denial.get("allow")
        yield f"{denial.get('reason')}; {allow}" if allow else str(denial.get("reason"))
    if not denials:
        yield from map(str, _items(fields, "grants"))


def _items(fields: dict[str, Any], key: str) -> list[Any]:
    value = fields.get(key)
    return value if isinstance(value, list) else []


def _printable(text: str) -> str:
    """Return a text of a record as one line that does nothing to a terminal, and is not endless."""
    cut = text if len(text) <= _CELL else f"{text[:_CELL]}…"
    return printable(cut)


def _is_denied(fields: dict[str, JsonValue]) -> bool:
    return (
        fields.get("outcome") == "Denied"
        or fields.get("decision") == "denied"
        or bool(_items(fields, "denials"))
    )


def _verify(report: Report, state_dir: Path, *, as_json: bool) -> int:
    code = _NO if report.faults else 0
    if as_json:
        say_json(_report_to_json(report))
        return code
    if not (report.files or report.faults or report.prunings):
        say(f"Nothing is recorded yet in {state_dir / FOLDER}.")
        return code
    for note in report.notes:
        say(f"note: {note}")
    for pruning in report.prunings:
        say(f"note: --prune removed {counted(pruning.files, 'file')} at {pruning.time}")
    for fault in report.faults:
        say(f"FAULT: {fault}")
    count = f"{counted(report.records, 'record')} in {counted(len(report.files), 'file')}"
    faults = counted(len(report.faults), "fault")
    say(f"NOT WHOLE: {faults}; {count}" if code else f"whole: {count}")
    return code


def counted(number: int, noun: str) -> str:
    """Return a number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _report_to_json(report: Report) -> dict[str, JsonValue]:
    return {
        "whole": not report.faults,
        "records": report.records,
        "files": [
            {"file": each.file, "records": each.records, "state": each.state}
            for each in report.files
        ],
        "faults": [fault_to_json(fault) for fault in report.faults],
        "notes": list(report.notes),
        "prunings": [{"time": each.time, "files": each.files} for each in report.prunings],
    }


def _prune(state_dir: Path, before: str, *, as_json: bool) -> int:
    """Remove old files, but none of a log that is not whole: they may be what shows why."""
    report = verify(state_dir)
    if report.faults:
        return _verify(report, state_dir, as_json=as_json)
    names = old_files(report, before)
    if names:
        prune(state_dir, names)
    if as_json:
        say_json({"removed": list(names)})
    else:
        say(f"{counted(len(names), 'file')} removed, of {len(report.files)}")
    return 0
