"""Does one task on both sides and says how each fared."""

from dataclasses import dataclass, field
from typing import NamedTuple

from mcp import Client

from bench.usefulness import shell, tokens, tools
from bench.usefulness.replica import Replica
from bench.usefulness.task import Call, Said, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side's way through one task."""

    calls: int
    written: int  # tokens of the calls, which a model writes
    read: int  # tokens of the results, which it reads
    right: bool
    said: Said = field(repr=False)


class Row(NamedTuple):
    """One task, as both sides did it."""

    task: Task
    ours: Side
    plain: Side


def _judge(task: Task, asked: list[Call] | list[str], said: list[str], replica: Replica) -> Side:
    changed = replica.changes()
    replica.restore(changed)
    return Side(
        calls=len(asked),
        written=sum(tokens.count(tokens.spelled(each)) for each in asked),
        read=sum(tokens.count(text) for text in said),
        right=task.answers(replica.original, said) and changed == task.changes(replica.original),
        said=said,
    )


async def with_tools(task: Task, client: Client, replica: Replica) -> Side:
    """Do a task with our tools."""
    said = [await tools.ask(client, call) for call in task.ours]
    return _judge(task, list(task.ours), said, replica)


def in_a_shell(task: Task, replica: Replica) -> Side:
    """Do a task with grep, find and their kin."""
    said = [shell.run(replica.folder, command) for command in task.plain]
    return _judge(task, list(task.plain), said, replica)
