"""Which host paths the arguments of a call name, as text: no link is followed, nothing is opened.

What `policy/paths.py` walks for a call is looked up here to tell whether an argument accounts for
what was opened; a link on the way only makes that answer a no.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from preopen.capability import Directory
from preopen.outcome import JsonValue
from preopen.policy.places import below, is_inside, join_below


def texts_of(value: JsonValue) -> tuple[str, ...]:
    """Return the texts of an argument: a string, or those of an array of strings."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return ()


def text_arguments(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the arguments that a `narrow_to` may name: those of text, or of an array of it."""
    for name, about in schema.get("properties", {}).items():
        match about:
            case {"type": "string"} | {"type": "array", "items": {"type": "string"}}:
                yield name
            case _:
                pass


def host_path(text: str, directories: Sequence[Directory], home: str) -> str:
    """Return the host path that a path argument means, "" where it can mean none.

    It may be relative to the first directory, absolute on the host or as the guest sees it, or
    begin with `~/`; it may lie outside of every directory.
    """
    if not text or "\0" in text:
        return ""
    if text == "~" or text.startswith("~/"):
        return posixpath.normpath(home + text[1:])
    if not text.startswith("/"):
        return posixpath.normpath(f"{directories[0].host_path}/{text}") if directories else ""
    path = "/" + posixpath.normpath(text).lstrip("/")
    if not any(is_inside(path, each.host_path) for each in directories):
        for each in directories:
            if is_inside(path, each.guest_path):
                return join_below(each.host_path, below(path, each.guest_path))
    return path


def named_paths(
    names: Sequence[str],
    arguments: Mapping[str, JsonValue],
    directories: Sequence[Directory],
    home: str,
) -> tuple[str, ...]:
    """Return the host paths that these arguments of one call name."""
    texts = [text for name in names for text in texts_of(arguments.get(name))]
    return tuple(filter(None, (host_path(text, directories, home) for text in texts)))
