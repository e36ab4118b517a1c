"""What a cell has ready before its next call comes, made while nobody waits for it.

A fresh Store and a blank WasiConfig; and in a tool-bound cell, whose next call is of the same
binary, a fresh instance of a module. Of that call nothing is known yet, and of the one before
nothing is left.
"""

from dataclasses import dataclass

from wasmtime import Engine, Store, Trap, WasmtimeError

from preopen.capability import Limits
from preopen.sandbox.command import Entry, instantiate, limit_store
from preopen.sandbox.context import Blank, make_blank
from preopen.sandbox.engine import Loaded, LoadedModule, Shelf
from preopen.wire.frames import Binary


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A Store of an engine; where it has an `entry` it is limited, and of that binary alone."""

    engine: Engine
    store: Store
    binary: Binary
    limits: Limits
    entry: Entry | None = None

    def fits(self, engine: Engine, binary: Binary, limits: Limits) -> bool:
        """Whether a call may have it: an instance only one of that binary, under those limits."""
        if self.entry is None:
            return self.engine is engine
        return self.binary == binary and self.limits == limits


class Ahead:
    """Makes what the next call of a cell needs, from the binaries of its shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._ready: _Ready | None = None
        self._blank: Blank | None = None

    def prepare(self, binary: Binary, limits: Limits, *, is_inert: bool) -> None:
        """Make a Store like this binary's, with an instance if that runs no code of the guest.

        A guest's code runs within its call: there it has a deadline, and what was granted.
        """
        self._blank = make_blank()
        engine, loaded = self.shelf.get(binary)
        store = Store(engine)
        entry = None
        # Where fuel is counted a call has its own: it is given with the call, and to the last unit.
        if is_inert and isinstance(loaded, LoadedModule) and not binary.counts_fuel:
            try:
                limit_store(store, loaded, limits)
                entry = instantiate(store, loaded)
            except (WasmtimeError, Trap):  # the call will meet it, too, and say so
                store.close()
                store = Store(engine)
        self._ready = _Ready(engine=engine, store=store, binary=binary, limits=limits, entry=entry)

    def take_blank(self) -> Blank:
        """Return a WasiConfig that no call had."""
        blank, self._blank = self._blank, None
        return blank or make_blank()

    def take(self, binary: Binary, limits: Limits) -> tuple[Store, Entry | None, Loaded]:
        """Return a fresh Store for a call, the entry of the instance in it, and what was loaded."""
        engine, loaded = self.shelf.get(binary)
        ready, self._ready = self._ready, None
        if ready is not None and ready.fits(engine, binary, limits):
            return ready.store, ready.entry, loaded
        return Store(engine), None, loaded
