"""The asks of a manifest in plain words, as they are written: a line each. Pure.

They are read from the document and not from a Manifest, for a lock holds documents of other days:
what has another shape than today's schema wants is shown as JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from preopen.capability import Access

# What stands in a line unquoted: so no two asks make one line, whatever an author writes.
_PLAIN: Final = re.compile(r"[\w./:${}~*@\[\]-]+", re.ASCII)
RUNS_CODE: Final = "run code from the arguments, inside the sandbox"
ASKS: Final = ("directory", "egress", "environment")  # the sections whose every line is one ask


def asks_in_words(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all that a tool asks for, a line each; () where it asks for nothing."""
    lines = [line for section in ASKS for line in section_in_words(section, document.get(section))]
    run = document.get("run")
    if isinstance(run, Mapping) and run.get("executes") is True:
        lines.append(RUNS_CODE)
    return tuple(lines)


def section_in_words(section: str, value: object) -> tuple[str, ...]:
    """Return the lines of one section of ASKS; () where there is none."""
    match section, value:
        case _, None:
            return ()
        case "directory", list():
            return tuple(map(_directory, value))
        case "egress", list():
            return tuple(map(_egress, value))
        case "environment", Mapping():
            return tuple(_environment(value))
        case _:
            return (f"{section} = {as_json(value)}",)


def as_json(value: object) -> str:
    """Return a value of a document on one line, as a manifest could write it."""
    return json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    # Escaped where it is not ASCII: a letter that only looks like another would go unseen here.
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _directory(table: object) -> str:
    match table:
        case {"host": str(host), **more}:
            verb = more.get("access", Access.READ.value)
            verb = verb if isinstance(verb, str) else as_json(verb)
            line = f"{_plain(verb)} {_plain(host)}"
            line += f" as {as_json(more['guest'])}" if "guest" in more else ""
            return f"{line} (only what {_names(more)} names)" if "narrow_to" in more else line
        case _:
            return f"directory {as_json(table)}"


def _egress(table: object) -> str:
    match table:
        case {"allow": str(allow), **more}:
            line = f"egress {_plain(allow)} ({_methods(more.get('methods', ['GET', 'HEAD']))})"
            line += f", only what {_names(more)} names" if "narrow_to" in more else ""
            line += ", private addresses too" if more.get("private") is True else ""
            line += f", with the credential {_credential(more)}" if "credential" in more else ""
            return line
        case _:
            return f"egress {as_json(table)}"


def _environment(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        match value:
            case {"from": str(source)}:
                yield f"environment {_plain(name)} from the host's {_plain(source)}"
            case _:
                yield f"environment {_plain(name)} = {as_json(value)}"


def _methods(written: object) -> str:
    if isinstance(written, list) and all(isinstance(each, str) for each in written):
        return "any method" if written == ["*"] else ", ".join(map(_plain, written))
    return as_json(written)


def _names(table: Mapping[Any, Any]) -> str:
    written = table["narrow_to"]
    return " and ".join(map(as_json, written if isinstance(written, list) else [written]))


def _credential(table: Mapping[Any, Any]) -> str:
    match table["credential"]:
        case {"header": str(header), "secret": str(secret), **more}:
            form = more.get("format", "{secret}")
            return f"{_plain(secret)}, sent as {_plain(header)}: {as_json(form)}"
        case other:
            return as_json(other)
