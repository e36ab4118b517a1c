"""`preopen selftest`: attacks on this machine's own preopen, each beside what a grant allows."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anyio
import click

from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cli.looping import import_loop
from preopen.cli.options import examples, json_flag
from preopen.cli.printing import say, say_json, warn
from preopen.errors import Fault, PlatformError
from preopen.outcome import JsonValue
from preopen.selftest.asking import Section
from preopen.selftest.ground import open_camp
from preopen.selftest.row import Result, Row
from preopen.selftest.running import ROWS, fight_all

_NO: Final = 1
_SECTIONS: Final = [section.value for section in Section]


@click.command(
    "selftest",
    short_help="Attack this machine's own preopen, and say what stopped each attack.",
    epilog=examples(
        "preopen selftest",
        "preopen selftest files leaks",
        "preopen selftest --json > selftest.json",
    ),
)
@click.argument("names", metavar="[SECTION]...", nargs=-1, type=click.Choice(_SECTIONS))
@json_flag
def command(names: tuple[str, ...], *, as_json: bool) -> int:
    """Try to break out of real cells, on this machine, in folders made for it.

    SECTION is one or more of files, hogs, leaks, liars and network; all of them without one. Each
    row is an attack and its control: the same act with the grant, which must work. "Stopped by"
    names in order all that stands between; "native code" is tried in a cell with WebAssembly out of
    the way. The network is this machine's loopback: nothing is sent anywhere else.

    Takes less than a minute, leaves nothing behind, and exits with 1 when any row fails.
    """
    if sys.platform != "linux":
        found = f"the cells that it attacks are made of Linux, and this is {sys.platform}"
        raise PlatformError(
            Fault(place="preopen selftest", found=found, write="run it on a machine with Linux")
        )
    sections = frozenset(map(Section, names)) or frozenset(Section)
    import_loop()
    with tempfile.TemporaryDirectory(prefix="preopen selftest ") as folder:
        top = Path(folder).resolve()
        results = anyio.run(_run, top, sections, as_json)
    if as_json:
        say_json({"attacks": [_to_json(result) for result in results]})
    return 0 if all(result.passed for result in results) else _NO


async def _run(top: Path, sections: frozenset[Section], as_json: bool) -> list[Result]:  # noqa: FBT001 - anyio.run passes no names
    cache = Cache(top / "cache", top / "state" / "cache.key", compile_binary)
    results: list[Result] = []
    begin = time.monotonic()
    async with open_camp(top, cache) as camp:
        table = _Table([row for section in sections for row in ROWS[section]])
        async for result in fight_all(camp, sections):
            if not as_json:
                for line in table.lines(result):
                    say(line)
            results.append(result)
        missing = dict(camp.guests.launcher.missing)
    if not as_json:
        say(_summary(results, time.monotonic() - begin))
        for layer, why in missing.items():
            warn(f"missing on this machine: {layer}: {why}")
    return results


class _Table:
    """Rows as they come: the widths are known before, for what is tried is."""

    def __init__(self, rows: list[Row]) -> None:
        self._name = max(len(row.name) for row in rows)
        self._who = max(len(row.who.value) for row in rows)
        self._stops = max(len(", ".join(row.stopped_by)) for row in rows)
        self._section: Section | None = None

    def lines(self, result: Result) -> Iterator[str]:
        """Yield a result's line, behind its section's heading, and what went wrong."""
        row = result.row
        if row.section is not self._section:
            self._section = row.section
            columns = ("attack".ljust(self._name), "tried by".ljust(self._who))
            yield f"\n{row.section}\n        {'  '.join(columns)}  stopped by"
        state = "pass" if result.passed else "FAIL"
        stops = ", ".join(result.stopped_by) or "nothing that this machine has"
        name, who = row.name.ljust(self._name), row.who.value.ljust(self._who)
        yield f"  {state}  {name}  {who}  {stops.ljust(self._stops)}  {row.tries}"
        if not result.attack.holds:
            yield f"        the attack was not stopped: {result.attack.saw}"
        if not result.control.holds:
            yield f"        its control does not work ({row.control}): {result.control.saw}"


def _summary(results: list[Result], seconds: float) -> str:
    failed = sum(not result.passed for result in results)
    if failed:
        return f"\n{failed} of {len(results)} attacks failed the test ({seconds:.0f}s)."
    text = "attacks were stopped, and the same act works where it is granted"
    return f"\nAll {len(results)} {text} ({seconds:.0f}s)."


def _to_json(result: Result) -> JsonValue:
    row = result.row
    return {
        "id": row.id,
        "section": row.section.value,
        "tries": row.tries,
        "tried_by": row.who.value,
        "stopped_by": [stop.value for stop in result.stopped_by],
        "saw": result.attack.saw,
        "control": result.control.holds,
        "control_is": row.control,
        "control_saw": result.control.saw,
        "passed": result.passed,
    }
