"""A laboratory: real cells that run the probe, or any WebAssembly text, under a test's grants.

The probe is one Rust source (`wasm/probe`), built as a module and as a component, so that each test
runs over both kinds of binary.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import wasmtime

from preopen.capability import Access, EnvVar, Kept, Limits, Mount, Reach, Source
from preopen.cells.cache import BinarySource, Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.job import Attend, Binding, Job, Run
from preopen.cells.launch import SpawnLauncher, ZygoteLauncher
from preopen.cells.pool import Pool, open_pool
from preopen.cells.start import ZYGOTE
from preopen.errors import BinaryError
from preopen.outcome import Returned
from preopen.tool.binary import read_facts
from preopen.wire.frames import Binary

KINDS = ("module", "component")
LAUNCHERS = ("zygote", "spawn")
ROOT = Path(__file__).resolve().parent.parent
PROBES = {
    "module": ROOT / "wasm/probe/probe.wasm",
    "component": ROOT / "wasm/probe/probe.component.wasm",
}
COURIER = ROOT / "wasm/courier/courier.wasm"
QUICK = Limits(wall_time_ms=15_000)


def source_of(
    data: bytes, kind: str, stack_bytes: int = 1 << 20, *, counts_fuel: bool = False
) -> BinarySource:
    """Return a binary of these bytes as the pool takes it."""
    binary = Binary(
        sha256=hashlib.sha256(data).hexdigest(),
        kind=kind,
        stack_bytes=stack_bytes,
        counts_fuel=counts_fuel,
    )
    place = f"a test's {kind}"
    is_inert = False
    with suppress(BinaryError):  # some tests want bytes that are no binary
        is_inert = read_facts(data, place).is_inert
    return BinarySource(binary=binary, place=place, read=lambda: data, is_inert=is_inert)


def probe(kind: str, stack_bytes: int = 1 << 20, *, counts_fuel: bool = False) -> BinarySource:
    """Return the probe as this kind of binary."""
    return source_of(PROBES[kind].read_bytes(), kind, stack_bytes, counts_fuel=counts_fuel)


def courier(name: str = "courier") -> BinarySource:
    """Return the component that sends what it is told, for cells with a network."""
    data = (ROOT / "wasm" / "courier" / f"{name}.wasm").read_bytes()
    return replace(source_of(data, "component"), networked=True)


def wat(text: str) -> BinarySource:
    """Return a module of this WebAssembly text."""
    return source_of(bytes(wasmtime.wat2wasm(text)), "module")


@contextmanager
def mounted(
    folder: Path,
    access: Access = Access.READ,
    *,
    guest_paths: tuple[str, ...] = (".",),
    only: str = "",
) -> Iterator[Mount]:
    """Open a folder as a mount: its whole tree, or `only` one file in it."""
    with ExitStack() as stack:

        def open_path(path: Path) -> int:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            return descriptor

        yield Mount(
            folder=open_path(folder),
            guest_paths=guest_paths,
            access=access,
            reach=Reach.FILE if only else Reach.TREE,
            host_paths=(str(folder / only),),
            targets=(open_path(folder / only),) if only else (),
        )


@dataclass(slots=True)
class Lab:
    """A pool, and the shortest way to run something in it."""

    pool: Pool
    runs: list[Run] = field(default_factory=list)

    async def run(
        self,
        source: BinarySource,
        *words: str,
        mounts: tuple[Mount, ...] = (),
        kept: tuple[Kept, ...] = (),
        env: dict[str, str] | None = None,
        stdin: bytes = b"",
        limits: Limits = QUICK,
        binding: Binding | None = None,
        attend: Attend | None = None,
        tool: str = "probe",
    ) -> Run:
        """Run a binary once; `words` are its arguments."""
        variables = (env or {}).items()
        job = Job(
            tool=tool,
            source=source,
            argv=words,
            stdin=stdin,
            environment=tuple(
                EnvVar(name=n, value=v, source=Source.MANIFEST) for n, v in variables
            ),
            mounts=mounts,
            kept=kept,
            limits=limits,
            binding=binding,
            attend=attend,
        )
        await self.pool.prepare(source)
        run = await self.pool.run(job)
        self.runs.append(run)
        return run

    async def say(
        self, kind: str, *words: str, mounts: tuple[Mount, ...] = (), **more: object
    ) -> list[str]:
        """Run the probe, which must end well, and return the lines that it printed."""
        run = await self.run(probe(kind), *words, mounts=mounts, **more)  # type: ignore[arg-type]  # passed on as they are
        assert isinstance(run.outcome, Returned), run
        return run.outcome.stdout.decode().splitlines()


@asynccontextmanager
async def open_lab(
    cache_folder: Path,
    launcher: str = "zygote",
    *,
    cells: int = 32,
    spares: int = 1,
    entry: str = ZYGOTE,
) -> AsyncIterator[Lab]:
    """Open a pool by one of LAUNCHERS, with one cache for all tests; `entry` is of a zygote."""
    made = ZygoteLauncher(entry=entry) if launcher == "zygote" else SpawnLauncher()
    cache = Cache(cache_folder / "cache", cache_folder / "state" / "cache.key", compile_binary)
    async with open_pool(made, cache, cells=cells, spares=spares) as pool:
        yield Lab(pool)
