"""A site that is loaded as `preopen serve` loads it, in this process: policy, tools, reloads."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from preopen.cells.cache import BinarySource
from preopen.cells.pool import Pool
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy, policy_place
from preopen.serving.current import Current
from preopen.serving.invocation import make_invoker
from preopen.serving.live import open_live
from preopen.serving.loading import load_registry
from preopen.serving.recording import UNRECORDED
from preopen.serving.registry import Registry
from preopen.serving.reload import Reloader
from preopen.serving.server import PreopenServer
from preopen.serving.sources import Sources
from preopen.trust.lock import AllOfThisRun
from served import Site
from serving.values import make_answer


def surroundings(site: Site) -> Surroundings:
    """Return where a server of this site is started, with folders that need not be there."""
    own = {f"{name}_dir": str(site.top / name / "preopen") for name in ("config", "state", "cache")}
    return Surroundings(cwd=str(site.work), home=str(site.top), environ={}, **own)


def flags_of(site: Site) -> Flags:
    """Return the command line of a server of this site."""
    return Flags(workspace=str(site.work), manifests=(str(site.tools),))


def write_policy(site: Site, text: str) -> None:
    """Write `preopen.toml`."""
    folder = site.top / "config" / "preopen"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preopen.toml").write_text(f"preopen = 1\n{text}")


@dataclass
class Loading:
    """The sources of a site, and how often the tools were read."""

    site: Site
    reads: int = 0
    fails: bool = False
    began_ns: int = field(default_factory=time.time_ns)

    def read_registry(self, policy: Policy) -> Registry:
        """Read the tools, as the server does."""
        self.reads += 1
        if self.fails:
            raise RuntimeError("a bug of ours")
        return load_registry(policy, AllOfThisRun())

    @property
    def sources(self) -> Sources:
        """Return them as `preopen serve` has them."""
        around, flags = surroundings(self.site), flags_of(self.site)
        return Sources(
            read_policy=partial(load_policy, flags, around),
            read_registry=self.read_registry,
            policy_file=policy_place(flags, around),
            began_ns=self.began_ns,
            folders=(f"{around.config_dir}/tools",),
        )


@dataclass
class Followed:
    """A Reloader over a site, without cells, and what it swapped."""

    reloader: Reloader
    loading: Loading
    swaps: list[tuple[Current, Current]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """Return the names of the tools that are not built in."""
        tools = self.reloader.current.registry.tools.values()
        return {tool.name for tool in tools if not tool.manifest.builtin}

    @property
    def refused(self) -> set[str]:
        """Return the names of those that are refused."""
        return {each.name for each in self.reloader.current.registry.refused}

    def description(self, name: str) -> str:
        """Return what the model reads of a tool."""
        return self.reloader.current.registry.tools[name].description


async def follow(
    site: Site, holds: Callable[[BinarySource], bool] = lambda _source: False
) -> Followed:
    """Return a Reloader that has looked once; `holds` says which binaries are compiled."""
    loading, swaps = Loading(site), []

    async def swapped(old: Current, new: Current) -> None:
        swaps.append((old, new))

    async def invoke(*_: object) -> object:
        return make_answer(text="")

    policy = loading.sources.read_policy()
    reloader = Reloader(
        sources=loading.sources,
        current=Current(policy=policy, registry=loading.read_registry(policy), invoke=invoke),  # type: ignore[arg-type]  # never called
        make_invoke=lambda _policy: invoke,  # type: ignore[arg-type, return-value]  # as above
        holds=holds,
        swapped=swapped,
    )
    await reloader.look()
    await reloader.look()
    swaps.clear()
    return Followed(reloader=reloader, loading=loading, swaps=swaps)


@asynccontextmanager
async def serving(site: Site, pool: Pool) -> AsyncIterator[PreopenServer]:
    """Give a server of this site with real cells, which follows its files."""
    sources = Loading(site).sources
    policy = sources.read_policy()
    registry = sources.read_registry(policy)
    async with open_live(
        pool, policy, registry, sources, partial(make_invoker, pool), recorder=UNRECORDED
    ) as server:
        yield server
