"""Does the twenty tasks on both sides, prints the table and keeps it in `table.md`.

Usage: python -m bench.usefulness [NUMBER]

Ends with 1 unless ours is right on all and reads no more tokens in total. With a NUMBER it shows
what that one task asks and is told, and keeps nothing.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio

from bench.usefulness import codebase, table, tokens, tools
from bench.usefulness.replica import Replica
from bench.usefulness.score import Row, Side, in_a_shell, with_tools
from bench.usefulness.task import Call, Task
from bench.usefulness.tasks import TASKS

TABLE = Path(__file__).with_name("table.md")


async def do(tasks: Sequence[Task]) -> list[Row]:
    """Do tasks on both sides, each side in a replica of its own."""
    tree = codebase.fetch()
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        ours, plain = Replica(tree, top / "ours"), Replica(tree, top / "plain")
        async with tools.connect(ours.folder, top / "own") as client:
            return [
                Row(task, await with_tools(task, client, ours), in_a_shell(task, plain))
                for task in tasks
            ]


def show(row: Row) -> None:
    """Print what a task asked and was told."""
    _show(f"{row.task.name}, ours", row.task.ours, row.ours)
    _show(f"{row.task.name}, plain", row.task.plain, row.plain)


def _show(title: str, asked: Sequence[Call | str], side: Side) -> None:
    print(f"\n==== {title}: {'right' if side.right else 'wrong'}")
    for each, told in zip(asked, side.said, strict=True):
        print(f"---- {tokens.spelled(each)}  [{tokens.count(told)}]\n{told}")


def main(number: int | None) -> int:
    """Return the exit code."""
    if number is not None:
        show(anyio.run(do, [TASKS[number - 1]])[0])
        return 0
    rows = anyio.run(do, TASKS)
    for row in rows:
        if not (row.ours.right and row.plain.right):
            show(row)
    drawn = table.draw(rows)
    TABLE.write_text(drawn, encoding="utf-8")
    print(drawn)
    is_right = all(row.ours.right for row in rows)
    is_short = sum(row.ours.read for row in rows) <= sum(row.plain.read for row in rows)
    return 0 if is_right and is_short else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else None))
