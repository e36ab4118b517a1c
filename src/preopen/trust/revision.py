"""A manifest's text with changes in it: everything else, comments too, stays as it is. Pure."""

import difflib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Final, assert_never

import tomli_w
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from preopen.document import parse_document
from preopen.errors import ManifestError
from preopen.outcome import JsonValue
from preopen.trust.learning import Add, Change, Remove, SetKey

REWRITTEN: Final = "the text was too unusual to be changed in place: comments are left out"


def revise(text: str, file: str, changes: Sequence[Change]) -> tuple[str, str]:
    """Return the text with the changes, and a note on it, "" for none.

    `text` is a manifest that was read from `file` before. The result says exactly what the changes
    say: where an edit in place would not, the whole is written anew.
    """
    wanted = parse_document(text, file, ManifestError)
    _apply(wanted, deepcopy(changes))
    try:
        # tomlkit puts a new table right behind a last line that has no end.
        edited = tomlkit.parse(text if text.endswith("\n") else text + "\n")
        _apply(edited, changes)
        revised = tomlkit.dumps(edited)
        if parse_document(revised, file, ManifestError) == wanted:
            return revised, ""
    except (TOMLKitError, ManifestError, TypeError, ValueError, LookupError, RecursionError):
        pass  # tomlkit's, on a text that tomllib reads otherwise
    return tomli_w.dumps(wanted), REWRITTEN


def _apply(document: Any, changes: Sequence[Change]) -> None:  # noqa: ANN401 - a dict, or tomlkit's
    gone: list[Remove] = []
    for change in changes:
        match change:
            case SetKey(index=index):
                table = document[change.table]
                _set(table if index is None else table[index], change.key, change.value)
            case Add():
                if change.table in document:
                    document[change.table].append(dict(change.values))
                else:
                    document[change.table] = [dict(change.values)]
            case Remove():
                gone.append(change)
            case _:
                assert_never(change)
    for change in sorted(gone, key=lambda each: each.index, reverse=True):
        del document[change.table][change.index]
        if not document[change.table]:
            del document[change.table]


def _set(table: Any, key: str, value: JsonValue) -> None:  # noqa: ANN401 - as above
    """Set a key; a new one stands behind the others, before comments that lead to what follows."""
    trailing = []
    body = table.value.body if isinstance(table, Table) and key not in table else []
    while body and body[-1][0] is None:
        trailing.append(body.pop())
    table[key] = value
    body.extend(reversed(trailing))


def difference(before: str, after: str, file: str) -> Iterator[str]:
    """Yield the lines of a unified diff; none where nothing differs."""
    yield from difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        fromfile=file,
        tofile=f"{file} (the smallest that would do)",
        lineterm="",
    )
