"""A cache or state folder that cannot be used: said in words by every verb, with the way out."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from cli.ordinary import Ordinary
from cli.workshop import Workshop
from lab import wat
from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.errors import PlatformError

NAMES = ("CACHE", "STATE")
RUNNING = {"serve": ("--stdio",), "call": ("peek", "path=a.txt")}


def nowhere(_top: Path) -> str:
    """Return a folder in which nobody can make another, root neither."""
    return "/proc/x"


def a_file(top: Path) -> str:
    """Return a file where the folder should be."""
    (top / "file").write_text("no folder")
    return str(top / "file")


def a_file_in_its_place(top: Path) -> str:
    """Return a folder in which preopen's own is a file."""
    (top / "folder").mkdir()
    (top / "folder/preopen").write_text("no folder")
    return str(top / "folder")


SPOILT = {
    nowhere: "No such file or directory",
    a_file: "Not a directory",
    a_file_in_its_place: "File exists",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("verb", RUNNING)
def test_serve_and_call_refuse_a_folder_that_cannot_be_made(  # noqa: PLR0917 - the table's columns
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    spoil: Callable[[Path], str],
    verb: str,
) -> None:
    """Issue: folder, what was found and the way out; no bug of ours."""
    folder = spoil(tmp_path)
    monkeypatch.setenv(f"XDG_{name}_HOME", folder)
    done = workshop.spawn(verb, *RUNNING[verb])
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"{folder}/preopen: cannot be made or written: {SPOILT[spoil]}")
    assert done.stderr.endswith(f"; set XDG_{name}_HOME to a folder that you may write\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_list_needs_neither_folder(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Issue: `list` starts and compiles nothing, so it says what would be offered."""
    monkeypatch.setenv(f"XDG_{name}_HOME", "/proc/x")
    done = workshop.spawn("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\npeek " in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_doctor_names_the_folder_and_tries_the_rest(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Issue: the doctor says it as a line of its own, and goes on."""
    monkeypatch.setenv(f"XDG_{name}_HOME", "/proc/x")
    done = workshop.spawn("doctor", "--json")
    checks = json.loads(done.stdout)["checks"]
    (fault,) = [check for check in checks if check["state"] == "fail"]
    assert done.returncode == 1
    assert fault["name"] == name.lower()
    assert "/proc/x/preopen: cannot be made or written" in fault["found"]
    assert f"XDG_{name}_HOME" in fault["way_out"]


def close(folder: Path) -> None:
    """Let nobody write below a folder of preopen's, and its owner read all of it."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o500)


def test_a_cache_that_cannot_be_written_is_said_by_the_call_that_needs_it(
    ordinary: Ordinary,
) -> None:
    """Issue: a read-only folder; what cannot be kept cannot be loaded."""
    cache = Path(os.environ["XDG_CACHE_HOME"])
    done = ordinary.spawn("call", "peek", "path=a.txt")
    assert done.returncode == 0, done.stderr
    compiled = list(cache.rglob("*.cwasm"))
    close(cache)
    assert ordinary.spawn("call", "peek", "path=a.txt").stdout == done.stdout

    for path in compiled:
        path.parent.chmod(0o700)
        path.unlink()
    close(cache)
    said = ordinary.spawn("call", "peek", "path=a.txt")
    assert said.returncode == 1
    assert f"{cache}/preopen: cannot be made or written: Permission denied" in said.stderr
    assert "set XDG_CACHE_HOME to a folder that you may write" in said.stderr
    assert "Try again" not in said.stderr


@pytest.mark.anyio
async def test_what_fails_within_a_folder_names_the_folder_and_what_it_was(tmp_path: Path) -> None:
    """Ours: a file where a folder of the cache's should be."""
    cache = open_cache(tmp_path)
    where = tmp_path / "cache" / "compiled"
    where.write_text("no folder")
    with anyio.fail_after(30), pytest.raises(PlatformError) as refused:
        await cache.open(EMPTY)
    (fault,) = refused.value.faults
    assert fault.place == str(tmp_path / "cache")
    assert str(where) in fault.found
    assert fault.write == "set XDG_CACHE_HOME to a folder that you may write"


@pytest.mark.anyio
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
async def test_what_is_no_file_is_no_key_and_nobody_waits_for_it(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Ours: a folder or a fifo in the key's place is said, and how to be rid of it."""
    cache = open_cache(tmp_path)
    make(cache.key_file)
    with anyio.fail_after(30), pytest.raises(PlatformError, match="0 bytes; remove it"):
        await cache.open(EMPTY)


EMPTY = wat('(module (memory 1) (func (export "_start")))')


def open_cache(top: Path) -> Cache:
    """Return a cache whose folders are made."""
    cache = Cache(top / "cache", top / "state" / "cache.key", compile_binary)
    cache.check()
    return cache
