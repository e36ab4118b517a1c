"""The table of all tasks, in Markdown that is readable as it is."""

from collections.abc import Sequence

from bench.usefulness import codebase, tokens
from bench.usefulness.score import Row, Side

HEAD = (
    "task",
    *("ours: calls", "written", "read", "right"),
    *("plain: calls", "written", "read", "right"),
)

INTRODUCTION = f"""\
Twenty tasks on {codebase.NAME} {codebase.VERSION}, with our tools and with plain `grep`, `find`, \
`sed`, `cat` and their kin in a shell.
*written*: tokens of the calls, which the model writes; *read*: tokens of the results, which it \
reads (`{tokens.VOCABULARY}`).
Made by `make usefulness`.
"""


def _cells(side: Side) -> list[str]:
    return [str(side.calls), str(side.written), str(side.read), "yes" if side.right else "**no**"]


def _total(sides: Sequence[Side]) -> list[str]:
    sums = (
        sum(counts) for counts in zip(*((s.calls, s.written, s.read) for s in sides), strict=True)
    )
    return [*(str(each) for each in sums), f"{sum(side.right for side in sides)} of {len(sides)}"]


def draw(rows: Sequence[Row]) -> str:
    """Return the table: our side on the left, the plain one on the right."""
    cells = [
        list(HEAD),
        *([task.name, *_cells(ours), *_cells(plain)] for task, ours, plain in rows),
        ["**total**", *_total([row.ours for row in rows]), *_total([row.plain for row in rows])],
    ]
    widths = [max(len(row[at]) for row in cells) for at in range(len(HEAD))]
    head, *others = (_line(row, widths) for row in cells)
    rule = _line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])], widths)
    return "\n".join([INTRODUCTION, head, rule, *others]) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = row
    numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
    return f"| {' | '.join([first.ljust(widths[0]), *numbers])} |"
