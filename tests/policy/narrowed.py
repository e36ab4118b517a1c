"""What each key of a workspace's own file comes to beside an operator's file, as a table."""

from dataclasses import dataclass, field
from typing import Any

from preopen.capability import CEILINGS, Access
from preopen.layer import Layer
from preopen.level import PermissionLevel
from preopen.policy.auditing import Auditing, AuditMode
from preopen.policy.decisions import Decision
from preopen.tool.limits import RANGES

MINE = """\
preopen = 1
max_level = "write"
audit_values = true
[decide]
write = "ask"
[decide.tools]
deploy = "ask"
[tools]
without = ["hash"]
[folders]
docs = { path = "~/docs", access = "write" }
look = "~/look"
[variables]
team = "blue"
[environment]
names = ["LANG", "TZ"]
[egress]
hosts = ["https://*.example.com", "https://api.example.org/v1"]
private = ["http://localhost:3000", "http://localhost:4000"]
record_paths = true
[secrets]
TOKEN = { environment = "TOKEN" }
[limits]
rate = 100
fuel = 1000000
cells = 8
[cells.hash]
calls_per_cell = 10
[quota.fetch]
calls_per_hour = 100
bytes_out_per_day = "1MiB"
[quota."*"]
calls_per_day = 1000
[[flow]]
then = "ask"
[wall]
require = ["landlock"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one key of the workspace's file comes to, beside `MINE`.

    `same` says nothing and changes nothing; `less` changes these fields of the policy; `more` is
    said with these words, and changes nothing.
    """

    same: str = ""
    less: str = ""
    changed: dict[str, Any] = field(default_factory=dict)
    more: str = ""
    said: str = ""


def limit_row(key: str) -> Row:
    """Return the row of a ceiling: the lowest number, and the highest where it is above mine."""
    low, high = RANGES[key]
    texts = [number_text(key, number) for number in (low, high)]
    mine = {**CEILINGS, "rate": 100, "fuel": 1_000_000}
    above = high > mine[key]
    return Row(
        less=f"[limits]\n{key} = {texts[0]}",
        changed={"ceilings": {**mine, key: low}},
        more=f"[limits]\n{key} = {texts[1]}" if above else "",
        said=f"limits.{key}: " if above else "",
        same="" if above else f"[limits]\n{key} = {texts[1]}",
    )


def number_text(key: str, number: int) -> str:
    """Return a limit as TOML has it."""
    unit = {"wall_time": "ms", "cpu_time": "s"}.get(key)
    return f'"{number}{unit}"' if unit else str(number)


def level_row(key: str, mine: str) -> Row:
    """Return the row of a level's decision, which lies in a layer of its own."""
    lifts = f'"allow" does not lift the "{mine}" of '
    return Row(
        same=f'[decide]\n{key} = "{mine}"',
        less=f'[decide]\n{key} = "deny"',
        changed={} if mine == "deny" else {"decided": (key, Decision.DENY)},
        more="" if mine == "allow" else f'[decide]\n{key} = "allow"',
        said="" if mine == "allow" else f"decide.{key}: {lifts}",
    )


def secret_row(kind: str) -> Row:
    """Return the row of a secret, which a workspace never names."""
    return Row(
        more=f'[secrets]\nTOKEN = {{ {kind} = "a/b" }}', said="secrets.TOKEN: where a secret lies"
    )


def quota_row(key: str, mine: str) -> Row:
    """Return the row of a quota: `fetch` has one of each kind, and "*" one more."""
    text = f"[quota.fetch]\n{key} = "
    return Row(
        same=f"{text}{mine}" if mine else "",
        less=f"{text}1",
        changed={"fetch": {**QUOTA, key: 1}},
        more=f'{text}"2GiB"' if "bytes" in key and mine else f"{text}1001" if mine else "",
        said=f"quota.fetch.{key}: " if mine else "",
    )


def flow_row(key: str, value: str) -> Row:
    """Return the row of a flow rule, which is added to those that are there."""
    then = 'then = "deny"\n' if key != "then" else ""
    changed = {"thens": [("mine", "ask"), ("theirs", "deny")]}
    return Row(less=f"[[flow]]\n{then}{key} = {value}", changed=changed)


QUOTA = {
    "calls_per_hour": 100,
    "calls_per_day": None,
    "bytes_out_per_hour": None,
    "bytes_out_per_day": 1 << 20,
}

TABLE: dict[str, Row] = {
    "preopen": Row(same=" "),
    "workspace": Row(
        same='workspace = "."',
        more='workspace = "~/docs"',
        said='workspace: "~/docs" is another folder than the workspace that it lies in',
    ),
    "max_level": Row(
        same='max_level = "write"',
        less='max_level = "read-only"',
        changed={"max_level": PermissionLevel.READ_ONLY},
        more='max_level = "execute"',
        said='max_level: "execute" is above the "write" that you allow',
    ),
    "decide.none": level_row("none", "allow"),
    "decide.read-only": level_row("read-only", "allow"),
    "decide.write": level_row("write", "ask"),
    "decide.execute": level_row("execute", "ask"),
    "decide.dangerous": level_row("dangerous", "deny"),
    "decide.write-in-folders": level_row("write-in-folders", "ask"),
    "decide.tools": Row(
        same='[decide.tools]\ndeploy = "ask"',
        less='[decide.tools]\ndeploy = "deny"',
        changed={"decided": ("deploy", Decision.DENY)},
        more='[decide.tools]\ndeploy = "allow"',
        said='decide.tools.deploy: "allow" does not lift the "ask" of ',
    ),
    "tools.folders": Row(
        more='[tools]\nfolders = ["tools"]', said='tools.folders: "tools": no manifests are looked'
    ),
    "tools.without": Row(
        less='[tools]\nwithout = ["fetch"]', changed={"barred": frozenset({"fetch"})}
    ),
    "folders": Row(
        same='[folders]\nlook = "~/look"',
        less='[folders]\ndocs = "../docs"',
        changed={"access": {"docs": Access.READ, "look": Access.READ}},
        more='[folders]\nhere = "."',
        said='folders.here: "." is no folder that you opened by this name',
    ),
    "folders.*.path": Row(
        same='[folders]\ndocs = { path = "~/docs", access = "write" }',
        more='[folders]\ndocs = { path = "~/look", access = "write" }',
        said='folders.docs: "~/look" is no folder that you opened by this name',
    ),
    "folders.*.access": Row(
        less='[folders]\ndocs = { path = "~/docs", access = "read" }',
        changed={"access": {"docs": Access.READ, "look": Access.READ}},
        more='[folders]\nlook = { path = "~/look", access = "write" }',
        said='folders.look.access: "write" is more than you opened, which is to read',
    ),
    "variables": Row(
        same='[variables]\nteam = "blue"',
        more='[variables]\nteam = "red"',
        said='variables.team: "red" is not what you wrote for it',
    ),
    "environment.names": Row(
        same='[environment]\nnames = ["TZ", "LANG"]',
        less='[environment]\nnames = ["TZ"]',
        changed={"environment_names": ("TZ",), "environment": {"TZ": "UTC"}},
        more='[environment]\nnames = ["LANG", "TZ", "TOKEN"]',
        said='environment.names[2]: "TOKEN" is no variable that you opened',
    ),
    "egress.hosts": Row(
        same='[egress]\nhosts = ["https://*.example.com", "https://api.example.org/v1"]',
        less='[egress]\nhosts = ["https://a.example.com/x"]',
        changed={"hosts": ["https://a.example.com/x"]},
        more='[egress]\nhosts = ["https://*.example.com", "https://api.example.org"]',
        said='egress.hosts[1]: "https://api.example.org" is not within what you opened',
    ),
    "egress.private": Row(
        same='[egress]\nprivate = ["http://localhost:3000", "http://localhost:4000"]',
        less="[egress]\nprivate = []",
        changed={"private": []},
        more='[egress]\nprivate = ["http://localhost:3000", "http://localhost:4000",'
        ' "http://localhost:22"]',
        said='egress.private[2]: "http://localhost:22" is not within what you opened',
    ),
    "egress.ca_file": Row(
        more='[egress]\nca_file = "mine.pem"', said='egress.ca_file: "mine.pem": roots of trust are'
    ),
    "audit": Row(
        same='audit = "on"',
        less='audit = "required"',
        changed={"auditing": Auditing(mode=AuditMode.REQUIRED, keeps_values=True)},
    ),
    "audit_values": Row(
        same="audit_values = true",
        less="audit_values = false",
        changed={"auditing": Auditing()},
    ),
    "egress.record_paths": Row(
        same="[egress]\nrecord_paths = true",
        less="[egress]\nrecord_paths = false",
        changed={"records_paths": False},
    ),
    "secrets.*.environment": secret_row("environment"),
    "secrets.*.file": secret_row("file"),
    "secrets.*.keyring": secret_row("keyring"),
    **{f"limits.{key}": limit_row(key) for key in RANGES},
    "limits.cells": Row(
        same="[limits]\ncells = 8",
        less="[limits]\ncells = 2",
        changed={"cells": 2},
        more="[limits]\ncells = 9",
        said="limits.cells: 9 is above your 8",
    ),
    "cells.*.calls_per_cell": Row(
        same="[cells.fetch]\ncalls_per_cell = 1",
        less="[cells.hash]\ncalls_per_cell = 1",
        changed={"calls_per_cell": {"hash": 1}},
        more="[cells.fetch]\ncalls_per_cell = 2",
        said="cells.fetch.calls_per_cell: 2 is above your 1",
    ),
    "quota.*.calls_per_hour": quota_row("calls_per_hour", "100"),
    "quota.*.calls_per_day": quota_row("calls_per_day", ""),
    "quota.*.bytes_out_per_hour": quota_row("bytes_out_per_hour", ""),
    "quota.*.bytes_out_per_day": quota_row("bytes_out_per_day", '"1MiB"'),
    "flow[].from": flow_row("from", '["workspace"]'),
    "flow[].to": flow_row("to", '["network"]'),
    "flow[].then": flow_row("then", '"deny"'),
    "wall.require": Row(
        same='[wall]\nrequire = ["landlock"]',
        less='[wall]\nrequire = ["seccomp"]',
        changed={"required_layers": frozenset({Layer.LANDLOCK, Layer.SECCOMP})},
    ),
}
