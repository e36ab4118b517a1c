"""No promise without a keeper (design §4): for each key that is accepted, what enforces it.

A key without a row here, a row without a function, a key without a test of what it grants and one
of what it withholds, and a withheld test that passes with the key's enforcers off: each is red.
"""

import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from preopen.capability import CEILINGS, LIMIT_KEYS
from promises import inside, outside
from promises.leaves import schema_keys
from promises.patching import find

ROOT: Final = Path(__file__).resolve().parent.parent
IN_CELL: Final = "preopen.sandbox."

_ADDRESSES: Final = ("preopen.egress.addresses:forbidden",)
_ARGS: Final = (
    "preopen.tool.template:_argv",
    "preopen.tool.template:_refuse_option",
    "preopen.tool.template:check_templates",
)
_BINARY: Final = ("preopen.serving.loading:read_binary",)
_CEILING: Final = ("preopen.policy.ceilings:limit",)
_DECIDED: Final = ("preopen.policy.decisions:_rule_tool",)
_EXPORT: Final = ("preopen.tool.parsing:_check_run", "preopen.policy.decide:_check_interface")
_GIVE: Final = ("preopen.policy.decide:_give",)
_LEVEL: Final = ("preopen.policy.levels:check_level",)
_MATCHES: Final = ("preopen.egress.rules:matches",)
_OPENED: Final = ("preopen.policy.levels:_is_opened",)
_PERMITS: Final = ("preopen.cells.permits:Permits._may_start",)
_RLIMITS: Final = ("preopen.sandbox.rlimits:limits_for",)
_QUOTA: Final = ("preopen.trust.quotas:judge",)
_STORE: Final = ("preopen.sandbox.command:limit_store",)

# Key → the functions that enforce it. Where two walls stop an act, the first one stands first.
KEEPERS: Final[dict[str, tuple[str, ...]]] = {
    "manifest": ("preopen.tool.parsing:parse_manifest",),
    "tool.name": ("preopen.tool.parsing:_check_tool", "preopen.serving.loading:_part_doubles"),
    "tool.title": ("preopen.tool.parsing:_check_tool",),
    "tool.description": ("preopen.document:_value_faults",),
    "tool.level": _LEVEL,
    "binary.path": _BINARY,
    "binary.sha256": _BINARY,
    "run.interface": _EXPORT[1:],
    "run.export": _EXPORT,
    "run.args": _ARGS,
    "run.stdin": ("preopen.tool.template:_stdin",),
    "run.stdout": ("preopen.tool.result:read_reply",),
    "run.paths": ("preopen.policy.narrow:narrow",),
    "run.exit_ok": ("preopen.cells.verdict:read_answer",),
    "run.executes": ("preopen.policy.levels:execute_reason", *_LEVEL),
    "input": ("preopen.schema:Validator.problems",),
    "output": ("preopen.schema:Validator.problems",),
    "directory[].host": (
        "preopen.sandbox.context:make_context",
        "preopen.sandbox.landlock:restrict_self",
    ),
    "directory[].guest": ("preopen.sandbox.context:_preopen",),
    "directory[].access": (
        "preopen.sandbox.context:_preopen",
        "preopen.sandbox.landlock:rights_for",
        "preopen.policy.fences:check_fence",
    ),
    "directory[].narrow_to": (
        "preopen.policy.narrow:narrow",
        "preopen.sandbox.landlock:restrict_self",
    ),
    "egress[].allow": (
        "preopen.sandbox.http_gate:HttpGate.interpose",
        "preopen.sandbox.wall:Wall._bind_process",
        "preopen.sandbox.landlock:restrict_self",
        *_MATCHES,
    ),
    "egress[].methods": _MATCHES,
    "egress[].narrow_to": ("preopen.policy.narrow_egress:narrow_egress",),
    "egress[].private": (*_ADDRESSES, *_LEVEL),
    "egress[].credential.header": (
        "preopen.egress.rule:is_header",
        "preopen.egress.headers:may_carry",
        "preopen.egress.headers:outgoing",
    ),
    "egress[].credential.format": ("preopen.tool.parsing:_check_egress",),
    "egress[].credential.secret": (
        "preopen.policy.egress:_credential_faults",
        "preopen.egress.gateway:Attendance._login",
        "preopen.egress.masking:Masking.stream",
    ),
    "environment": ("preopen.sandbox.context:make_context", "preopen.cells.start:start"),
    "environment.*.from": _GIVE,
    "limits.wall_time": ("preopen.cells.pool:Pool._run_in",),
    "limits.cpu_time": _RLIMITS,
    "limits.memory": (*_STORE, *_RLIMITS),
    "limits.stack": ("preopen.sandbox.engine:make_engine",),
    "limits.table_elements": _STORE,
    "limits.tables": _STORE,
    "limits.instances": _STORE,
    "limits.output": (
        "preopen.sandbox.context:Streams.write_stdout",
        "preopen.cells.verdict:read_answer",
    ),
    "limits.stderr": (
        "preopen.sandbox.context:Streams.write_stderr",
        "preopen.sandbox.context:Streams.stderr",
        "preopen.cells.verdict:read_answer",
    ),
    "limits.file_size": _RLIMITS,
    "limits.open_files": _RLIMITS,
    "limits.concurrency": _PERMITS,
    "limits.queue": ("preopen.cells.permits:Permits._wait",),
    "limits.rate": ("preopen.cells.rate:Rates.count",),
    "limits.fuel": _STORE,
    "limits.request_bytes": ("preopen.egress.guest:Guest.body",),
    "limits.response_bytes": ("preopen.egress.relay:_Exchange._return",),
    "limits.requests": ("preopen.egress.gateway:Attendance.ask",),
    "policy:preopen": ("preopen.policy.file:read_document",),
    "policy:workspace": (*_OPENED, "preopen.policy.settings:_Loader._workspace"),
    "policy:max_level": _LEVEL,
    "policy:decide.none": _DECIDED,
    "policy:decide.read-only": _DECIDED,
    "policy:decide.write": _DECIDED,
    "policy:decide.write-in-folders": ("preopen.policy.decisions:rule_folders",),
    "policy:decide.execute": _DECIDED,
    "policy:decide.dangerous": _DECIDED,
    "policy:decide.tools": _DECIDED,
    "policy:audit": ("preopen.serving.recording:Recorder.begin",),
    "policy:audit_values": ("preopen.trust.audit_record:kept_values",),
    "policy:tools.folders": ("preopen.serving.loading:find_manifests",),
    "policy:tools.without": ("preopen.serving.loading:load_registry",),
    "policy:folders": ("preopen.policy.variables:expand",),
    "policy:folders.*.path": _OPENED,
    "policy:folders.*.access": ("preopen.policy.decide:_closed_folder", *_OPENED),
    "policy:variables": ("preopen.policy.variables:expand",),
    "policy:environment.names": _GIVE,
    "policy:egress.hosts": ("preopen.policy.egress:_within",),
    "policy:egress.private": (*_ADDRESSES, "preopen.policy.network:_exact"),
    "policy:egress.ca_file": ("preopen.egress.trust:_make",),
    "policy:egress.record_paths": ("preopen.egress.gateway:Attendance._request",),
    "policy:secrets.*.environment": ("preopen.policy.secrets:Secrets._look_up",),
    "policy:secrets.*.file": (
        "preopen.policy.secrets:_flaw_of",
        "preopen.egress.masking:is_maskable",
        "preopen.policy.secrets:_read_file",
    ),
    "policy:secrets.*.keyring": ("preopen.policy.secrets:_ask_keyring",),
    "policy:limits.wall_time": _CEILING,
    "policy:limits.cpu_time": _CEILING,
    "policy:limits.memory": _CEILING,
    "policy:limits.stack": _CEILING,
    "policy:limits.table_elements": _CEILING,
    "policy:limits.tables": _CEILING,
    "policy:limits.instances": _CEILING,
    "policy:limits.output": _CEILING,
    "policy:limits.stderr": _CEILING,
    "policy:limits.file_size": _CEILING,
    "policy:limits.open_files": _CEILING,
    "policy:limits.concurrency": _CEILING,
    "policy:limits.queue": _CEILING,
    "policy:limits.rate": _CEILING,
    "policy:limits.fuel": _CEILING,
    "policy:limits.request_bytes": _CEILING,
    "policy:limits.response_bytes": _CEILING,
    "policy:limits.requests": _CEILING,
    "policy:limits.cells": _PERMITS,
    "policy:cells.*.calls_per_cell": ("preopen.serving.invocation:Invoker._binding",),
    "policy:quota.*.calls_per_hour": _QUOTA,
    "policy:quota.*.calls_per_day": _QUOTA,
    "policy:quota.*.bytes_out_per_hour": _QUOTA,
    "policy:quota.*.bytes_out_per_day": _QUOTA,
    "policy:flow[].from": ("preopen.trust.guards:FlowGuards._sources",),
    "policy:flow[].to": ("preopen.trust.guards:FlowGuards.judge",),
    "policy:flow[].then": ("preopen.trust.guards:FlowGuards.judge",),
    "policy:wall.require": ("preopen.cells.launch:check_layers",),
}

# Of rows in which a second wall stops all that the first stops: the first.
FIRST_WALLS: Final[dict[str, tuple[str, ...]]] = {
    "run.export": KEEPERS["run.export"][:1],
    "directory[].host": KEEPERS["directory[].host"][:1],
    "directory[].access": KEEPERS["directory[].access"][:1],
    "egress[].allow": KEEPERS["egress[].allow"][:1],
    "egress[].credential.header": KEEPERS["egress[].credential.header"][:1],
    "egress[].credential.secret": KEEPERS["egress[].credential.secret"][:1],
    "environment": KEEPERS["environment"][:1],
    "limits.memory": KEEPERS["limits.memory"][:1],
    "limits.output": KEEPERS["limits.output"][:1],
    "limits.stderr": KEEPERS["limits.stderr"][:2],
    "policy:folders.*.access": KEEPERS["policy:folders.*.access"][:1],
    "policy:secrets.*.file": KEEPERS["policy:secrets.*.file"][:1],
}


def pytest_on_promises(*options: str) -> tuple[int, str]:
    """Return the exit code and the output of a run of `tests/promises` in a process of its own."""
    command = [sys.executable, "-m", "pytest", "tests/promises", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


@cache
def marked() -> dict[tuple[str, str], list[str]]:
    """Return the tests that keep a key's promise on one side, as pytest collects them."""
    code, out = pytest_on_promises("--collect-only", "--list-promises")
    assert code == 0, out
    tests = defaultdict(list)
    for _, key, side, test in re.findall(r"^(promise)\t(.+)\t(.+)\t(.+)$", out, re.MULTILINE):
        tests[key, side].append(test)
    return tests


def test_every_key_of_both_schemas_has_a_row_and_no_row_has_another() -> None:
    """Design §4: the table *key → the functions that enforce it*."""
    assert schema_keys() == frozenset(KEEPERS)


def test_every_ceiling_is_a_key_that_the_table_names() -> None:
    """Ours: a limit that the schema forgot would have no row either."""
    assert set(CEILINGS) <= set(LIMIT_KEYS)
    assert {f"policy:limits.{key}" for key in LIMIT_KEYS} <= frozenset(KEEPERS)


@pytest.mark.parametrize("enforcer", sorted({each for row in KEEPERS.values() for each in row}))
def test_every_enforcer_exists(enforcer: str) -> None:
    """Design §4: a row names functions that are there."""
    _, _, found = find(enforcer)

    assert callable(found) or isinstance(found, property)


def test_every_enforcer_has_a_mutant_and_no_mutant_is_idle() -> None:
    """Ours: what no run can switch off, no run can find missing."""
    enforcers = {each for row in KEEPERS.values() for each in row}

    assert enforcers == {*inside.MUTANTS, *outside.MUTANTS}
    assert {each for each in enforcers if each.startswith(IN_CELL)} == {*inside.MUTANTS}


@pytest.mark.parametrize("side", ["granted", "withheld"])
def test_every_key_has_a_test_of_each_side(side: str) -> None:
    """Design §4: `keeps(key, granted)` and `keeps(key, withheld)`; no mark names an unknown key."""
    assert frozenset(KEEPERS) == {key for key, marked_side in marked() if marked_side == side}
    assert {"granted", "withheld"} == {marked_side for _, marked_side in marked()}


def test_every_withheld_test_keeps_one_key() -> None:
    """Ours: the mutation run switches the enforcers of one key off, so that no other masks it."""
    tests = [test for (_, side), names in marked().items() if side == "withheld" for test in names]

    assert len(tests) == len(set(tests))


def test_first_walls_are_the_beginnings_of_their_rows() -> None:
    """Ours: so that a second wall is left when the first is off."""
    for key, first in FIRST_WALLS.items():
        assert first == KEEPERS[key][: len(first)]
        assert len(first) < len(KEEPERS[key])


@pytest.mark.timeout(300)
def test_no_withheld_test_survives_without_its_enforcers() -> None:
    """Design §4: with each key's enforcers off, its withheld tests go red; by the first, none."""
    withheld = [(key, test) for (key, side), tests in marked().items() for test in tests]
    withheld = [(key, test) for key, test in withheld if test in marked()[key, "withheld"]]
    behind = [test for key, test in withheld if key in FIRST_WALLS]
    code, out = pytest_on_promises("--mutate")

    expected = f"mutants: {len(withheld)} killed, 0 survived"
    assert f"{expected}; stopped by the second wall: {len(behind)}" in out, out
    assert code == 0, out
