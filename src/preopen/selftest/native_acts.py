"""What native code in a cell tries: the probe's acts by the system's own calls, and some more.

Each act gets the text of its object and returns what it learnt; an OSError is a refusal.
"""

import ctypes
import errno
import mmap
import os
import resource
import stat
import time
from pathlib import Path
from typing import Final

from preopen.selftest import native_http, native_sockets
from preopen.selftest.native_body import Act, Body

LURKING_SECONDS: Final = 0.4
MANY: Final = 2000  # descriptors
_IN_CREATE: Final = 0x100
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_memory: list[str] = []  # what one call leaves in its process


def perform(body: Body, act: str, thing: str) -> str:
    """Return "done" and what was learnt, or the name of the errno that refused it."""
    try:
        learnt = ACTS[act](body, thing)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "refused")
    except MemoryError:
        return "ENOMEM"
    except ValueError as error:  # how Python's resource module says EPERM
        return str(error)
    return f"done {learnt}" if isinstance(learnt, str | int) else "done"


def _read(body: Body, thing: str) -> str:
    return Path(body.path(thing)).read_text().replace("\n", "|")


def _pair(body: Body, thing: str) -> tuple[str, str]:
    first, _, second = thing.partition(">")
    return body.path(first), body.path(second)


def _write(body: Body, thing: str) -> None:
    Path(body.path(thing)).write_text("written by native code")


def _open(body: Body, thing: str, flags: int) -> None:
    os.close(os.open(body.path(thing), flags, 0o600))


def _symlink(body: Body, thing: str) -> None:
    target, _, name = thing.partition(">")
    Path(body.path(name)).symlink_to(target)


def _lurk(body: Body, thing: str) -> str:
    end, seen = time.monotonic() + LURKING_SECONDS, list[str]()
    while time.monotonic() < end:
        try:
            line = _read(body, thing)
        except OSError:
            continue
        if line not in seen:
            seen.append(line)
    return ",".join(seen)


def _watch(body: Body, thing: str) -> None:
    descriptor = _libc("inotify_init1", 0)
    _libc("inotify_add_watch", descriptor, body.path(thing).encode(), _IN_CREATE)


def _spin(_: Body, thing: str) -> None:
    end = time.monotonic() + int(thing) / 1000
    while time.monotonic() < end:
        pass


def _recall(_: Body, thing: str) -> str:
    return "found" if thing in _memory else "not found"


def _grow(_: Body, thing: str) -> object:
    return bytearray(mmap.mmap(-1, int(thing) << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)[:1])


def _inflate(body: Body, thing: str) -> int:
    descriptor = os.open(body.path(thing), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for _ in range(64):
        try:
            os.write(descriptor, bytes(65536))
        except OSError:
            break
    return os.fstat(descriptor).st_size


def _litter(body: Body, thing: str) -> int:
    end, made = time.monotonic() + 1.5, 0
    while time.monotonic() < end:
        _open(body, f"{thing}/{made}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        made += 1
    return made


def _open_many(body: Body, thing: str) -> int:
    kept: list[int] = []
    try:
        while len(kept) < MANY:
            kept.append(os.open(body.path(thing), os.O_RDONLY))
    except OSError:
        return len(kept)
    return len(kept)


def _fork(_: Body, __: str) -> None:
    if os.fork() == 0:
        os._exit(0)


def _execute(body: Body, thing: str) -> None:
    os.execv(body.path(thing), ["x"])  # noqa: S606 - that is the attempt


def _slow(server: int) -> None:
    # To what it is already: where nothing stops this, no harm is done.
    os.setpriority(os.PRIO_PROCESS, server, os.getpriority(os.PRIO_PROCESS, server))


def _raise_limits(_body: Body, _thing: str) -> None:
    for name in (resource.RLIMIT_DATA, resource.RLIMIT_CPU):
        _, hard = resource.getrlimit(name)
        if hard != resource.RLIM_INFINITY:
            resource.setrlimit(name, (hard + 1, hard + 1))


def _sockets(_: Body, __: str) -> int:
    """Return how many sockets this process has: its own channel, and no other's."""
    return sum(stat.S_ISSOCK(mode) for mode in _modes())


def _modes() -> list[int]:
    found: list[int] = []
    for descriptor in range(1024):
        try:
            found.append(os.fstat(descriptor).st_mode)
        except OSError:
            continue
    return found


def _descriptors(_: Body, __: str) -> str:
    """Return the beginning of every file that this process holds open and may read."""
    seen: list[str] = []
    for descriptor in range(1024):
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                seen.append(os.pread(descriptor, 100, 0).decode(errors="replace"))
        except OSError:
            continue
    return "|".join(seen).replace("\n", " ")


def _input(_: Body, __: str) -> str:
    return os.read(0, 1000).decode(errors="replace")


def _print_raw(_: Body, thing: str) -> None:
    os.write(1, thing.encode() + b"\n")


def _libc(name: str, *arguments: object) -> int:
    result = int(getattr(_LIBC, name)(*arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


ACTS: Final[dict[str, Act]] = {
    "read": _read,
    "ls": lambda b, t: ",".join(sorted(os.listdir(b.path(t)))),  # noqa: PTH208 - names
    "write": _write,
    "append": lambda b, t: _open(b, t, os.O_WRONLY | os.O_APPEND),
    "truncate": lambda b, t: os.truncate(b.path(t), 0),
    "create": lambda b, t: _open(b, t, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "mkdir": lambda b, t: Path(b.path(t)).mkdir(),
    "rmdir": lambda b, t: Path(b.path(t)).rmdir(),
    "unlink": lambda b, t: Path(b.path(t)).unlink(),
    "rename": lambda b, t: Path(b.path(t)).rename(f"{b.path(t)}.renamed"),
    "link": lambda b, t: Path(f"{b.path(t)}.linked").hardlink_to(b.path(t)),
    "utime": lambda b, t: os.utime(b.path(t), (0, 0)),
    "move": lambda b, t: os.rename(*_pair(b, t)),  # noqa: PTH104 - two texts
    "bind": lambda b, t: os.link(*_pair(b, t)),
    "symlink": _symlink,
    "lurk": _lurk,
    "chmod": lambda b, t: Path(b.path(t)).chmod(0o777),
    "attribute": lambda b, t: os.setxattr(b.path(t), "user.preopen", b"x"),
    "fifo": lambda b, t: os.mkfifo(b.path(t)),
    "watch": _watch,
    "env": lambda _, t: os.environ.get(t, "(unset)"),
    "environ": lambda _, __: ",".join(f"{name}={value}" for name, value in os.environ.items()),
    "args": lambda b, _: "|".join(b.call.argv),
    "stdin": _input,
    "own-stdin": lambda b, _: b.call.stdin.decode(),
    "remember": lambda _, t: _memory.append(t),
    "recall": _recall,
    "descriptors": _descriptors,
    "sockets": _sockets,
    "print": lambda b, t: b.print(t.encode()),
    "print-raw": _print_raw,
    "sleep": lambda _, t: time.sleep(int(t) / 1000),
    "spin": _spin,
    "grow": _grow,
    "pour": lambda b, t: b.print(b"x" * (int(t) << 10)),
    "pour-stderr": lambda b, t: b.warn(b"x" * (int(t) << 10)),
    "inflate": _inflate,
    "litter": _litter,
    "open": _open_many,
    "fork": _fork,
    "execute": _execute,
    "raise-limits": _raise_limits,
    "signal": lambda _, t: os.kill(int(t), 0),
    "limit": lambda _, t: resource.prlimit(int(t), resource.RLIMIT_CORE, (0, 0)),
    "slow": lambda _, t: _slow(int(t)),
    "pin": lambda _, t: os.sched_setaffinity(int(t), os.sched_getaffinity(0)),
    "memory": lambda _, t: Path(f"/proc/{t}/mem").open("rb").close(),
    "untie": lambda _, __: _libc("prctl", 1, 0, 0, 0, 0),
    **native_http.ACTS,
    **native_sockets.ACTS,
}
