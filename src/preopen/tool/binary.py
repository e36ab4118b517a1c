"""Kind, imports and exports of a binary, read from its sections. Nothing compiles or trusts it.

Only the outermost sections are read: whatever lies nested inside a component must be given to it by
that component, so its own imports are the whole of what it asks of the host.

What wasmtime would refuse may pass here, for compiling comes later. What it accepts is read as it
reads it, or refused: names are compared with the grants, so a second reading would be a hole.
"""

import enum
import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from preopen.errors import BinaryError, Fault
from preopen.tool.cursor import BYTES_32, BYTES_64, Cursor, Damage, shown

Data: TypeAlias = bytes | memoryview | mmap.mmap
_T = TypeVar("_T")

# Real binaries have tens of imports, and components some hundred sections (one per run of types,
# aliases, imports). The caps only bound the time that a hostile one costs.
MAX_ITEMS: Final = 100_000  # imports, and exports
MAX_SECTIONS: Final = 100_000

_MAGIC: Final = b"\0asm"
_MODULE: Final = b"\x01\x00\x00\x00"
_COMPONENT: Final = b"\x0d\x00\x01\x00"
_RUN: Final = re.compile(r"wasi:cli/run@0\.2\.[0-9]+")

_MODULE_SECTIONS: Final = {2: "import", 7: "export"}
_START_SECTION: Final = 8  # of a module
_COMPONENT_SECTIONS: Final = {10: "import", 11: "export"}
_MOST_FLAGS: Final = 0x07  # of limits: has a maximum, is shared, counts in 64 bits
_LAST_SECTION: Final = {"module": 13, "component": 12}  # tag section; value section


class BinaryKind(enum.StrEnum):
    """A core module (WASI preview 1) or a component (WASI 0.2)."""

    MODULE = "module"
    COMPONENT = "component"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One thing that a binary asks of its host.

    A module's is a pair, ("wasi_snapshot_preview1", "fd_read"). A component's is a name such as
    "wasi:cli/stdin@0.2.9", which stands in `interface`, and `name` is "".
    """

    interface: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFacts:
    """What a binary is and asks for, in its own order. Names are as it wrote them: untrusted.

    `has_start` says that a module has a start function, which runs when it is instantiated.
    """

    kind: BinaryKind
    imports: tuple[Import, ...] = ()
    exports: tuple[str, ...] = ()
    has_start: bool = False

    @property
    def is_inert(self) -> bool:
        """Whether instantiating it surely runs none of its code: a module without a start function.

        A component's own modules may have one each.
        """
        return self.kind is BinaryKind.MODULE and not self.has_start

    @property
    def is_command(self) -> bool:
        """Whether it can be run: a module by `_start`, a component by `wasi:cli/run` 0.2."""
        if self.kind is BinaryKind.MODULE:
            return "_start" in self.exports
        return any(_RUN.fullmatch(name) for name in self.exports)


def read_facts(data: Data, place: str) -> BinaryFacts:
    """Return what the binary is and asks for, in time linear to its imports, exports and sections.

    `place` names it in the error. The data are not held after the return, so an `mmap` can close.

    Raises:
        BinaryError: it is no wasm binary, or is damaged where its imports and exports stand.

    """
    with memoryview(data) as view, view.cast("B") as octets:
        try:
            return _read(Cursor(octets, 0, len(octets)))
        except Damage as damage:
            fault = Fault(place=place, found=damage.found, write=damage.write)
            raise BinaryError(fault) from None


def _read(cursor: Cursor) -> BinaryFacts:
    kind = _read_header(cursor)
    is_module = kind is BinaryKind.MODULE
    wanted = _MODULE_SECTIONS if is_module else _COMPONENT_SECTIONS
    imports: list[Import] = []
    exports: list[str] = []
    sections, has_start = 0, False
    while not cursor.at_end:
        sections += 1
        if sections > MAX_SECTIONS:
            raise Damage(f"it has more than {MAX_SECTIONS} sections", "rebuild the binary")
        number = cursor.byte()
        if number > _LAST_SECTION[kind]:
            raise cursor.damage(f"section number {number} is unknown for a {kind}")
        has_start |= is_module and number == _START_SECTION
        section = cursor.part(cursor.u32())
        match wanted.get(number):
            case "import":
                _append(imports, section, _module_import if is_module else _component_import)
            case "export":
                _append(exports, section, _module_export if is_module else _component_export)
            case _:
                pass  # code, data, types and nested parts say nothing about what the host must give
    return BinaryFacts(
        kind=kind, imports=tuple(imports), exports=tuple(exports), has_start=has_start
    )


def _read_header(cursor: Cursor) -> BinaryKind:
    build = "build it for wasm32-wasip1 or wasm32-wasip2"
    if cursor.remaining < len(_MAGIC) or cursor.take(len(_MAGIC)) != _MAGIC:
        raise Damage('it does not begin with "\\0asm", so it is no wasm binary', build)
    version = cursor.take(len(_MODULE))
    if version == _MODULE:
        return BinaryKind.MODULE
    if version == _COMPONENT:
        return BinaryKind.COMPONENT
    raise Damage(f"its version is {version.hex(' ')}, neither a module's nor a component's", build)


def _append(items: list[_T], section: Cursor, read_one: Callable[[Cursor], _T | None]) -> None:
    """Add the entries of a section, which must hold exactly as many as it says."""
    count = section.u32()
    if len(items) + count > MAX_ITEMS:
        raise section.damage(f"it says {count} entries, above the {MAX_ITEMS} that preopen reads")
    found = (read_one(section) for _ in range(count))
    items.extend(item for item in found if item is not None)
    if not section.at_end:
        raise section.damage(f"{section.remaining} bytes follow the last of {count} entries")


def _module_import(cursor: Cursor) -> Import:
    found = Import(interface=cursor.name(), name=cursor.name())
    match cursor.byte():
        case 0x00:  # function: its type's index
            cursor.u32()
        case 0x01:  # table
            _skip_value_type(cursor)
            _skip_limits(cursor)
        case 0x02:  # memory
            _skip_limits(cursor)
        case 0x03:  # global: a type, and whether it may change
            _skip_value_type(cursor)
            cursor.byte()
        case 0x04:  # tag: an attribute, its type's index
            cursor.byte()
            cursor.u32()
        case kind:  # 0x7e and 0x7f are "compact imports", which wasmtime 50 refuses, too
            raise cursor.damage(f"import kind {kind:#04x} of {shown(found.interface)} is unknown")
    return found


def _module_export(cursor: Cursor) -> str:
    name = cursor.name()
    cursor.byte()  # the kind of what is exported
    cursor.u32()  # its index
    return name


def _component_import(cursor: Cursor) -> Import | None:
    """Return the import, or None for the mere name of a type: wasmtime asks its host for none."""
    name = _extern_name(cursor)
    return Import(interface=name) if _skip_extern_type(cursor) else None


def _component_export(cursor: Cursor) -> str:
    name = _extern_name(cursor)
    if cursor.byte() == 0x00:  # a core sort takes a second byte
        cursor.byte()
    cursor.u32()
    match cursor.byte():
        case 0x00:
            pass
        case 0x01:
            _skip_extern_type(cursor)
        case other:
            raise cursor.damage(f"{other:#04x} stands where the type of {shown(name)} may follow")
    return name


def _extern_name(cursor: Cursor) -> str:
    prefix = cursor.byte()
    if prefix not in {0x00, 0x01}:  # 0x02 ("implements") is off in wasmtime 50
        raise cursor.damage(f"the name of an import or export begins with {prefix:#04x}")
    return cursor.name()


def _skip_extern_type(cursor: Cursor) -> bool:
    """Step behind what an import or export is, and say whether it is more than a known type."""
    match cursor.byte():
        case 0x00:  # core module: 0x11 and its type's index
            cursor.byte()
            cursor.u32()
        case 0x01 | 0x04 | 0x05:  # function, component, instance
            cursor.u32()
        case 0x02:  # value: equal to one by index, or of a type
            cursor.byte()
            cursor.skip_number(BYTES_32)
        case 0x03:  # type: equal to one by index, or a fresh resource
            if cursor.byte() == 0x00:
                cursor.u32()
                return False
        case sort:
            raise cursor.damage(f"sort {sort:#04x} of an import or export is unknown")
    return True


def _skip_value_type(cursor: Cursor) -> None:
    if cursor.byte() in {0x63, 0x64}:  # (ref null t) and (ref t)
        cursor.skip_number(BYTES_32)


def _skip_limits(cursor: Cursor) -> None:
    flags = cursor.byte()
    if flags > _MOST_FLAGS:  # a page size of one's own is off in wasmtime 50
        raise cursor.damage(f"limits with flags {flags:#04x} are unknown")
    cursor.skip_number(BYTES_64)
    if flags & 0x01:
        cursor.skip_number(BYTES_64)
