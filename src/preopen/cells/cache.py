"""Compiled binaries on disk. Loading one is running code, so a file counts only with our own MAC.

`<cache>/compiled/<engine>/<sha256 of the binary>-<MAC>.cwasm`: the MAC stands in the name, so that
one rename publishes both, and two servers that compile at once cannot leave a torn pair.
"""

import hashlib
import hmac
import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, TypeAlias

import anyio
import anyio.to_thread

from preopen.cells.pruning import COMPILED, PART, Stored, mark_used, prune
from preopen.cells.refusals import Refusals
from preopen.errors import BinaryError
from preopen.own import CACHE, STATE, own_folder, own_key, usable
from preopen.wire.frames import Binary

# A binary, its bytes, the place that errors name, and where its compiled form is to be written.
Compile: TypeAlias = Callable[[Binary, bytes, str, int], Awaitable[None]]
_CHUNK = 1 << 20
_COMPILERS = 2  # at once, of 2 GiB at most each; each uses every core that it finds
# Raise it when `make_engine` changes: what was compiled under other settings must not be found.
_PROFILE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BinarySource:
    """A binary that can be compiled: its name, where it came from, and how its bytes are read.

    `read` checks the sha256 of what it reads and raises BinaryError where it differs. `networked`
    says in which cells it runs: those where `wasi:http` is linked. `is_inert` says that
    instantiating it runs none of its code: a cell may do that ahead of a call.
    """

    binary: Binary
    place: str
    read: Callable[[], bytes]
    networked: bool = False
    is_inert: bool = False


@dataclass(slots=True, eq=False)
class Cache:
    """The compiled binaries of one user. Descriptors stay open, verified once per start."""

    folder: Path
    key_file: Path
    compile: Compile
    _open: dict[Binary, int] = field(default_factory=dict)
    _lent: dict[Binary, int] = field(default_factory=dict)
    _locks: dict[Binary, anyio.Lock] = field(default_factory=dict)
    _turns: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_COMPILERS))

    async def open(self, source: BinarySource) -> int:
        """Return a descriptor of the compiled binary, compiling it at the first asking.

        The descriptor stays this cache's. Raises BinaryError where the binary cannot be compiled,
        now or when it was first tried, PlatformError where a folder cannot be used or is not ours
        alone.
        """
        async with self._locks.setdefault(source.binary, anyio.Lock()):
            if source.binary not in self._open:
                found = await anyio.to_thread.run_sync(self._find, source.binary)
                self._open[source.binary] = found if found is not None else await self._make(source)
            return self._open[source.binary]

    @asynccontextmanager
    async def lend(self, source: BinarySource) -> AsyncIterator[int]:
        """Give the descriptor of `open` to who needs it for a while: `retire` waits for that."""
        self._lent[source.binary] = self._lent.get(source.binary, 0) + 1
        try:
            yield await self.open(source)
        finally:
            self._lent[source.binary] -= 1
            if not self._lent[source.binary]:
                del self._lent[source.binary]

    def holds(self, binary: Binary) -> bool:
        """Whether this binary is compiled and open, so that its bytes are not needed again."""
        return binary in self._open

    def retire(self, keep: Collection[Binary]) -> None:
        """Close what no tool has any more. What is lent now stays, until the next time.

        It stays on disk, and is found there if a tool has it again.
        """
        for binary in [each for each in self._open if each not in keep and each not in self._lent]:
            os.close(self._open.pop(binary))
            self._locks.pop(binary, None)

    async def tidy(self) -> tuple[Stored, ...]:
        """Have removed what nobody used for a month; what this cache has open counts as used now.

        Raises:
            PlatformError: the folder is not ours alone.

        """
        own_folder(self.folder, CACHE)
        # Not in the thread: a number that is closed meanwhile may be another file's by then.
        for descriptor in self._open.values():
            mark_used(descriptor)
        return await anyio.to_thread.run_sync(prune, self.folder / "compiled", time.time())

    def check(self) -> None:
        """Make both folders, or check that they are ours alone.

        Whether they can be written is not asked: what is compiled already needs it no more.

        Raises:
            PlatformError: one cannot be made, is no folder, or is not ours alone.

        """
        own_folder(self.folder, CACHE)
        own_folder(self.key_file.parent, STATE)

    def close(self) -> None:
        """Close every descriptor."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def recall(self, source: BinarySource) -> BinaryError | None:
        """Return the Refusal that is remembered of a binary, without making or compiling anything.

        Raises:
            PlatformError: the folder is not ours alone, so what it says counts for nothing.

        """
        with usable(self.folder, CACHE):
            if not self.folder.exists():
                return None
        own_folder(self.folder, CACHE)
        return Refusals(self._shelf_of(source.binary)).recall(source.binary.sha256, source.place)

    def forget(self, source: BinarySource) -> None:
        """Have a binary tried again that was refused, under whichever engine that was.

        Raises:
            PlatformError: as `recall`.

        """
        with usable(self.folder, CACHE):
            if self.folder.exists():
                own_folder(self.folder, CACHE)
            for shelf in (self.folder / "compiled").glob("*"):
                Refusals(shelf).forget(source.binary.sha256)

    async def _make(self, source: BinarySource) -> int:
        refusals = Refusals(self._shelf(source.binary))
        if refused := refusals.recall(source.binary.sha256, source.place):
            raise refused
        async with self._turns:  # who waits for one holds no binary in memory
            data = await anyio.to_thread.run_sync(source.read)
            with usable(self.folder, CACHE):
                made = tempfile.TemporaryFile(dir=refusals.shelf)  # noqa: SIM115 - closed below
            with made as out:  # gone whatever happens
                try:
                    await self.compile(source.binary, data, source.place, out.fileno())
                except BinaryError as error:
                    refusals.remember(source.binary.sha256, error)
                    raise
                return await anyio.to_thread.run_sync(self._store, source.binary, out)

    def _find(self, binary: Binary) -> int | None:
        """Return a descriptor of the stored file whose content has the MAC of its name, or None."""
        with usable(self.folder, CACHE):
            return self._find_in(self._shelf(binary), binary)

    def _find_in(self, shelf: Path, binary: Binary) -> int | None:
        for path in sorted(shelf.glob(f"{binary.sha256}-*{COMPILED}")):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue
            # On the open descriptor: what was verified is what the zygote loads.
            claimed = path.stem.removeprefix(f"{binary.sha256}-")
            if hmac.compare_digest(claimed, self._mac(binary, _digest_of(descriptor))):
                mark_used(descriptor)
                return descriptor
            os.close(descriptor)
            path.unlink(missing_ok=True)
        return None

    def _store(self, binary: Binary, compiled: BinaryIO) -> int:
        with usable(self.folder, CACHE):
            return self._store_on(self._shelf(binary), binary, compiled)

    def _store_on(self, shelf: Path, binary: Binary, compiled: BinaryIO) -> int:
        mac = self._mac(binary, _digest_of(compiled.fileno()))
        path = shelf / f"{binary.sha256}-{mac}{COMPILED}"
        beside = shelf / f".{secrets.token_hex(8)}{PART}"
        # Readable by all, in a folder that only we may enter: a zygote that became the workspace's
        # owner opens its descriptor anew; the file's mode counts then, the folder's does not.
        out = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            with os.fdopen(out, "wb") as file:
                os.fchmod(file.fileno(), 0o644)
                compiled.seek(0)  # the compiler has left: these are the bytes that were digested
                shutil.copyfileobj(compiled, file, _CHUNK)
                file.flush()
                os.fsync(file.fileno())
            # Before it has a name that another server may remove.
            stored = os.open(beside, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                beside.rename(path)
            except OSError:
                os.close(stored)
                raise
        finally:
            beside.unlink(missing_ok=True)
        return stored

    def _shelf_of(self, binary: Binary) -> Path:
        made_by = f"{version('wasmtime')}-{platform.machine()}-{_PROFILE}"
        return self.folder / "compiled" / f"{made_by}-{_engine_of(binary)}"

    def _shelf(self, binary: Binary) -> Path:
        shelf = self._shelf_of(binary)
        own_folder(self.folder, CACHE)
        with usable(self.folder, CACHE):
            shelf.mkdir(parents=True, exist_ok=True, mode=0o700)
        return shelf

    def _mac(self, binary: Binary, digest: bytes) -> str:
        about = f"{binary.kind} {_engine_of(binary)} {binary.sha256} ".encode()
        return hmac.new(self._key(), about + digest, "sha256").hexdigest()

    def _key(self) -> bytes:
        return own_key(self.key_file, "a new one is made and everything compiled anew")


def _engine_of(binary: Binary) -> str:
    """Return what tells the engines of one wasmtime apart: what one compiled no other may load."""
    return f"{binary.stack_bytes}-fuel" if binary.counts_fuel else str(binary.stack_bytes)


def _digest_of(descriptor: int) -> bytes:
    """Return the sha256 of a whole file; never the file, which may be larger than a server."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return hashlib.file_digest(file, "sha256").digest()
