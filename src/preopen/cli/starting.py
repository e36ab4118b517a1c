"""From a policy to a running Invoker: who the cells are, where compiled binaries lie."""

import datetime as dt
import os
import pwd
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import SpawnLauncher, ZygoteLauncher
from preopen.cells.pool import Pool, open_pool
from preopen.cells.supply import SPARES
from preopen.cli.interrupts import ending_at_once
from preopen.policy.flags import Surroundings
from preopen.policy.policy import Policy
from preopen.trust.audit import AuditLog
from preopen.trust.standing import FILE_NAME, Standing

if TYPE_CHECKING:
    from preopen.serving.recording import Recorder

Launcher: TypeAlias = ZygoteLauncher | SpawnLauncher


def owner_of_cells(policy: Policy) -> str:
    """Return the "uid:gid" that cells of root's server become, "" where they stay who we are.

    A cell has no capability, so file modes bind even root: on another user's workspace it could
    not write, or would leave files of root there.
    """
    if os.geteuid() != 0 or policy.workspace is None:
        return ""
    about = Path(policy.workspace).stat()
    return f"{about.st_uid}:{about.st_gid}" if about.st_uid else ""


def describe_owner(policy: Policy) -> str:
    """Return who we are and, where it is somebody else, who the cells are."""
    uid = os.geteuid()
    if uid:
        return f"{name_of(uid)}, and so are the cells"
    owner = owner_of_cells(policy)
    if not owner:
        return "root: cells run as root without its capabilities"
    name = name_of(int(owner.partition(":")[0]))
    return f"root: cells run as {name} ({owner}), who owns the workspace"


def name_of(uid: int) -> str:
    """Return a user's name, or what stands for one that the system has no name for."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def start_launcher(policy: Policy, *, spawn: bool) -> Launcher:
    """Return a launcher that warms already. Call it on the main thread, before long imports."""
    forks = sys.platform == "linux" and not spawn
    kind = ZygoteLauncher if forks else SpawnLauncher
    with ending_at_once():  # anyio's locks import asyncio
        launcher = kind(owner=owner_of_cells(policy), required=policy.required_layers)
    launcher.start()
    return launcher


def open_standing(around: Surroundings) -> Standing:
    """Return this user's lasting answers; nothing is read yet."""
    return Standing(file=Path(around.config_dir, FILE_NAME), now=partial(dt.datetime.now, dt.UTC))


def make_cache(around: Surroundings) -> Cache:
    """Return this user's cache of compiled binaries; nothing is read or made yet."""
    key_file = Path(around.state_dir, "cache.key")
    with ending_at_once():  # as above
        return Cache(Path(around.cache_dir), key_file, compile_binary)


@contextmanager
def open_recorder(policy: Policy, around: Surroundings) -> Iterator["Recorder"]:
    """Open what records this process's calls, and close it; a file is made at the first record."""
    # It imports what serves, for which the zygote's start would have to wait.
    from preopen.serving.recording import Recorder  # noqa: PLC0415 - as said above

    auditing = policy.auditing
    log = AuditLog(state_dir=Path(around.state_dir), keeps_values=auditing.keeps_values)
    with closing(Recorder(log=log, mode=auditing.mode)) as recorder:
        yield recorder


@asynccontextmanager
async def open_cells(
    launcher: Launcher, policy: Policy, around: Surroundings, *, spares: int = SPARES
) -> AsyncIterator[Pool]:
    """Open the pool that this policy asks for; at the end every process of it is gone."""
    cache = make_cache(around)
    async with open_pool(launcher, cache, cells=policy.cells, spares=spares) as pool:
        yield pool
