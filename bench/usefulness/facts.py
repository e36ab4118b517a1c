"""The right answers, worked out from the tree by Python alone: syntax trees, `re`, `os.walk`."""

import ast
import hashlib
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """One line of a file; its indentation is no part of an answer."""

    path: str
    number: int
    text: str


def files(tree: Path, folder: str = ".", *, end: str = "") -> Iterator[Path]:
    """Yield the files below a folder whose names end so."""
    for where, _, names in os.walk(tree / folder):
        yield from (Path(where, name) for name in names if name.endswith(end))


def texts(file: Path) -> list[str]:
    """Return the lines of a file."""
    return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def _path(tree: Path, file: Path) -> str:
    return file.relative_to(tree).as_posix()


def _line(tree: Path, file: Path, number: int) -> Line:
    return Line(_path(tree, file), number, texts(file)[number - 1].strip())


def matches(tree: Path, folder: str, pattern: str, *, around: int = 0) -> set[Line]:
    """Return the lines of Python files in which a pattern is, and so many around each."""
    found = set()
    for file in files(tree, folder, end=".py"):
        lines = texts(file)
        hits = [at for at, text in enumerate(lines) if re.search(pattern, text)]
        near = {n for at in hits for n in range(at - around, at + around + 1)}
        found |= {_line(tree, file, at + 1) for at in near if 0 <= at < len(lines)}
    return found


def counts(tree: Path, folder: str, pattern: str) -> Counter[str]:
    """Return how many lines of each Python file have a pattern, where any has."""
    return Counter(line.path for line in matches(tree, folder, pattern))


def rewritten(tree: Path, folder: str, old: str, new: str) -> Counter[str]:
    """Return how the lines of Python files read in which a word is replaced."""
    lines = matches(tree, folder, rf"\b{old}\b")
    return Counter(re.sub(rf"\b{old}\b", new, line.text) for line in lines)


def _nodes(tree: Path, folder: str, word: str) -> Iterator[tuple[Path, ast.AST]]:
    """Yield the syntax nodes of the files in which a word is; to parse all of them takes long."""
    for file in files(tree, folder, end=".py"):
        text = file.read_text(encoding="utf-8")
        if word in text:
            yield from ((file, node) for node in ast.walk(ast.parse(text)))


def definitions(tree: Path, folder: str, name: str) -> set[Line]:
    """Return where a class or function is defined."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        _line(tree, file, node.lineno)
        for file, node in _nodes(tree, folder, name)
        if isinstance(node, kinds) and node.name == name
    }


def calls(tree: Path, folder: str, name: str) -> set[Line]:
    """Return where a function is called by its own name."""
    return {
        _line(tree, file, node.lineno)
        for file, node in _nodes(tree, folder, name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    }


def imports(tree: Path, folder: str, module: str) -> set[tuple[str, frozenset[str]]]:
    """Return what each import of a module that spans several lines names, with its file."""
    return {
        (_path(tree, file), frozenset(each.name for each in node.names))
        for file, node in _nodes(tree, folder, module)
        if isinstance(node, ast.ImportFrom)
        and node.module == module
        and node.lineno != node.end_lineno
    }


def source(tree: Path, file: str, name: str) -> str:
    """Return one function, from `def` to its end."""
    lines = texts(tree / file)
    nodes = ast.walk(ast.parse("\n".join(lines)))
    found = next(n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name)
    return "\n".join(lines[found.lineno - 1 : found.end_lineno])


def settings(tree: Path, file: str, tool: str) -> Counter[str]:
    """Return the lines that give a tool its settings, all of them strings."""
    table = tomllib.loads((tree / file).read_text(encoding="utf-8"))["tool"][tool]
    return Counter(f'{key} = "{value}"' for key, value in table.items())


def paths(tree: Path, folder: str, pattern: str) -> list[str]:
    """Return the files whose paths match, sorted."""
    found = (_path(tree, file) for file in files(tree, folder))
    return sorted(path for path in found if re.search(pattern, path))


def sizes(tree: Path, folder: str) -> dict[str, int]:
    """Return how many bytes each file has."""
    return {_path(tree, file): file.stat().st_size for file in files(tree, folder)}


def newest(tree: Path, folder: str, count: int) -> set[str]:
    """Return the files that were changed last."""
    by_time = sorted(files(tree, folder), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return {_path(tree, file) for file in by_time[:count]}


def digest(tree: Path, file: str) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    return hashlib.sha256((tree / file).read_bytes()).hexdigest()


def with_replaced(tree: Path, folder: str, old: str, new: str) -> dict[str, bytes]:
    """Return what the Python files are in which a pattern is replaced."""
    found = {}
    for file in files(tree, folder, end=".py"):
        before = file.read_bytes()
        after = re.sub(old.encode(), new.encode(), before, flags=re.MULTILINE)
        if after != before:
            found[_path(tree, file)] = after
    return found
