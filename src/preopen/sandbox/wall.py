"""The wall: the operating system's confinement of a cell, second to wasm's own sandbox.

The order is the point of this file; every other that was tried fails:

    in the zygote   namespaces      (a spawned cell does these three itself, ahead of need)
                    capabilities    after the namespaces, which give every capability back
                    no-new-privs
    ahead of need   tie to the parent
    on request      refuse threads  the next two bind the calling thread and those it starts later
                    landlock
                    seccomp
                    undumpable
                    (the cell starts wasmtime's threads here, under the wall)
                    rlimits         after the threads, or their stacks eat the guest's memory

What each layer is for: `layer.py` names them, `landlock.py`, `seccomp.py`, `netns.py`, `rlimits.py`
and `privileges.py` hold one each. A layer that this kernel lacks is in `missing`, found by
`probe_layers`, and a receipt names it; a layer that the kernel has and that fails is a WallError,
and the call is refused.
"""

import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from preopen.layer import Layer
from preopen.sandbox import landlock, netns, privileges, rlimits, seccomp
from preopen.sandbox.seccomp import Sockets
from preopen.wire.frames import Rule

__all__ = ["Layer", "Sockets", "Wall", "WallError", "probe_layers"]


class WallError(OSError):
    """Raised when a layer that this kernel has could not be put up. The cell must run no guest."""


# What binds a process and all that it forks, in this order: a new user namespace gives every
# capability back.
_OF_THE_PROCESS: Mapping[Layer, Callable[[], None]] = {
    Layer.NAMESPACES: netns.enter_namespaces,
    Layer.CAPABILITIES: privileges.drop_capabilities,
    Layer.NO_NEW_PRIVS: privileges.set_no_new_privs,
}


class Wall:
    """The wall of this process: prepared ahead of need, raised on request, limited at each call.

    After a WallError the wall is half built: the process must answer and leave.
    """

    def __init__(self, missing: Collection[Layer], inherited: Collection[Layer] = ()) -> None:
        self._missing = frozenset(missing)
        self._up = set(inherited)
        self._statm = -1
        self._limits: dict[int, rlimits.SoftAndHard] = {}

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that are up by now, in the order of `Layer`."""
        return tuple(layer for layer in Layer if layer in self._up)

    @classmethod
    def prepare(
        cls, missing: Collection[Layer], parent_pid: int, inherited: Collection[Layer] = ()
    ) -> Self:
        """Do all that needs no request, in a process that `parent_pid` forked.

        `inherited` are the layers that the parent put up over itself, which a fork takes along.

        Raises:
            WallError: a layer that is not in `missing` failed.

        """
        wall = cls(missing, inherited)
        privileges.tie_to_parent(parent_pid)
        wall._bind_process()
        wall._make_ready()
        wall._open_statm()
        return wall

    @classmethod
    def raise_for_children(
        cls, missing: Collection[Layer], *, with_network: bool
    ) -> tuple[Layer, ...]:
        """Put over the zygote what its cells then have by fork, and return which layers those are.

        A network namespace costs 2 ms to make and to clear away, each time: more than the rest of a
        cell's wall together. The cells of one zygote share its empty one, in which they may make no
        socket. Cells `with_network` need one of their own each, for the gateway's listener, and no
        user namespace can be made below one that maps nobody: so each makes all of it itself.

        Raises:
            WallError: a layer that is not in `missing` failed.

        """
        wall = cls(missing)
        if not with_network:
            wall._bind_process()
        wall._make_ready()
        return wall.layers

    def rehearse(self) -> None:
        """Do what `raise_` and `limit` will, as far as it closes and limits nothing.

        Raises:
            OSError: something of it failed, and will again, where it counts.

        """
        if sys.platform == "linux":
            privileges.refuse_threads()
        if Layer.SECCOMP not in self._missing:
            seccomp.program(Sockets.NONE, machine=seccomp.machine(), pid=os.getpid())
        if Layer.RLIMITS not in self._missing:
            rlimits.rehearse(self._statm)

    def raise_(
        self,
        rules: Sequence[Rule],
        *,
        tcp_ports: Sequence[int] = (),
        sockets: Sockets = Sockets.NONE,
    ) -> None:
        """Close all but `rules`, TCP connections to `tcp_ports` and these `sockets`, once.

        The rules' descriptors, which may be O_PATH ones, are needed until this returns.
        Descriptors that this process holds stay as they are, and it can be sent more of them.

        Raises:
            WallError: a second thread runs, or a layer that is not in `missing` failed.

        """
        if sys.platform == "linux":
            with _named("threads"):
                privileges.refuse_threads()
        holes = [
            (rule.descriptor, landlock.rights_for(rule.access, is_file=rule.is_file))
            for rule in rules
        ]
        self._put_up(
            Layer.LANDLOCK, lambda: landlock.restrict_self(holes, tcp_ports, self._missing)
        )
        self._put_up(Layer.SECCOMP, lambda: seccomp.install(sockets))
        self._put_up(Layer.UNDUMPABLE, privileges.forbid_dumps)

    def limit(
        self,
        *,
        cpu_seconds: int,
        memory_bytes: int,
        file_size_bytes: int,
        open_files: int,
        calls_left: int = 0,
    ) -> None:
        """Set the limits of the call that begins now; `calls_left` more will come in this process.

        Raises:
            WallError: the kernel refused one of them.

        """
        self._put_up(
            Layer.RLIMITS,
            lambda: rlimits.limit_self(
                self._statm,
                self._limits,
                cpu_seconds=cpu_seconds,
                memory_bytes=memory_bytes,
                file_size_bytes=file_size_bytes,
                open_files=open_files,
                calls_left=calls_left,
            ),
        )

    def _bind_process(self) -> None:
        """Put up what binds this process and all that it forks, but for what it has already."""
        for layer, act in _OF_THE_PROCESS.items():
            if layer not in self._up:
                self._put_up(layer, act)

    def _make_ready(self) -> None:
        """Build what takes time; where the zygote did so, its cells find it done."""
        if Layer.LANDLOCK not in self._missing:
            with _named(Layer.LANDLOCK):
                landlock.make_ready(self._missing)
        if Layer.SECCOMP not in self._missing:
            with _named(Layer.SECCOMP):
                seccomp.make_ready()

    def _open_statm(self) -> None:
        """Open what the wall itself will be in the way of."""
        if Layer.RLIMITS not in self._missing:
            with _named(Layer.RLIMITS):
                self._statm = rlimits.open_statm()

    def _put_up(self, layer: Layer, act: Callable[[], None]) -> None:
        if layer in self._missing:
            return
        try:  # and no `with`: each costs a cell six calls and the pages of their code
            act()
        except OSError as error:
            raise _failed(layer, error) from error
        self._up.add(layer)
        if layer is Layer.LANDLOCK:
            self._up.update(part for part in landlock.PARTS if part not in self._missing)


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failed(what, error) from error


def _failed(what: str, error: OSError) -> WallError:
    return WallError(error.errno, f"{what}: {error.strerror}")


def probe_layers() -> dict[Layer, str]:
    """Return for each layer "" if this machine has it, else why not; never raises.

    A forked child puts up one whole wall for real, layer after layer, skipping what fails: a layer
    that only works without another is one that no cell could have. Called before any thread runs.
    """
    if sys.platform != "linux":
        return dict.fromkeys(Layer, f"the wall is made of Linux, and this is {sys.platform}")
    try:
        lines, end = _run_trial()
    except OSError as error:
        return dict.fromkeys(Layer, f"no process to try it in: {error.strerror}")
    found = dict(line.split("\t", 1) for line in lines.splitlines() if "\t" in line)
    return {layer: found.get(layer, f"its trial ended without a word ({end})") for layer in Layer}


def _run_trial() -> tuple[str, str]:
    """Return what the child wrote, a line for each layer, and how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _try_layers(writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as answers:
        lines = answers.read()
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return lines, signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit {code}"


def _try_layers(writing: int) -> None:
    """Write `layer TAB reason` for each; Landlock late, for it hides what others open."""
    parts: dict[Layer, str] = dict.fromkeys(landlock.PARTS, "Landlock as a whole is missing")

    def try_landlock() -> None:
        found = landlock.missing_parts(landlock.ask_abi())
        landlock.restrict_self([], [], frozenset(found))
        parts.update(dict.fromkeys(landlock.PARTS, "") | found)

    _try(writing, Layer.NAMESPACES, netns.enter_namespaces)
    _try(writing, Layer.CAPABILITIES, privileges.drop_capabilities)
    _try(writing, Layer.NO_NEW_PRIVS, privileges.set_no_new_privs)
    _try(writing, Layer.RLIMITS, _try_rlimits)
    _try(writing, Layer.LANDLOCK, try_landlock)
    for part, reason in parts.items():
        os.write(writing, f"{part}\t{reason}\n".encode())
    _try(writing, Layer.SECCOMP, lambda: seccomp.install(Sockets.NONE))
    _try(writing, Layer.UNDUMPABLE, privileges.forbid_dumps)


def _try_rlimits() -> None:
    rlimits.limit_self(
        rlimits.open_statm(),
        {},
        cpu_seconds=60,
        memory_bytes=1 << 30,
        file_size_bytes=1 << 20,
        open_files=256,
        calls_left=0,
    )


def _try(writing: int, layer: Layer, act: Callable[[], None]) -> None:
    try:
        act()
        reason = ""
    except Exception as error:  # noqa: BLE001 - a trial that fails in any way is a missing layer
        reason = (getattr(error, "strerror", None) or repr(error)).replace("\n", " ")
    os.write(writing, f"{layer}\t{reason}\n".encode())
