"""The comparison by which the target `workspace` holds a policy: it sees each field that widens."""

from dataclasses import fields, replace
from typing import Any

import pytest

from fuzz.narrower import NETWORK, POLICY, wider_fields
from preopen.capability import CEILINGS, Access
from preopen.egress.rules import parse_rule
from preopen.layer import Layer
from preopen.level import PermissionLevel
from preopen.policy.auditing import Auditing
from preopen.policy.decisions import read_decisions
from preopen.policy.flows import read_flows
from preopen.policy.network import NetworkPolicy
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.quotas import Quota, QuotaPolicy

BEFORE = Policy(
    workspace="/home/app",
    folders=(NamedFolder(name="look", host_path="/home/look"),),
    environment_names=("LANG",),
    environment={"LANG": "C"},
    calls_per_cell={"hash": 10},
    required_layers=frozenset({Layer.LANDLOCK}),
    quotas=QuotaPolicy(file="/q", quotas={"*": Quota(calls_per_day=10)}),
    flows=read_flows({"flow": [{"then": "ask"}]}, "mine")[0],
    barred=frozenset({"read"}),
)
WIDER: dict[str, Any] = {
    "workspace": "/home",
    "max_level": PermissionLevel.EXECUTE,
    "decisions": (read_decisions({"decide": {"tools": {"deploy": "allow"}}}, "theirs"),),
    "tool_folders": ("/home/app/tools",),
    "without": frozenset({"hash"}),
    "folders": (NamedFolder(name="look", host_path="/home/look", access=Access.WRITE),),
    "variables": {"team": "red"},
    "environment_names": ("LANG", "TOKEN"),
    "environment": {"LANG": "other"},
    "ceilings": {**CEILINGS, "memory": 1 << 40},
    "cells": BEFORE.cells + 1,
    "calls_per_cell": {"fetch": 2},
    "required_layers": frozenset(),
    "own_paths": ("/",),
    "quotas": QuotaPolicy(
        file="/q", quotas={"fetch": Quota(calls_per_hour=1), "*": Quota(calls_per_day=10)}
    ),
    "flows": (),
    "auditing": Auditing(keeps_values=True),
    "home": "/root",
    "barred": frozenset(),
}
OPENED: dict[str, Any] = {
    "hosts": (parse_rule("https://a.example"),),
    "private": (parse_rule("http://localhost:1", private=True),),
    "ca_file": "/roots.pem",
    "records_paths": True,
}


def test_every_field_of_a_policy_has_its_direction() -> None:
    """Ours: whoever adds a field says which way a workspace's file may move it."""
    assert POLICY.keys() == {each.name for each in fields(Policy)}
    assert NETWORK.keys() == {each.name for each in fields(NetworkPolicy)}


def test_the_same_policy_is_not_wider() -> None:
    """Ours: the counterpart of the next ones."""
    assert wider_fields(BEFORE, BEFORE) == []


@pytest.mark.parametrize("name", WIDER)
def test_a_wider_field_is_named(name: str) -> None:
    """Ours: a comparison that sees nothing would hold nothing."""
    assert wider_fields(BEFORE, replace(BEFORE, **{name: WIDER[name]})) == [name]


@pytest.mark.parametrize("name", OPENED)
def test_a_wider_network_is_named(name: str) -> None:
    """Ours: as above, of what the network has."""
    network = replace(BEFORE.network, **{name: OPENED[name]})
    assert wider_fields(BEFORE, replace(BEFORE, network=network)) == [f"network.{name}"]
