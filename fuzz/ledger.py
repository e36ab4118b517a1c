"""A log that was really written, and the hands that tamper with it."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from preopen.trust.audit import AuditLog
from preopen.trust.audit_record import Asked, CallEnded, Missed
from preopen.trust.audit_register import FOLDER, KEY

_MAX_BYTES: Final = 900  # of a file: a record or two, and the log goes on to the next
_OPEN: Final[list[AuditLog]] = []  # as of a process that is killed: no end, and no more records


def write_log() -> dict[str, bytes]:
    """Write a log of three files, and return all of its files by their paths in the state folder.

    Two are of a process that ended, one is of a process that did not come to its end.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-written-") as folder:
        state = Path(folder, "state")
        ended = AuditLog(state_dir=state, keeps_values=True, max_bytes=_MAX_BYTES)
        for number in range(4):
            ended.append(_call(number))
        ended.close()
        killed = AuditLog(state_dir=state, keeps_values=False)
        killed.append(Missed(count=2, since="2026-11-29T12:00:00.000Z"))
        killed.append(_call(9))
        _OPEN.append(killed)
        names = [KEY, *sorted(f"{FOLDER}/{path.name}" for path in (state / FOLDER).iterdir())]
        return {name: (state / name).read_bytes() for name in names if "/." not in name}


def _call(number: int) -> CallEnded:
    asked = Asked(
        call=f"{number:016x}",
        client="a client",
        client_version="1.0",
        tool="read",
        level="read-only",
        sha256="ab" * 32,
        arguments={"path": f"{number}\x7f\u00e9.txt"},
    )
    return CallEnded(asked=asked, receipt={"outcome": "Returned", "grants": []})


def tamper(files: dict[str, bytes], edit: Sequence[Any]) -> None:
    """Do one thing to the files: a verb, the number of a file, two more numbers, and a text."""
    verb, place, one, other, text, *_ = [*edit, 0, 0, 0, 0, 0]
    name = _chosen(files, place)
    if not name:
        return
    if verb == "remove":
        del files[name]
        return
    content = files[name]
    if verb == "flip" and content:
        at = _number(one) % len(content)
        bit = 1 << (_number(other) % 8)
        files[name] = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
    elif verb == "cut":
        files[name] = content[: _number(one) % (len(content) + 1)]
    elif verb == "put":
        files[name] = files[_chosen(files, one)]
    elif verb == "say":
        files[name] = _bytes(text)
    else:
        files[name] = b"".join(_lines(verb, files, name, (one, other), _bytes(text)))


def _lines(
    verb: object, files: Mapping[str, bytes], name: str, numbers: tuple[Any, Any], text: bytes
) -> list[bytes]:
    """Return the lines of a file after one was dropped, swapped, said again, moved or put in."""
    lines = _split(files[name])
    one, other = (_number(each) % (len(lines) or 1) for each in numbers)
    match verb:
        case "drop":
            del lines[one : one + 1]
        case "swap" if lines:
            lines[one], lines[other] = lines[other], lines[one]
        case "repeat" if lines:
            lines.insert(other, lines[one])
        case "bring":
            foreign = _split(files[_chosen(files, numbers[1])])
            lines[one:one] = foreign[-1:]
        case "insert":
            lines.insert(one, text + b"\n")
        case "end":
            lines.append(text)
    return lines


def _split(content: bytes) -> list[bytes]:
    return [line for line in re.split(rb"(?<=\n)", content) if line]


def _chosen(files: Mapping[str, bytes], place: object) -> str:
    names = sorted(files)
    return names[_number(place) % len(names)] if names else ""


def _number(value: object) -> int:
    return abs(value) if type(value) is int else 0


def _bytes(value: object) -> bytes:
    return value.encode(errors="replace") if isinstance(value, str) else b""
