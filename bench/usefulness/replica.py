"""A copy of the code base in which one side works; what it changed is seen and put back."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from bench.usefulness.task import Files

Marks: TypeAlias = dict[str, tuple[int, int, int]]


@dataclass(slots=True)
class Replica:
    """A copy and the original, which nobody but us ever opens."""

    original: Path
    folder: Path
    marks: Marks = field(init=False)

    def __post_init__(self) -> None:
        # Times are copied too: they are the answer to one of the tasks.
        shutil.copytree(self.original, self.folder)
        self.marks = self._look()

    def _look(self) -> Marks:
        """Return what tells a file from the one that was there: its inode, length and time."""
        marks: Marks = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                file = Path(folder, name)
                status = file.lstat()
                mark = (status.st_ino, status.st_size, status.st_mtime_ns)
                marks[file.relative_to(self.folder).as_posix()] = mark
        return marks

    def changes(self) -> Files:
        """Return the content of every file that is not as it was."""
        now = self._look()
        names = [
            name for name in self.marks.keys() | now.keys() if self.marks.get(name) != now.get(name)
        ]
        return {name: (self.folder / name).read_bytes() if name in now else None for name in names}

    def restore(self, changed: Files) -> None:
        """Put those files back."""
        for name in changed:
            before = self.original / name
            if before.exists():
                shutil.copy2(before, self.folder / name)
            else:
                (self.folder / name).unlink()
        if changed:
            self.marks = self._look()
