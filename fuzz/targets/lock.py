"""`trust/lock.py`: any text approves what it says word by word, or is a PolicyError and nothing."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import tomli_w

from fuzz.properties import expect_faults, expect_ways_out
from fuzz.tables import split, without_null
from fuzz.target import Target
from preopen.errors import PolicyError
from preopen.level import PermissionLevel
from preopen.trust.lock import Lock, Standing, format_lock, parse_lock, waiting

# An input is a lock's text. Lines of JSON are tables of it, whose fingerprints are reckoned here:
# no mutation would hit one.
_PLACE: Final = "/home/user/preopen.lock"
_UNSAID: Final = "x" * 10_000  # longer than any input
_KEYS: Final = ("level", "sha256", "kind", "imports", "manifest")


def check(data: bytes) -> None:
    """Hold the text as it stands, and one of its tables under their right fingerprints."""
    _check(data.decode(errors="replace"))
    tables, rest = split(data)
    named = [(_name(each), each) for each in tables if isinstance(each, dict)]
    if not named:
        return
    sealed = {name: _sealed(each) for name, each in named}
    text = tomli_w.dumps({"lock": 1, "tools": sealed}) + rest.decode(errors="replace")
    lock = _check(text)
    if not rest.strip():
        _expect_sealed(lock, sealed)


def _check(text: str) -> Lock | None:
    try:
        lock = parse_lock(text, Path(_PLACE))
    except PolicyError as error:
        expect_faults(error, _PLACE)
        expect_ways_out(error)
        return None
    document = tomllib.loads(text)
    assert type(document["lock"]) is int
    assert lock.pins.keys() == document.get("tools", {}).keys()
    for name, pin in lock.pins.items():
        table = document["tools"][name]
        assert pin.approved == table["approved"]
        assert pin.definition.name == name
        assert pin.definition.fingerprint == table["fingerprint"] == _fingerprint(table)
    _expect_round_trip(lock)
    _expect_approved(lock)
    return lock


def _expect_round_trip(lock: Lock) -> None:
    again = parse_lock(format_lock(lock), Path(_PLACE))
    assert again == lock
    assert format_lock(again) == format_lock(lock)


def _expect_approved(lock: Lock) -> None:
    """Hold an approval to the one definition that it is for."""
    for pin in lock.pins.values():
        assert waiting(pin.definition, lock) is None
        for other in (
            replace(pin.definition, sha256=pin.definition.sha256 + "0"),
            replace(pin.definition, imports=(*pin.definition.imports, "x")),
            replace(pin.definition, document={**pin.definition.document, _UNSAID: 1}),
        ):
            found = waiting(other, lock)
            assert found is not None
            assert found.standing is Standing.CHANGED


def _expect_sealed(lock: Lock | None, sealed: Mapping[str, Mapping[str, Any]]) -> None:
    """Hold tables to be read where each is whole, under its own name and fingerprint."""
    whole = all(_is_whole(name, table) for name, table in sealed.items())
    assert (lock is not None) == whole, sealed


def _is_whole(name: str, table: Mapping[str, Any]) -> bool:
    words = [*_KEYS[:3], "manifest", "approved"]
    imports = table.get("imports")
    return (
        table.keys() == {*_KEYS, "approved", "fingerprint"}
        and all(isinstance(table.get(key), str) for key in words)
        and isinstance(imports, list)
        and all(isinstance(each, str) for each in imports)
        and table["level"] in {each.value for each in PermissionLevel}
        and json.loads(table["manifest"])["tool"]["name"] == name
    )


def _name(table: Mapping[str, Any]) -> str:
    match table:
        case {"manifest": {"tool": {"name": str(name)}}}:
            return name
        case _:
            return "t"


def _sealed(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table of TOML: the manifest as text, and the fingerprint over all of it."""
    found: dict[str, Any] = {**table}
    if isinstance(found.get("manifest"), dict):
        found["manifest"] = json.dumps(found["manifest"])
    found = without_null(found)
    return {**found, **({"fingerprint": seal} if (seal := _fingerprint(found)) else {})}


def _fingerprint(table: Mapping[str, Any]) -> str:
    """Return the hash as the design has it; "" of a table that is none's."""
    try:
        whole = {key: table[key] for key in _KEYS}
        whole["manifest"] = json.loads(whole["manifest"])
        whole["manifest"]["tool"]["name"]
        text = json.dumps(
            {**whole, "recipe": 1}, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()


def _seeds() -> Iterator[bytes]:
    tables = [_table(name, more) for name, more in _MANIFESTS]
    yield from (json.dumps(table).encode() for table in tables)
    yield json.dumps({**tables[0], "memory": 1}).encode()
    yield "\n".join(map(json.dumps, tables)).encode()
    sealed = {_name(table): _sealed(table) for table in tables}
    text = tomli_w.dumps({"lock": 1, "tools": sealed})
    yield text.encode()
    yield text.replace('"execute"', '"none"').encode()
    yield from (text.encode() for text in _WRONG)


def _table(name: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "approved": "2026-11-29T12:00:00+00:00",
        "level": "execute",
        "sha256": "ab" * 32,
        "kind": "component",
        "imports": ["wasi:cli/stdin@0.2.9"],
        "manifest": {"manifest": 1, "tool": {"name": name}, **more},
    }


_MANIFESTS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    ("weather", {"limits": {"memory": "1MiB"}, "odd": [1, 1.0, True, -0.0, 1e300]}),
    ("a b.\u202e\u00e9", {"text": "a." * 99 + "'''\"\"\"\\ \n\x00\ud800"}),
    ("", {}),
)
_WRONG: Final = (
    *("", "lock = 1", "lock = 2", "lock = true", "lock = 1.0", "lock = 1979-05-27", "lock = nan"),
    *("lock = 1\ntools = 3", "lock = 1\nother = 1", "lock = 1\n[tools]\nx = 1", "[[lock]]"),
    *(
        "x = " + "[" * 3000,
        "a" + ".a" * 1500 + " = 1",
        '"\\"".' * 800 + "a = 1",
        "x = " + "9" * 4400,
    ),
    f"x = {{ {'b' * 1500} = 1, {'b' * 1500} = 2 }}",
    f"lock = 1\n[tools.{'b' * 3000}]",
    'lock = 1\n[tools."\\u202e"]',
)

TARGET: Final = Target(
    name="lock",
    check=check,
    seeds=_seeds,
    tokens=(
        *(b"lock = 1\n", b"[tools]\n", b"[tools.t]\n", b'"tool":', b'"name":', b'"manifest":'),
        *(b'fingerprint = "', b'approved = "', b'manifest = "', b'"""', b"'''", b"\\u202e", b"\0"),
        *(
            b'"none"',
            b'"execute"',
            b"nan",
            b"1979-05-27",
            b"1e999",
            b"\\ud800",
            b"a.",
            b"[[",
            b"={",
        ),
    ),
    max_bytes=8192,
)
