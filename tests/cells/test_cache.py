"""Compiled binaries on disk: loading one is running code, so each is checked."""

import stat
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from lab import wat
from preopen.cells.cache import BinarySource, Cache
from preopen.cells.compiling import compile_binary
from preopen.errors import BinaryError, PlatformError
from preopen.wire.frames import Binary

pytestmark = pytest.mark.anyio
SOURCE = wat('(module (memory (export "memory") 1) (func (export "_start")))')


class Compiles:
    """The real compiler, counted."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, binary: Binary, data: bytes, place: str, out: int) -> None:
        """Compile, and count it."""
        self.count += 1
        await compile_binary(binary, data, place, out)


def open_cache(top: Path, compiles: Compiles) -> Cache:
    """Return a cache as a server has it at its start."""
    return Cache(top / "cache", top / "state" / "cache.key", compiles)


async def open_once(top: Path, compiles: Compiles, source: BinarySource = SOURCE) -> None:
    """Start, open one binary, stop."""
    cache = open_cache(top, compiles)
    try:
        await cache.open(source)
    finally:
        cache.close()


def stored(top: Path) -> Path:
    """Return the one compiled file."""
    (path,) = (top / "cache").rglob("*.cwasm")
    return path


async def test_second_start_compiles_nothing(tmp_path: Path) -> None:
    """Design §8: the cache decides how long a start takes."""
    compiles = Compiles()
    await open_once(tmp_path, compiles)
    await open_once(tmp_path, compiles)

    assert compiles.count == 1


async def test_calls_at_once_compile_once(tmp_path: Path) -> None:
    """Ours: ten first calls of one tool wait for one compiler."""
    compiles = Compiles()
    cache = open_cache(tmp_path, compiles)
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(cache.open, SOURCE)
    cache.close()

    assert compiles.count == 1


async def test_two_binaries_are_compiled_at_once_and_no_more(tmp_path: Path) -> None:
    """Issue: bounded memory, for the compilers of many tools together, too."""
    running: set[str] = set()
    most: list[int] = []
    both = anyio.Event()

    async def compile_beside(binary: Binary, data: bytes, place: str, out: int) -> None:
        running.add(binary.sha256)
        most.append(len(running))
        if len(running) == 2:
            both.set()
        await both.wait()  # a third one would come in meanwhile
        await compile_binary(binary, data, place, out)
        running.discard(binary.sha256)

    cache = Cache(tmp_path / "cache", tmp_path / "state" / "cache.key", compile_beside)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for pages in range(1, 6):
                tasks.start_soon(cache.open, wat(f'(module (memory {pages}) (func (export "x")))'))
    cache.close()

    assert max(most) == 2
    assert len(most) == 5


@pytest.mark.parametrize("harm", ["changed", "cut", "another", "renamed"])
async def test_file_that_is_not_what_we_stored_is_compiled_anew(tmp_path: Path, harm: str) -> None:
    """Design §8: a MAC under a 0600 key, verified once per start on the open descriptor."""
    compiles = Compiles()
    await open_once(tmp_path, compiles)
    path = stored(tmp_path)
    good = path.read_bytes()
    match harm:
        case "changed":
            path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        case "cut":
            path.write_bytes(good[:-1])
        case "another":  # another binary's file, whole and ours, under this one's name
            other = wat('(module (memory (export "memory") 2) (func (export "_start")))')
            await open_once(tmp_path, compiles, other)
            (theirs,) = (tmp_path / "cache").rglob(f"{other.binary.sha256}-*.cwasm")
            path.write_bytes(theirs.read_bytes())
            compiles.count -= 1
        case "renamed":
            path.rename(path.with_name(f"{SOURCE.binary.sha256}-{'0' * 64}.cwasm"))
    await open_once(tmp_path, compiles)

    assert compiles.count == 2


async def test_another_users_key_makes_nothing_ours(tmp_path: Path) -> None:
    """Ours: a file with a MAC under another key is not loaded."""
    compiles = Compiles()
    await open_once(tmp_path, compiles)
    (tmp_path / "state" / "cache.key").unlink()
    await open_once(tmp_path, compiles)

    assert compiles.count == 2


async def test_folders_and_key_are_made_ours_alone(tmp_path: Path) -> None:
    """Design §8: `0700`, and a `0600` key."""
    await open_once(tmp_path, Compiles())
    modes = {
        name: stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("cache", "state", "state/cache.key")
    }

    assert modes == {"cache": 0o700, "state": 0o700, "state/cache.key": 0o600}
    # Readable behind the closed folder: root's zygote becomes the workspace's owner.
    assert stat.S_IMODE(stored(tmp_path).stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["cache", "state"])
async def test_folder_that_others_may_enter_is_refused(tmp_path: Path, name: str) -> None:
    """Design §8: else refused, with the way out."""
    (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / name).chmod(0o755)
    with pytest.raises(PlatformError, match="chmod 700"):
        await open_once(tmp_path, Compiles())


async def test_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Ours: whoever knows the key can have us run code."""
    await open_once(tmp_path, Compiles())
    (tmp_path / "state" / "cache.key").chmod(0o644)
    with pytest.raises(PlatformError, match="rm "):
        await open_once(tmp_path, Compiles())


async def test_binary_that_does_not_compile_is_a_fault_with_its_place(tmp_path: Path) -> None:
    """Ours: a damaged binary is its own tool's fault; the compiler's process takes the harm."""
    whole = SOURCE.read()
    damaged = BinarySource(binary=SOURCE.binary, place="t.wasm", read=lambda: whole[:-3])
    with pytest.raises(BinaryError, match=r"t\.wasm: wasmtime cannot compile it"):
        await open_once(tmp_path, Compiles(), damaged)

    assert not [*(tmp_path / "cache").rglob("*.cwasm")]


async def test_code_that_counts_fuel_is_kept_apart_from_code_that_does_not(tmp_path: Path) -> None:
    """Issue: the profile is part of the cache's folder and of the MAC."""
    compiles, plain = Compiles(), SOURCE.binary
    counting = replace(SOURCE, binary=replace(plain, counts_fuel=True))
    await open_once(tmp_path, compiles)
    await open_once(tmp_path, compiles, counting)
    await open_once(tmp_path, compiles, counting)
    files = list((tmp_path / "cache").rglob("*.cwasm"))
    assert (2, 2) == (compiles.count, len(files))

    (theirs,) = [path for path in files if path.parent.name.endswith("-fuel")]
    (ours,) = [path for path in files if path != theirs]
    assert theirs.read_bytes() != ours.read_bytes()
    theirs.rename(ours.parent / theirs.name)
    ours.unlink()
    await open_once(tmp_path, compiles)
    assert compiles.count == 3
