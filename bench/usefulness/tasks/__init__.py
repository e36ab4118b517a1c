"""The twenty tasks."""

from typing import Final

from bench.usefulness.task import Task
from bench.usefulness.tasks.changes import CHANGES
from bench.usefulness.tasks.overviews import OVERVIEWS
from bench.usefulness.tasks.reads import READS
from bench.usefulness.tasks.searches import SEARCHES

TASKS: Final[tuple[Task, ...]] = (*SEARCHES, *READS, *OVERVIEWS, *CHANGES)
