"""A zygote whose cells look through their own memory each time that their guest asks for a request.

It is preopen's own: what a cell needs for it is opened before its wall, and the search is made
behind it, in the middle of a call. From outside nobody but root could look.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from preopen.sandbox import cell, netns
from preopen.sandbox.http_gate import HttpGate
from sandbox.telling import MARKERS, telling_entry

_PIECE: Final = 1 << 18


@dataclass(slots=True)
class Search:
    """What one cell opened ahead: its memory, the list of what is mapped, a file to report to."""

    memory: int
    maps: int
    report: int
    markers: dict[str, tuple[str, str]]

    def run(self) -> None:
        """Add a line that says of each marker whether this process holds it."""
        found = {name: self._holds(*halves) for name, halves in self.markers.items()}
        os.write(self.report, json.dumps(found).encode() + b"\n")

    def _holds(self, first: str, second: str) -> bool:
        one, other = first.encode(), second.encode()
        for begin, end in self._readable():
            for at in range(begin, end, _PIECE):
                size = min(_PIECE + len(one) + len(other), end - at)
                try:
                    piece = os.pread(self.memory, size, at)
                except OSError:  # a file that is shorter than its mapping
                    continue
                place = piece.find(one)
                while place >= 0:
                    if piece.startswith(other, place + len(one)):
                        return True
                    place = piece.find(one, place + 1)
        return False

    def _readable(self) -> list[tuple[int, int]]:
        os.lseek(self.maps, 0, os.SEEK_SET)
        text = b"".join(iter(lambda: os.read(self.maps, 1 << 16), b"")).decode()
        ranges = []
        for line in text.splitlines():
            where, may, *_ = line.split()
            if may[0] == "r" and not line.endswith(("[vvar]", "[vvar_vclock]", "[vsyscall]")):
                begin, end = where.split("-")
                ranges.append((int(begin, 16), int(end, 16)))
        return ranges


def searching_entry(folder: Path) -> Callable[[list[str]], None]:
    """Return the entry point; a cell reports to `cells` in the folder, and on SIGUSR1 it tells."""
    main = telling_entry(folder)
    open_listener, ask = netns.open_listener, HttpGate._ask
    searches: list[Search] = []

    def prepare_and_listen() -> int:
        markers = json.loads((folder / MARKERS).read_bytes())
        memory, maps = (os.open(f"/proc/self/{name}", os.O_RDONLY) for name in ("mem", "maps"))
        report = os.open(folder / "cells", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        searches.append(Search(memory, maps, report, markers))
        return open_listener()

    def search_and_ask(gate: HttpGate, store: Any, request: Any) -> Any:  # noqa: ANN401 - as wasmtime-py
        searches[-1].run()
        return ask(gate, store, request)

    vars(cell)["open_listener"] = prepare_and_listen
    setattr(HttpGate, "_ask", search_and_ask)  # noqa: B010 - the entry's own
    return main
