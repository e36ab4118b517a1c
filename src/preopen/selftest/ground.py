"""Where attacks are fought: real cells by the product's own path, in folders made for each call.

Manifest text → `parse_manifest` → `load_tool` → `Invoker` → `Pool` → a cell. Three pools: one runs
guests; in another native code stands where the guest would be (`native.py`); the third's compiler
has a part of the usual time and memory (`compiler.py`).
"""

import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import anyio

from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.pool import Pool, open_pool
from preopen.cells.start import ZYGOTE
from preopen.level import PermissionLevel
from preopen.outcome import JsonValue
from preopen.policy.policy import NamedFolder, Policy
from preopen.selftest.asking import SECRET, Ask, Who
from preopen.selftest.opening import gateway_for, network_policy
from preopen.selftest.site import Site, open_site
from preopen.selftest.talkers import open_talkers
from preopen.selftest.wire import call_over_wire
from preopen.serving.invocation import Answer, Invoker, make_invoker
from preopen.serving.loading import load_tool
from preopen.serving.registry import Tool
from preopen.serving.transports.descriptors import borrowed
from preopen.shipped import WASM, shipped
from preopen.tool.parsing import parse_manifest

NATIVE: Final = "preopen.selftest.native"
COMPILER: Final = "preopen.selftest.compiler"
CELLS: Final = 8

_FILES: Final = {
    "work/a.txt": "this is a\n",
    "work/b.txt": "this is b\n",
    "work/sub/c.txt": "this is c\n",
    "docs/d.txt": "this is d\n",
    "outside/secret.txt": f"{SECRET}\n",
    "secret.txt": f"{SECRET}\n",
}
_STREAMS: Final = {
    "stdin": f"{SECRET} of the server's input\n",
    "stdout": "",
    "open": f"{SECRET}\n",
}
_KINDS: Final = {
    Who.GUESTS: ("module", "component"),
    Who.MODULE: ("module",),
    Who.COMPONENT: ("component",),
    Who.NATIVE: ("native",),
    Who.BINARY: ("binary",),
}
_KEYS: Final = ("@top", "@work", "@docs", "@server", "@temp", "@site", "@other", "@ground", "@camp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Fresh folders: `work` is the workspace, `docs` a named folder, all else is outside."""

    top: Path
    kind: str
    camp: "Camp"

    @property
    def work(self) -> Path:
        """The workspace."""
        return self.top / "work"

    async def call(self, ask: Ask) -> Answer:
        """Return the answer of one call."""
        policy, tool, arguments = self._made(ask)
        return await self._invoker(policy, ask)(tool, arguments, _hear)

    async def call_beside(self, one: Ask, other: Ask) -> tuple[Answer, Answer]:
        """Return the answers of two calls that run beside one another, on one gateway."""
        made = [self._made(ask) for ask in (one, other)]
        invoker = self._invoker(made[0][0], one)
        answers: dict[int, Answer] = {}

        async def call(number: int, tool: Tool, arguments: Mapping[str, JsonValue]) -> None:
            answers[number] = await invoker(tool, arguments, _hear)

        async with anyio.create_task_group() as tasks:
            for number, (_, tool, arguments) in enumerate(made):
                tasks.start_soon(call, number, tool, arguments)
        return answers[0], answers[1]

    async def call_over_wire(self, ask: Ask) -> bytes:
        """Return all that a client would get for one call."""
        policy, tool, arguments = self._made(ask)
        return await call_over_wire(self._pool, policy, tool, arguments)

    @property
    def _pool(self) -> Pool:
        others = {"native": self.camp.native, "binary": self.camp.compiling}
        return others.get(self.kind, self.camp.guests)

    def _invoker(self, policy: Policy, ask: Ask) -> Invoker:
        invoker = make_invoker(self._pool, policy)
        if ask.network is None:
            return invoker
        return replace(invoker, gateway=gateway_for(policy, ask.network))

    def _made(self, ask: Ask) -> tuple[Policy, Tool, Mapping[str, JsonValue]]:
        policy, binary = self._policy(ask), _binary_of(ask, self.kind)
        if ask.binary:
            binary = self.top / "tools/probe.wasm"
            binary.parent.mkdir(exist_ok=True)
            binary.write_bytes(ask.binary)
        text = self._fill(manifest_for(ask, binary))
        tool = load_tool(parse_manifest(text, str(self.top / "tools/probe.toml")), policy, ())
        return policy, tool, {name: self._filled(each) for name, each in ask.arguments.items()}

    def _policy(self, ask: Ask) -> Policy:
        return Policy(
            workspace=str(self.work),
            max_level=PermissionLevel.WRITE,
            folders=(NamedFolder(name="docs", host_path=str(self.top / "docs")),),
            environment_names=("PREOPEN_SELFTEST",),
            environment={"PREOPEN_SELFTEST": "granted"},
            calls_per_cell={"probe": ask.calls_per_cell} if ask.calls_per_cell > 1 else {},
            network=network_policy(ask.network, self._fill),
        )

    def _filled(self, value: JsonValue) -> JsonValue:
        return self._fill(value) if isinstance(value, str) else value

    def _fill(self, text: str) -> str:
        values = (
            str(self.top),
            str(self.work),
            str(self.top / "docs"),
            str(os.getpid()),
            gettempdir(),
            *map(str, self.camp.site.ports),
            self.top.name,
            str(self.camp.top),
        )
        for key, each in zip(_KEYS, values, strict=True):
            text = text.replace(key, each)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Camp:
    """The pools, the site that calls may ask, and the folder below which every ground is made."""

    top: Path
    guests: Pool
    native: Pool
    compiling: Pool
    site: Site
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the wall that this machine has."""
        return self.guests.launcher.layers

    def written(self) -> bytes:
        """Return what came out where the server's messages would, while the zygotes started."""
        return (self.top / "stdout").read_bytes()

    def grounds(self, who: Who) -> Iterator[Ground]:
        """Yield a fresh ground for each kind of body that is to try."""
        for kind in _KINDS[who]:
            top = self.top / f"{next(self.numbers):04}"
            for name, content in _FILES.items():
                file = top / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            (top / "work/empty").mkdir()
            yield Ground(top=top, kind=kind, camp=self)


@asynccontextmanager
async def open_camp(
    top: Path,
    cache: Cache,
    *,
    guests: str = ZYGOTE,
    native: str = NATIVE,
    compiler: str = COMPILER,
) -> AsyncIterator[Camp]:
    """Open the pools. Entry points are parameters for tests, which switch walls off in them."""
    launchers = [ZygoteLauncher(entry=entry) for entry in (guests, native, guests)]
    bounded = partial(compile_binary, entry=compiler)
    apart = Cache(top / "compiled", top / "compiled.key" / "key", bounded)
    with _worth_stealing(top):
        for launcher in launchers:
            launcher.start()
    async with AsyncExitStack() as stack:
        pools = [
            await stack.enter_async_context(open_pool(each, kept, cells=CELLS, spares=1))
            for each, kept in zip(launchers, (cache, cache, apart), strict=True)
        ]
        site = await stack.enter_async_context(open_site())
        await stack.enter_async_context(open_talkers(top, site.ports[0]))
        yield Camp(top=top, guests=pools[0], native=pools[1], compiling=pools[2], site=site)


@contextmanager
def _worth_stealing(top: Path) -> Iterator[None]:
    """Have something to lose while the zygotes start: else nothing shows that no cell gets it.

    An input with a secret, an output that is looked at, and a file that would be inherited.
    """
    with ExitStack() as stack:
        for number, (name, content) in enumerate(_STREAMS.items()):
            (top / name).write_text(content)
            descriptor = os.open(top / name, os.O_RDWR)
            stack.callback(os.close, descriptor)
            if number > 1:
                os.set_inheritable(descriptor, True)
            else:
                stack.enter_context(borrowed(number, descriptor))
        yield


def _binary_of(ask: Ask, kind: str) -> Path:
    """Return the binary of one call: the probe, or the guest that was asked for."""
    return shipped(WASM) / f"{_binary_name(ask, kind)}.wasm"


def manifest_for(ask: Ask, binary: Path) -> str:
    """Return the manifest of one call of this binary."""
    sha256 = hashlib.sha256(binary.read_bytes()).hexdigest()
    words = [word.replace("{", "{{").replace("}", "}}") for word in ask.words]
    words += [f"{{{name}}}" for name in ask.arguments]
    return "\n".join(
        [
            "manifest = 1",
            _table("[tool]", name="probe", title="Probe", description="Tries.", level=ask.level),
            _table("[binary]", path=str(binary), sha256=sha256),
            _table("[run]", args=words, stdin=ask.stdin, stdout=ask.stdout),
            *(_table(f"[input.properties.{each}]", type="string") for each in ask.arguments),
            _table("[limits]", **ask.limits),
            ask.output,
            ask.grant,
        ]
    )


def _binary_name(ask: Ask, kind: str) -> str:
    if ask.network is not None:  # of native code's call it says that the cell gets a network
        return ask.guest or "courier/courier"
    if ask.guest:
        return f"{ask.guest}-component" if kind == "component" else ask.guest
    return "probe/probe.component" if kind == "component" else "probe/probe"


def _table(name: str, /, **values: JsonValue) -> str:
    rows: Mapping[str, JsonValue] = values
    return "\n".join([name, *(f"{key} = {json.dumps(value)}" for key, value in rows.items())])


async def _hear(_progress: str) -> None:
    """Hear of progress, and do nothing about it."""
