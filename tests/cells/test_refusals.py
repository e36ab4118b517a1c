"""A binary that its compiler dies of costs that once: its Refusal is remembered by its hash."""

import os
from functools import partial
from pathlib import Path

import anyio
import pytest

from cells import bombs
from lab import source_of
from preopen.cells.cache import BinarySource, Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.refusals import Refusals
from preopen.errors import BinaryError, PlatformError

pytestmark = pytest.mark.anyio
CRASHES = {
    "SIGSEGV": "killed by SIGSEGV",
    "SIGABRT": "killed by SIGABRT",
    "spin": "more CPU time than a compiler may have",
    "nothing": "ended without an answer",
    "70": "ended without an answer",
}
# Not the binary's doing: the shell's, the machine's, preopen's own.
OTHERS = {
    "SIGINT": "ended from outside, by SIGINT",
    "SIGTERM": "ended from outside, by SIGTERM",
    "SIGKILL": "ended from outside, by SIGKILL",
    "1": "failed at its own work",
    str(os.EX_OSERR): "wall could not be put up",
    str(os.EX_IOERR): "could not be written",
}


def dying(top: Path, how: str) -> BinarySource:
    """Return a binary that has the tests' compiler end like this."""
    return source_of(f"{how} {top / 'starts'}".encode(), "module")


def starts(top: Path) -> int:
    """Return how many times a compiler was started."""
    return (top / "starts").stat().st_size


def server(top: Path, seconds: float = 20) -> Cache:
    """Return the cache of one server; two on the same `top` are two servers of one user."""
    compiler = partial(compile_binary, entry="cells.dying_compiler", seconds=seconds)
    return Cache(top / "cache", top / "state" / "cache.key", compiler)


async def refusal(cache: Cache, source: BinarySource) -> str:
    """Return what a server says of a binary that it cannot compile."""
    with pytest.raises(BinaryError) as refused:
        await cache.open(source)
    return str(refused.value)


@pytest.mark.parametrize("how", CRASHES)
async def test_crash_is_remembered_by_this_server_and_every_other(tmp_path: Path, how: str) -> None:
    """Issue: a crash of the compiler is that binary's Refusal, remembered by its hash."""
    source, one = dying(tmp_path, how), server(tmp_path)
    first = await refusal(one, source)
    later = [await refusal(one, source), await refusal(server(tmp_path), source)]

    assert CRASHES[how] in first
    assert f"{source.place}: " in first
    for said in later:
        assert CRASHES[how] in said
        assert "remembered from the first try" in said
        assert "preopen check --retry" in said
    assert starts(tmp_path) == 1


@pytest.mark.parametrize("how", OTHERS)
async def test_what_is_not_the_binarys_doing_is_tried_again(tmp_path: Path, how: str) -> None:
    """Ours: Ctrl-C in a terminal reaches the compiler too, and a disk may be full for a minute."""
    source, cache = dying(tmp_path, how), server(tmp_path)
    for _ in range(2):
        with pytest.raises(PlatformError, match=OTHERS[how]):
            await cache.open(source)

    assert starts(tmp_path) == 2


async def test_compiler_that_takes_too_long_is_remembered(tmp_path: Path) -> None:
    """Issue: each ends in bounded time, and costs it once."""
    source = dying(tmp_path, "hang")
    first = await refusal(server(tmp_path, seconds=1), source)
    later = await refusal(server(tmp_path), source)

    assert "took longer than 1s" in first
    assert "took longer than 1s" in later
    assert starts(tmp_path) == 1


async def test_caller_who_leaves_is_no_crash(tmp_path: Path) -> None:
    """Ours: a client that goes away while its first call compiles says nothing of the binary."""
    source = dying(tmp_path, "hang")
    (tmp_path / "starts").touch()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server(tmp_path).open, source)
        with anyio.fail_after(20):
            while not starts(tmp_path):
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert server(tmp_path).recall(source) is None


async def test_another_binary_is_tried(tmp_path: Path) -> None:
    """Issue: remembered by its hash, so a rebuilt binary is another."""
    await refusal(server(tmp_path), dying(tmp_path, "SIGSEGV"))
    said = await refusal(server(tmp_path), dying(tmp_path, "SIGABRT"))

    assert "remembered" not in said
    assert starts(tmp_path) == 2


async def test_another_engine_tries_by_itself(tmp_path: Path) -> None:
    """Ours: another version of wasmtime, or another profile, may do better."""
    data = f"SIGSEGV {tmp_path / 'starts'}".encode()
    await refusal(server(tmp_path), source_of(data, "module"))
    said = await refusal(server(tmp_path), source_of(data, "module", stack_bytes=2 << 20))

    assert "remembered" not in said
    assert starts(tmp_path) == 2


async def test_refusal_that_is_forgotten_is_tried_again(tmp_path: Path) -> None:
    """Ours: `preopen check --retry` is the way out that the message names."""
    source = dying(tmp_path, "SIGSEGV")
    await refusal(server(tmp_path), source)
    server(tmp_path).forget(source)
    said = await refusal(server(tmp_path), source)

    assert "remembered" not in said
    assert starts(tmp_path) == 2


async def test_what_a_compiler_shouts_is_cut_and_escaped(tmp_path: Path) -> None:
    """Ours: its words come of an untrusted binary and reach a terminal, then and later."""
    source, cache = dying(tmp_path, "shout"), server(tmp_path)
    for said in (await refusal(cache, source), await refusal(cache, source)):
        assert "\x1b" not in said
        assert "\\u001b[31mred" in said
        assert len(said) < 1000


@pytest.mark.parametrize("what", ["empty", "huge", "escapes", "folder", "link", "fifo"])
def test_whatever_stands_in_its_place_refuses_in_one_short_line(tmp_path: Path, what: str) -> None:
    """Ours: the file is text from a disk, and that it is there is what counts."""
    path = tmp_path / f"{'0' * 64}.refused"
    match what:
        case "empty":
            path.touch()
        case "huge":
            path.write_bytes(b"a" * (8 << 20))
        case "escapes":
            path.write_bytes(b"\x1b[2J\x00\xff\n\xe2\x80\xae")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("/etc/passwd")
        case "fifo":
            os.mkfifo(path)
    refused = Refusals(tmp_path).recall("0" * 64, "t.wasm")

    assert str(refused).startswith("t.wasm: ")
    assert str(refused).isprintable()
    assert len(str(refused)) < 1200
    assert "root:" not in str(refused)


def test_what_was_never_refused_is_not(tmp_path: Path) -> None:
    """Ours: the pair of the test above."""
    assert Refusals(tmp_path).recall("0" * 64, "t.wasm") is None


async def test_folder_that_others_may_write_refuses_no_binary(tmp_path: Path) -> None:
    """Ours: whoever writes there could have any tool refused; the folder is the fault then."""
    source = dying(tmp_path, "SIGSEGV")
    await refusal(server(tmp_path), source)
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(PlatformError, match="chmod 700"):
        server(tmp_path).recall(source)


async def test_binary_that_wasmtime_refuses_is_compiled_once(tmp_path: Path) -> None:
    """Ours: what is not valid once is never valid; no call of that tool starts a compiler again."""
    data = bombs.random_code()
    source = source_of(data, "module")
    reads: list[int] = []

    def read() -> bytes:
        reads.append(1)
        return data

    counted = BinarySource(binary=source.binary, place="t.wasm", read=read)
    cache = Cache(tmp_path / "cache", tmp_path / "state" / "cache.key", compile_binary)
    said = [await refusal(cache, counted) for _ in range(3)]

    assert all("wasmtime cannot compile it" in each for each in said)
    assert len(reads) == 1
