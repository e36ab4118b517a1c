"""Reads a binary's numbers and names one after another. Knows the encoding, not what it encodes."""

from typing import Final

BYTES_32: Final = 5  # most bytes of a 32-bit number in LEB128
BYTES_64: Final = 10
MAX_NAME: Final = 100_000  # bytes; wasmtime's own cap
_MORE: Final = 0x80  # the bit of a LEB128 byte that says "another one follows"
_NAME_SHOWN: Final = 80  # characters of a name in a message; a name may be 100 KB of anything


def shown(name: str) -> str:
    """Return the name as it may stand in a message: quoted, escaped and cut."""
    return repr(name if len(name) <= _NAME_SHOWN else name[:_NAME_SHOWN] + "…")


class Damage(Exception):  # noqa: N818 - a message on its way to a BinaryError
    """Raised where the bytes say something impossible; `binary.py` makes a BinaryError of it."""

    def __init__(self, found: str, write: str) -> None:
        super().__init__(found)
        self.found = found
        self.write = write


class Cursor:
    """A place in the bytes, and an end that no read passes. Only the place ever changes."""

    __slots__ = ("_data", "_end", "_place")

    def __init__(self, data: memoryview, place: int, end: int) -> None:
        self._data = data
        self._place = place
        self._end = end

    @property
    def at_end(self) -> bool:
        """Whether every byte was read."""
        return self._place == self._end

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self._place

    def damage(self, found: str) -> Damage:
        """Return the error that says what was found, and where."""
        write = "rebuild the binary, or copy it again"
        return Damage(f"at byte {self._place} {found}", write)

    def part(self, size: int) -> "Cursor":
        """Return a cursor over the next `size` bytes, and step behind them."""
        start = self._place
        self._step(size)
        return Cursor(self._data, start, start + size)

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        start = self._place
        self._step(size)
        return bytes(self._data[start : start + size])

    def byte(self) -> int:
        """Return the next byte."""
        if self._place >= self._end:
            raise self.damage("it ends in the middle of an entry")
        value = self._data[self._place]
        self._place += 1
        return value

    def u32(self) -> int:
        """Return an unsigned number in LEB128: five bytes at most, 32 bits at most."""
        value = 0
        for shift in range(0, 7 * BYTES_32, 7):
            octet = self.byte()
            value |= (octet & ~_MORE) << shift
            if octet < _MORE:
                break
        else:
            raise self.damage("a number is longer than five bytes")
        if value >> 32:
            raise self.damage("a number is larger than 32 bits")
        return value

    def skip_number(self, most_bytes: int) -> None:
        """Step behind a number, of either sign, whose value does not matter here."""
        for _ in range(most_bytes):
            if self.byte() < _MORE:
                return
        raise self.damage(f"a number is longer than {most_bytes} bytes")

    def name(self) -> str:
        """Return a string that follows its own length, as names do."""
        size = self.u32()
        if size > MAX_NAME:
            raise self.damage(f"a name says {size} bytes, above the {MAX_NAME} that preopen reads")
        try:
            return self.take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise self.damage("a name is not UTF-8") from None

    def _step(self, size: int) -> None:
        if size > self.remaining:
            raise self.damage(f"{size} bytes are announced and {self.remaining} are there")
        self._place += size
