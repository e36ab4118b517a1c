"""When something in some folders was touched: by inotify on Linux, by watchfiles elsewhere.

watchfiles has Linux tell of every file that is opened, too, and a thread of its own look 20 times a
second. A call whose file lies in the workspace itself took 4 % longer, and an idle server woke.
"""

import sys
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, closing, suppress
from typing import Any, Final

import anyio
import anyio.to_thread

from preopen.serving import inotify
from preopen.wire.readiness import Readiness

_QUIET_S: Final = 0.05  # an edit is over when nothing happened for so long: editors write in steps
_STORM_S: Final = 1.0  # under changes without end one is told of that often
# Told without a change: for links that lead elsewhere, folders of which the system tells nothing.
TICK_S: Final = 2.0
_PATIENCE_MS: Final = 500  # of a thread that waits: the server ends no sooner

# inotify(7). What a file holds is seen when its writer closes it; one who never does has the ticks.
_WATCHED: Final = (
    inotify.ATTRIB
    | inotify.CLOSE_WRITE
    | inotify.MOVED
    | inotify.CREATE
    | inotify.DELETE
    | inotify.DELETE_SELF
    | inotify.MOVE_SELF
    | inotify.ONLY_FOLDERS
)
_LEFT: Final = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNT | inotify.IGNORED


async def touches(folders: Collection[str]) -> AsyncGenerator[None, None]:
    """Yield once the watch stands, after each change of an entry there, and every two seconds.

    Use it by `aclosing`. What lies deeper is not watched, and a folder that may not be read is left
    out. Ends when a folder is not any more what has its name: it was moved or removed.

    Raises:
        OSError: a folder is not there, or the system watches no more folders for this user.
        RuntimeError: the same, as watchfiles tells some.

    """
    by_system = by_inotify if sys.platform == "linux" else by_watchfiles
    async with aclosing(by_system(folders)) as told:
        async for _ in told:
            yield


async def by_inotify(folders: Collection[str]) -> AsyncGenerator[None, None]:
    """Be `touches` on Linux."""
    from inotify_simple import INotify  # noqa: PLC0415 - it is installed on Linux only

    # In a thread: the first of a process has ldconfig look for libc, 15 ms.
    with await anyio.to_thread.run_sync(INotify) as notify:
        for folder in sorted(folders):
            with suppress(PermissionError):
                notify.add_watch(folder, _WATCHED)
        with closing(Readiness(notify.fileno())) as readiness:
            left = False
            while not left:
                yield
                with anyio.move_on_after(TICK_S):
                    await readiness.wait()
                    left = await _settle(notify)


async def _settle(notify: Any) -> bool:  # noqa: ANN401 - inotify_simple has no types
    """Wait until nothing happens any more, and return whether a folder has left."""
    left = False
    until = anyio.current_time() + _STORM_S
    while events := notify.read(timeout=0):
        left = left or any(event.mask & _LEFT for event in events)
        if left or anyio.current_time() >= until:
            break
        await anyio.sleep(_QUIET_S)
    return left


async def by_watchfiles(folders: Collection[str]) -> AsyncGenerator[None, None]:
    """Be `touches` elsewhere; more often, for its thread hears of nothing else meanwhile."""
    from watchfiles import awatch  # noqa: PLC0415 - on Linux only who develops preopen has it

    yield
    changes = awatch(
        *sorted(folders),
        watch_filter=None,
        recursive=False,
        debounce=int(_STORM_S * 1000),
        step=int(_QUIET_S * 1000),
        rust_timeout=_PATIENCE_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async with aclosing(changes):
        async for _ in changes:
            yield
