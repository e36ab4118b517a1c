"""What attempts of native code are made on, and how they are registered and told."""

import ctypes
import errno
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from preopen.capability import Access

SIGNAL_BY_FILE = signal.SIGUSR2  # blocked by the server, who looks whether it came
HELD = 700  # by this number each process of a trial holds a file outside of every grant
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Stage:
    """The server's side: a folder with the grant in it, sockets, and itself as a victim."""

    top: Path
    server: int = field(default_factory=os.getpid)
    tcp: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    udp: socket.socket = field(default_factory=lambda: socket.socket(type=socket.SOCK_DGRAM))
    unix: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))
    abstract: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))
    family: dict[str, int] = field(default_factory=dict)  # pids, in a trial of native_family.py
    sibling_port: int = 0

    def __post_init__(self) -> None:
        self.udp.bind(("127.0.0.1", 0))
        self.unix.bind(str(self.top / "unix"))
        self.abstract.bind(f"\0preopen-probe-{self.server}")
        for listener in (self.unix, self.abstract):
            listener.listen(99)
        signal.pthread_sigmask(signal.SIG_BLOCK, [SIGNAL_BY_FILE])
        held = os.open(self.top / "held", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.dup2(held, HELD)
        os.close(held)
        _LIBC.prctl(0x59616D61, ctypes.c_long(-1), 0, 0, 0)  # where Yama runs, let children read it

    def set_up(self) -> None:
        """Make the files anew for the next trial."""
        (self.top / "work/sub").mkdir(parents=True, exist_ok=True)
        for name in ("work/a.txt", "work/b.txt", "work/sub/c.txt", "outside"):
            (self.top / name).write_text(f"this is {name}\n")
            (self.top / name).chmod(0o755)
        (self.top / "work/new").unlink(missing_ok=True)


Attempt: TypeAlias = Callable[[Stage], object]
ATTEMPTS: dict[str, Attempt] = {}
GRANTS: dict[str, tuple[str, Access, bool]] = {}  # attempt → what, access, is it one file
LIMITED: set[str] = set()
WORK_TO_READ = ("work", Access.READ, False)


def attempt(
    grant: tuple[str, Access, bool] = WORK_TO_READ, *, limited: bool = False
) -> Callable[[Attempt], Attempt]:
    """Register a function as the attempt of its name, made under this grant."""

    def register(act: Attempt) -> Attempt:
        name = act.__name__
        ATTEMPTS[name], GRANTS[name] = act, grant
        LIMITED.update([name] if limited else [])
        return act

    return register


def libc(name: str, *arguments: object) -> int:
    result = int(getattr(_LIBC, name)(*arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def told(act: Callable[[], object]) -> object:
    try:
        result = act()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except MemoryError:
        return "ENOMEM"
    except ValueError as error:  # how Python's resource module says EPERM
        return str(error)
    return result if isinstance(result, dict) else "done"
