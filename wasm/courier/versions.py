"""Makes courier's other versions: `python wasm/courier/versions.py`, after it was built.

An interposer that knows one version of wasi:http is passed by a guest that imports another. So
the same guest is there with all of wasi:http at the oldest version, at one that is newer than any
host's, and with two versions of the handler at once, of which it calls the newer one.

Only the names of a component's imports are written anew, with the lengths before them. What its
inner modules call theirs is no one else's business.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
HEADER: Final = 8  # bytes before the first section
IMPORTS: Final = 10  # a component's section of imports (Component Model, Binary.md)
HTTP: Final = b"wasi:http/"
HANDLER: Final = b"wasi:http/outgoing-handler"
VERSIONS: Final = {"oldest": b"0.2.0", "newest": b"0.2.99"}
SECOND: Final = b"0.2.9"
MORE: Final = 0x80  # the bit of a LEB128 byte that says "another one follows"


def main() -> None:
    """Write each version beside courier.wasm."""
    built = (HERE / "courier.wasm").read_bytes()
    made = {name: at_version(built, version) for name, version in VERSIONS.items()}
    made["both"] = with_both(built)
    for name, data in made.items():
        output = HERE / f"courier.{name}.wasm"
        state = "unchanged" if output.exists() and output.read_bytes() == data else "CHANGED"
        output.write_bytes(data)
        print(f"wasm/courier/{output.name}: {len(data):,} bytes, {state}")


def at_version(binary: bytes, version: bytes) -> bytes:
    """Return the component with each import of wasi:http at one version."""
    out = bytearray(binary[:HEADER])
    for number, content in sections(binary):
        if number == IMPORTS:
            name, rest = one_import(content)
            interface, _, _ = name.partition(b"@")
            new = interface + b"@" + version if name.startswith(HTTP) else name
            out += section(IMPORTS, import_of(new, rest))
        else:
            out += section(number, content)
    return bytes(out)


def with_both(binary: bytes) -> bytes:
    """Return the component with the handler that it calls at SECOND, and the first one beside.

    The import that is added comes last, so that nothing that is counted before it moves.
    """
    out = bytearray(binary[:HEADER])
    added = b""
    for number, content in sections(binary):
        name, rest = one_import(content) if number == IMPORTS else (b"", b"")
        if name.startswith(HANDLER):
            added = section(IMPORTS, content)
            out += section(IMPORTS, import_of(HANDLER + b"@" + SECOND, rest))
        else:
            out += section(number, content)
    return bytes(out) + added


def sections(binary: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each section of a component itself: its number and its content."""
    place = HEADER
    while place < len(binary):
        number = binary[place]
        size, start = read_number(binary, place + 1)
        place = start + size
        yield number, binary[start:place]


def one_import(content: bytes) -> tuple[bytes, bytes]:
    """Return the name of a section's only import, and what stands behind it."""
    if content[:2] != b"\x01\x00":
        message = "a section of imports holds more than one, or a name of another form"
        raise ValueError(message)
    size, start = read_number(content, 2)
    return content[start : start + size], content[start + size :]


def import_of(name: bytes, rest: bytes) -> bytes:
    """Return a section's content: one import."""
    return b"\x01\x00" + number_of(len(name)) + name + rest


def section(number: int, content: bytes) -> bytes:
    """Return a section."""
    return bytes([number]) + number_of(len(content)) + content


def read_number(data: bytes, place: int) -> tuple[int, int]:
    """Return a number in LEB128, and the place behind it."""
    value = shift = 0
    while data[place] & MORE:
        value |= (data[place] & 0x7F) << shift
        shift += 7
        place += 1
    return value | data[place] << shift, place + 1


def number_of(value: int) -> bytes:
    """Return a number in LEB128."""
    out = bytearray()
    while value >= MORE:
        out.append(value & 0x7F | MORE)
        value >>= 7
    return bytes([*out, value])


if __name__ == "__main__":
    main()
