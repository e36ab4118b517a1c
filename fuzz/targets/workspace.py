"""`policy/workspace_file.py`: a workspace's own file widens no field of the Policy."""

import json
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import tomli_w

from fuzz.narrower import NETWORK, POLICY, wider_fields
from fuzz.properties import expect_faults, expect_plain
from fuzz.tables import split, without_null
from fuzz.target import Target
from preopen.capability import CEILINGS, Access
from preopen.errors import PolicyError
from preopen.layer import Layer
from preopen.policy.auditing import Auditing
from preopen.policy.decisions import read_decisions
from preopen.policy.flows import read_flows
from preopen.policy.network import NetworkPolicy, read_network
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.quotas import read_quotas
from preopen.policy.workspace_file import Beside, Held, narrow_beside

# An input is one such file. Lines of JSON are two more, one after the other, as a watching server
# reads them: the first line's object, then all of them together.
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="fuzz-workspace-")
_WORKSPACE: Final = str(Path(_FOLDER.name).resolve())
_FILE: Final = Path(_WORKSPACE, "preopen.toml")
_MINE: Final = """\
[decide]
write = "ask"
tools = { deploy = "ask", hash = "deny" }
[egress]
hosts = ["https://*.example.com", "https://api.example.org/v1"]
private = ["http://localhost:3000", "http://10.0.0.1:4000"]
record_paths = true
[secrets]
TOKEN = { environment = "TOKEN" }
[quota.fetch]
calls_per_hour = 100
bytes_out_per_day = "1MiB"
[quota."*"]
calls_per_day = 1000
[[flow]]
then = "ask"
"""


def check(data: bytes) -> None:
    """Hold what a file leaves of the operator's policy to that policy, and to an earlier file."""
    _narrowed([data])
    tables, _ = split(data)
    documents = [without_null(each) for each in tables if isinstance(each, dict)]
    if documents:
        texts = [_text(documents[0]), _text(_merged(documents))]
        _narrowed([text for text in texts if text])


def _narrowed(texts: list[bytes]) -> None:
    """Let these texts stand in the file in turn; each leaves less, or stops the server."""
    held: Held = {}
    left = _BEFORE
    for text in texts:
        _FILE.write_bytes(text)
        try:
            after = narrow_beside(_BEFORE, _BESIDE, held)
        except PolicyError as error:
            expect_faults(error, str(_FILE))
            return
        assert wider_fields(_BEFORE, after) == []
        assert wider_fields(left, after) == []
        _expect_said(after)
        assert narrow_beside(_BEFORE, _BESIDE, held) == after
        assert wider_fields(after, narrow_beside(after, _BESIDE, {})) == []
        left = after


def _expect_said(after: Policy) -> None:
    """Hold what is said of the file to lines that print; and of who said what, to file and user."""
    for line in after.ignored:
        expect_plain(line)
        assert line.startswith(f"{_FILE}: ")
    assert after.workspace_file == str(_FILE)
    assert all(isinstance(each, str) for each in after.origins.values())


def _text(document: Mapping[str, Any]) -> bytes:
    try:
        return tomli_w.dumps({"preopen": 1, **document}).encode()
    except UnicodeEncodeError:
        return b""  # half of a surrogate pair


def _merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for document in documents:
        for key, value in document.items():
            table = whole.get(key)
            both = isinstance(table, dict) and isinstance(value, dict)
            whole[key] = {**table, **value} if both else value  # type: ignore[dict-item]  # both are
    return whole


def _operators() -> Policy:
    document, environ = tomllib.loads(_MINE), {"LANG": "C", "TZ": "UTC"}
    flags: dict[str, tuple[str, ...]] = {"hosts": (), "private": ()}
    network, faults = read_network(document, "mine", flags, home="/home", environ=environ)
    assert not faults
    return Policy(
        workspace=_WORKSPACE,
        decisions=(read_decisions(document, "mine"),),
        without=frozenset({"hash"}),
        folders=(
            NamedFolder(name="docs", host_path="/home/docs", access=Access.WRITE),
            NamedFolder(name="look", host_path="/home/look"),
        ),
        variables={"team": "blue"},
        environment_names=tuple(environ),
        environment=environ,
        ceilings={**CEILINGS, "rate": 100, "fuel": 1_000_000},
        cells=8,
        calls_per_cell={"hash": 10},
        required_layers=frozenset({Layer.LANDLOCK}),
        own_paths=("/home/.config/preopen",),
        network=network,
        quotas=read_quotas(document, "mine", state_dir="/home/.state")[0],
        flows=read_flows(document, "mine")[0],
        auditing=Auditing(keeps_values=True),
        home="/home",
    )


def _locate(path: str) -> str:
    return {".": _WORKSPACE, "../docs": "/home/docs"}.get(path, path.replace("~", "/home"))


_BEFORE: Final = _operators()
_BESIDE: Final = Beside(
    workspace=_WORKSPACE, usual="/home/usual.toml", users_file="/home/mine.toml", locate=_locate
)
# Whoever adds a field says there which way it may move.
assert set(POLICY) == {each.name for each in fields(Policy)}
assert set(NETWORK) == {each.name for each in fields(NetworkPolicy)}
assert wider_fields(_BEFORE, replace(_BEFORE, cells=9)) == ["cells"]


def _seeds() -> Iterator[bytes]:
    for document in _DOCUMENTS:
        yield json.dumps(document).encode()
        yield _text(document)
    for one, other in pairwise(_DOCUMENTS):
        yield b"\n".join(json.dumps(each).encode() for each in (other, one))
    yield from (text.encode() for text in _WRONG)


_DOCUMENTS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"workspace": ".", "max_level": "read-only", "audit": "required", "audit_values": False},
    {"workspace": "~/docs", "max_level": "dangerous", "audit": "on", "audit_values": True},
    {"decide": {"none": "deny", "write-in-folders": "allow", "tools": {"deploy": "allow"}}},
    {"decide": {"write": "allow", "dangerous": "ask", "tools": {"hash": "ask", "a b": "deny"}}},
    {"tools": {"folders": ["tools"], "without": ["fetch", "a b"]}},
    {"folders": {"docs": "~/docs", "look": {"path": "~/look", "access": "write"}, "x": "/"}},
    {"folders": {"docs": {"path": "../docs", "access": "write"}, "look": "~/elsewhere"}},
    {"variables": {"team": "red", "other": "\u00e9"}, "environment": {"names": ["TZ", "TOKEN"]}},
    {"variables": {"team": "blue"}, "environment": {"names": []}},
    {"egress": {"hosts": ["https://*", "https://a.example.com/x"], "private": ["http://*"]}},
    {"egress": {"private": ["http://localhost:3000", "http://10.0.0.1:4000", "http://[::1]:1"]}},
    {"egress": {"hosts": [], "ca_file": "roots.pem", "record_paths": False}},
    {"secrets": {"TOKEN": {"file": "a"}, "OTHER": {"keyring": "a/b"}}},
    {"limits": {"memory": "1MiB", "wall_time": "1h", "fuel": 2, "rate": 1000, "cells": 1}},
    {"limits": {"cells": 1000, "cpu_time": "1s", "stack": "512KiB", "queue": 0, "requests": 33}},
    {"cells": {"hash": {"calls_per_cell": 9}, "fetch": {"calls_per_cell": 2}}},
    {"quota": {"fetch": {"calls_per_hour": 1}, "*": {"bytes_out_per_day": "1GiB"}}},
    {"quota": {"hash": {"calls_per_day": 5000}, "*": {"calls_per_day": 1}}},
    {"flow": [{"then": "deny", "from": ["outside", {"tool": "read"}], "to": ["network"]}]},
    {"wall": {"require": ["all"]}, "flow": []},
)
_WRONG: Final = (
    *("preopen = 2", "preopen = true", "preopen = 1.0", "", "preopen = 1\nmore = 1"),
    *("x = " + "[" * 3000, '"\\"".' * 800 + "a = 1", 'preopen = 1\nworkspace = "\\u202e"'),
    f"preopen = 1\nx = {{ {'b' * 1500} = 1, {'b' * 1500} = 2 }}",
    f'preopen = 1\nmax_level = "{"b" * 3000}"\n[secrets.{"c" * 2000}]',
    f'preopen = 1\n[quota."{"b" * 3000}"]\nbytes_out_per_day = "{"9" * 60}MiB"\ncalls_per_day = 1',
    f'preopen = 1\n[cells."{"b" * 3000}"]\ncalls_per_cell = 2',
    f'preopen = 1\n[variables]\n"{"b" * 3000}" = "{"c" * 2000}"',
)

TARGET: Final = Target(
    name="workspace",
    check=check,
    seeds=_seeds,
    tokens=(
        *(b"preopen = 1\n", b"[decide]\n", b"[decide.tools]\n", b"[tools]\n", b"[folders]\n"),
        *(b"[egress]\n", b"hosts = [", b"private = [", b"[limits]\n", b"[cells.hash]\n", b'"*"'),
        *(b'[quota."*"]\n', b"[quota.fetch]\n", b"[[flow]]\n", b"[wall]\n", b"[secrets.TOKEN]\n"),
        *(b'"allow"', b'"ask"', b'"deny"', b'"write"', b'"required"', b'"all"', b'"1MiB"', b"true"),
        *(b'"https://*"', b'"http://localhost:3000"', b"calls_per_day = 1\n", b"a.", b"nan", b"\0"),
    ),
    max_bytes=8192,
)
