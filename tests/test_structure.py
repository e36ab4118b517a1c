"""The package obeys the rule that it enforces: an authority has one door (design §1, §4).

import-linter holds which room imports which library; here is what only the syntax tree shows.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src" / "preopen"
TESTS: Final = ROOT / "tests"

MAX_LINES: Final = 350  # past it, ask which noun is trying to leave the file (AGENTS.md)
MAX_FUNCTION: Final = 45

SOCKETS: Final = {
    "wire/channel.py",
    "wire/async_channel.py",
    "sandbox/netns.py",
    "egress/sockets.py",
    "selftest/native_sockets.py",  # in a cell, to be refused
}
MOUNTS: Final = {"policy/mounts.py", "policy/narrow.py", "wire/codec.py"}
GRANTS: Final = {"policy/decide.py", "policy/narrow.py"}
ADDRESSES: Final = {
    "sandbox/netns.py",
    "sandbox/seccomp.py",  # refuses families
    "egress/sockets.py",
    "selftest/native_sockets.py",
}

_ENVIRONMENT: Final = re.compile(r"environb?|getenvb?|putenv|unsetenv")
_ADDRESS: Final = re.compile(r"_?AF_INET6?|create_connection|create_server|getaddrinfo")

# Paths of a machine that builds, and hosts that packages come from. No line here matches itself.
_PRIVATE: Final = re.compile(
    r"/tmp/[r]ustwasm|/work/(main|shared|\.library)|/(root|home/\w+)/\.(cargo|rustup|cache|local)/"
    r"|pypi\.org/simple|[f]iles\.pythonhosted|[r]egistry\.npmjs|[p]roxy\.golang"
    r"|(static|index)\.crates\.io|[e]xtra-index-url"
)

Look: TypeAlias = Callable[[ast.AST], Iterator[str]]
Sight: TypeAlias = tuple[str, str]  # the file below src/preopen, and what stands there


@cache
def trees(folder: Path) -> dict[str, ast.Module]:
    """Return the syntax tree of every Python file below a folder, by its path there."""
    return {
        file.relative_to(folder).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.py"))
    }


def seen(look: Look, *, but: Collection[str]) -> list[Sight]:
    """Return what `look` finds in the package, outside of the files that may hold it."""
    return [
        (file, found)
        for file, tree in trees(SOURCE).items()
        if file not in but
        for node in ast.walk(tree)
        for found in look(node)
    ]


def names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node says: as a name, after a dot, or imported."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.name for alias in aliases)
        case _:
            return


def called(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield the last name of what a node calls, and the call."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            yield name, node
        case _:
            return


def environment(node: ast.AST) -> Iterator[str]:
    """Yield a use of the process's environment: `os.environ`, `from os import getenv`."""
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=name) if _ENVIRONMENT.fullmatch(name):
            yield name
        case ast.ImportFrom(module="os"):
            yield from filter(_ENVIRONMENT.fullmatch, names(node))
        case _:
            return


def sockets(node: ast.AST) -> Iterator[str]:
    """Yield an import of the socket module."""
    match node:
        case ast.Import():
            modules = [alias.name for alias in node.names]
        case ast.ImportFrom(level=0, module=str(module)):
            modules = [module]
        case _:
            return
    yield from (each for each in modules if each.split(".")[0] in {"socket", "_socket"})


def addresses(node: ast.AST) -> Iterator[str]:
    """Yield a name by which something with an address is opened or looked up."""
    yield from filter(_ADDRESS.fullmatch, names(node))


def grants(node: ast.AST) -> Iterator[str]:
    """Yield a construction of Grants, from nothing or from other Grants."""
    for name, call in called(node):
        copied = bool(call.args) and "grants" in ast.unparse(call.args[0]).lower()
        if name == "Grants" or (name == "replace" and copied):
            yield ast.unparse(call)[:60]


def mounts(node: ast.AST) -> Iterator[str]:
    """Yield a construction of a Mount."""
    yield from (ast.unparse(call)[:60] for name, call in called(node) if name == "Mount")


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a file, methods and inner ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_environment_is_read_in_the_shell_only() -> None:
    """Design §4: `os.environ` only in cli/; a policy gets the values that cli/ hands in.

    The self-test's native code looks at its own cell's, from which nothing is to be learnt.
    """
    inside = {file for file in trees(SOURCE) if file.startswith("cli/")}
    inside.add("selftest/native_acts.py")

    assert [] == seen(environment, but=inside)


def test_sockets_are_opened_at_four_doors() -> None:
    """Design §4: the channel's two halves, the cell's own namespace, and the gateway's."""
    assert [] == seen(sockets, but=SOCKETS)


def test_nothing_with_an_address_is_opened_or_looked_up() -> None:
    """Design §4: `AF_INET*`, `create_connection` and `getaddrinfo` stand nowhere else."""
    assert [] == seen(addresses, but=ADDRESSES)


def test_grants_are_made_where_they_are_decided() -> None:
    """Design §4: in the server `decide.py` makes them, and `narrow.py` may cut them down."""
    assert [] == seen(grants, but=GRANTS)


def test_mounts_are_made_where_paths_are_walked() -> None:
    """Design §4: and rebuilt in the cell from the server's frame."""
    assert [] == seen(mounts, but=MOUNTS)


@pytest.mark.parametrize(
    ("look", "text"),
    [
        (environment, "import os\nos.environ['A']"),
        (environment, "from os import getenv"),
        (sockets, "from socket import socket"),
        (sockets, "import anyio, socket"),
        (addresses, "import anyio\nanyio.getaddrinfo('a', 1)"),
        (addresses, "from socket import AF_INET6"),
        (grants, "capability.Grants(level=1)"),
        (grants, "dataclasses.replace(tool.grants, executes=True)"),
        (mounts, "Mount(folder=3)"),
    ],
)
def test_each_look_sees_what_it_looks_for(look: Look, text: str) -> None:
    """Ours: a check that finds nothing anywhere proves nothing."""
    assert [found for node in ast.walk(ast.parse(text)) for found in look(node)]


def test_no_file_of_the_package_is_too_long() -> None:
    """Ours: a newcomer reads a file at one sitting."""
    lines = {file: len((SOURCE / file).read_text().splitlines()) for file in trees(SOURCE)}

    assert {} == {file: count for file, count in lines.items() if count > MAX_LINES}


def test_no_function_of_the_package_is_too_long() -> None:
    """Ours: a function fits on a screen."""
    lengths = {
        f"{file}: {each.name}": (each.end_lineno or each.lineno) - each.lineno + 1
        for file, tree in trees(SOURCE).items()
        for each in functions(tree)
    }

    assert {} == {name: count for name, count in lengths.items() if count > MAX_FUNCTION}


def test_every_test_says_who_demands_it() -> None:
    """Ours: a docstring names the specification, an issue, or us."""
    silent = [
        f"{file}: {each.name}"
        for file, tree in trees(TESTS).items()
        for each in functions(tree)
        if each.name.startswith("test_") and not ast.get_docstring(each)
    ]

    assert [] == silent


def test_no_file_names_the_machine_that_it_was_written_on() -> None:
    """Ours: nor a place where packages come from; binaries, which hold paths as text, included."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607 - the git of whoever develops this
    if listed.returncode:
        pytest.skip("this is no checkout")
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    private = {
        str(file.relative_to(ROOT)): match[0]
        for file in files
        if file.is_file() and (match := _PRIVATE.search(file.read_bytes().decode("latin-1")))
    }

    assert {} == private
