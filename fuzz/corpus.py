"""The kept inputs of each target: files named by their hash, each for a branch that no other takes.

Regression inputs lie among them. A file that is there is never dropped, only new ones are weighed.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from coverage import Coverage

from fuzz.target import WATCHED, Target

FOLDER: Final = Path(__file__).parent / "corpus"
CRASHES: Final = Path(__file__).parent / "crashes"
MAX_FILES: Final = 200  # of one target: `make test` replays them all
MAX_TOTAL: Final = 1 << 20  # bytes of one target: they lie in every clone
_NAME: Final = 16  # hexadecimal digits; a clash would need billions of files

_Arcs = frozenset[tuple[str, int, int]]  # jumps from line to line, with their file


def folder_of(name: str) -> Path:
    """Return where a target's inputs lie."""
    return FOLDER / name


def read(name: str) -> list[bytes]:
    """Return a target's inputs, in the order of their names."""
    return [path.read_bytes() for path in files(name)]


def files(name: str) -> list[Path]:
    """Return the files of a target's inputs, in the order of their names."""
    return sorted(path for path in folder_of(name).glob("*") if path.is_file())


def name_of(data: bytes) -> str:
    """Return the name under which an input is kept."""
    return hashlib.sha256(data).hexdigest()[:_NAME]


def keep(name: str, data: bytes) -> Path:
    """Put an input into the corpus, such as one that failed and is mended, and return its file."""
    folder_of(name).mkdir(parents=True, exist_ok=True)
    path = folder_of(name) / name_of(data)
    path.write_bytes(data)
    return path


def grow(target: Target, found: Iterable[bytes]) -> int:
    """Keep what takes a jump in the watched code that no kept input does; return how many.

    Smaller ones are tried first, so that a large one stays only for what it alone reaches. The
    engine counts finer (how often a jump is taken), which would keep thousands.
    """
    kept = read(target.name)
    seen: set[tuple[str, int, int]] = set()
    for data in kept:
        seen |= _arcs(target, data)
    count, size, added = len(kept), sum(map(len, kept)), 0
    for data in sorted(set(found) - set(kept), key=lambda each: (len(each), each)):
        arcs = _arcs(target, data)
        if arcs <= seen or count == MAX_FILES or size + len(data) > MAX_TOTAL:
            continue
        seen |= arcs
        count, size, added = count + 1, size + len(data), added + 1
        keep(target.name, data)
    return added


def _arcs(target: Target, data: bytes) -> _Arcs:
    watch = Coverage(data_file=None, branch=True, source_pkgs=WATCHED, config_file=False)
    watch.set_option("run:disable_warnings", ["module-not-measured", "no-data-collected"])
    watch.start()
    try:
        target.check(data)
    finally:
        watch.stop()
    measured = watch.get_data()
    return frozenset(
        (file, start, end)
        for file in measured.measured_files()
        for start, end in measured.arcs(file) or ()
    )
