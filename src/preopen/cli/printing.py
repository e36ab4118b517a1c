"""What people and machines read: text made safe for a terminal, tables, JSON."""

import json
import sys
from collections.abc import Iterable, Sequence

import click

from preopen.cli.interrupts import ending_at_once
from preopen.document import printable
from preopen.errors import Fault
from preopen.outcome import JsonValue


def say(text: str = "") -> None:
    """Print lines to stdout."""
    click.echo(safe(text))


def warn(text: str) -> None:
    """Print lines to stderr."""
    click.echo(safe(text), err=True)


def safe(text: str) -> str:
    """Return the text with all that does not print as escapes, but for line ends."""
    return "\n".join(printable(line.replace("\t", "    ")) for line in text.split("\n"))


def say_json(value: JsonValue) -> None:
    """Print one JSON value and nothing else: ASCII, so that a name of any bytes can be written."""
    click.echo(json.dumps(value, indent=2))


def is_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def say_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: drawn on a terminal; elsewhere plain, uncut and stable."""
    if not is_terminal():
        say("\n".join(aligned([headers, *rows])))
        return
    # Only a person waits for these imports; a machine's call is quicker by their 40 ms.
    with ending_at_once():
        from rich.console import Console  # noqa: PLC0415 - as said above
        from rich.table import Table  # noqa: PLC0415 - as said above
        from rich.text import Text  # noqa: PLC0415 - as said above

    table = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))  # Text: a "[" in a path is no markup
    Console().print(table)


def aligned(rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Return each row as one line; every column but the last is as wide as its widest cell."""
    cells = [[" ".join(cell.split("\n")) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [indent + "  ".join(map(str.ljust, row, [*widths[:-1], 0])).rstrip() for row in cells]


def fault_to_json(fault: Fault) -> dict[str, JsonValue]:
    """Return a fault as every `--json` shows it."""
    return {
        "place": fault.place,
        "key": fault.key,
        "found": fault.found,
        "write": fault.write,
    }
