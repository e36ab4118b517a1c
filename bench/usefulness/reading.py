"""What a result says, as values: the same facts out of our tools' form and the plain one's.

A result in neither form says nothing, and so is wrong.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from bench.usefulness.facts import Line
from bench.usefulness.task import Said

_FLAT = re.compile(
    r"(?:\./)?(?P<path>[\w./-]+?\.\w+)(?:(?P<mark>[:-])(?P<number>\d+)(?P=mark)|:)(?P<text>.*)"
)
_GROUPED = re.compile(r"(?P<number>\d+)[:\t-](?P<text>.*)")
_NUMBERED = re.compile(r" *(?P<number>\d+)\t(?P<text>.*)")
_PATH = re.compile(r"(?:\./)?(?P<path>[\w./-]+)")
_COUNT = re.compile(r"(?:\./)?(?P<path>[\w./-]+):(?P<count>\d+)")
_SIZE = re.compile(r"(?P<indent> *)(?P<name>[\w./-]+?)(?:/| (?P<number>[\d.]+)(?P<unit>[BKM]?))")
_MORE = re.compile(r"\[(\d+) more\b.*")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_UNITS: Mapping[str, int] = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20}
_ROUNDED = 0.05  # the most that a size of two digits may be off


def lines(said: Said) -> set[Line]:
    """Return the lines that were found: `path:number:text` each, or below their file's path."""
    return {line for text in said for line in _rows(text) if line.number}


def _rows(text: str) -> Iterator[Line]:
    """Yield each row that is part of a file, its number 0 where that is not said."""
    path = ""
    for row in text.splitlines():
        if grouped := _GROUPED.fullmatch(row):
            yield Line(path, int(grouped["number"]), grouped["text"].strip())
        elif flat := _FLAT.fullmatch(row):
            path = flat["path"]
            yield Line(path, int(flat["number"] or 0), flat["text"].strip())
        elif heading := _PATH.fullmatch(row):
            path = heading["path"]
        else:
            yield Line(path, 0, row.strip())


def words(said: Said) -> Counter[str]:
    """Return the lines that were shown, without what tells where they are or that they are new."""
    return Counter(line.text.removeprefix("+").strip() for text in said for line in _rows(text))


def body(text: str) -> str:
    """Return the part of a file that was shown, with or without numbers before its lines."""
    return "\n".join(numbered(text).values()) or text.removesuffix("\n")


def numbered(text: str) -> dict[int, str]:
    """Return the lines that have a number before them, by their numbers."""
    rows = (_NUMBERED.fullmatch(row) for row in text.split("\n"))
    return {int(row["number"]): row["text"] for row in rows if row}


def imports(said: Said, module: str) -> set[tuple[str, frozenset[str]]]:
    """Return what each import of a module names, with its file."""
    found: set[tuple[str, frozenset[str]]] = set()
    names: set[str] | None = None
    for line in (line for text in said for line in _rows(text)):
        if line.text == f"from {module} import (":
            names = set()
        elif names is not None and line.text == ")":
            found.add((line.path, frozenset(names)))
            names = None
        elif names is not None:
            names.add(line.text.removesuffix(","))
    return found


def paths(text: str) -> list[str]:
    """Return the paths that were listed, one a line, sorted."""
    rows = (_PATH.fullmatch(row) for row in text.splitlines())
    return sorted(row["path"] for row in rows if row)


def counts(text: str) -> dict[str, int]:
    """Return the number that stands behind each path."""
    rows = (_COUNT.fullmatch(row) for row in text.splitlines())
    return {row["path"]: int(row["count"]) for row in rows if row}


def total(text: str) -> int:
    """Return a number that stands alone, or how many paths there are, listed or said to be more."""
    if text.strip().isdecimal():
        return int(text)
    return len(paths(text)) + sum(int(more) for more in _MORE.findall(text))


def sizes(text: str) -> dict[str, float]:
    """Return the size that stands behind each path, or each name of a tree."""
    found: dict[str, float] = {}
    folders: list[str] = []
    for row in text.splitlines():
        if entry := _SIZE.fullmatch(row):
            del folders[len(entry["indent"]) :]
            path = "/".join([*folders, entry["name"]])
            if entry["number"]:
                found[path] = float(entry["number"]) * _UNITS[entry["unit"]]
            else:
                folders.append(entry["name"])
    return found


def agree(found: Mapping[str, float], true: Mapping[str, int]) -> bool:
    """Whether each size is the true one, or that one rounded."""
    return found.keys() == true.keys() and all(
        abs(found[path] - size) <= _ROUNDED * size for path, size in true.items()
    )


def digests(text: str) -> list[str]:
    """Return the SHA-256 digests, in their order."""
    return _DIGEST.findall(text)
