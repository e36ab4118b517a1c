"""Whatever a workspace's own file says, no value of the policy is wider afterwards."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.narrowed import MINE, TABLE
from preopen.capability import CEILINGS, Access, Grants
from preopen.egress.rule import EgressRule
from preopen.egress.rules import intersect
from preopen.layer import Layer
from preopen.level import PermissionLevel
from preopen.policy.auditing import Auditing, AuditMode
from preopen.policy.decisions import Decision, read_decisions, rule_folders
from preopen.policy.flows import FlowRule, read_flows
from preopen.policy.network import NetworkPolicy, read_network
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.quotas import KEYS, Quota, QuotaPolicy, read_quotas
from preopen.policy.workspace_file import narrow_policy

DOCUMENT: Final = tomllib.loads(MINE)
TEXTS: Final = [text for row in TABLE.values() for text in (row.same, row.less, row.more) if text]
FILE: Final = "/home/app/preopen.toml"
TOOLS: Final = ("deploy", "any")

Holds: TypeAlias = Callable[[Any, Any], bool]


def locate(path: str) -> str:
    """Return where a path of the workspace's file lies, no link being there."""
    return {".": "/home/app", "../docs": "/home/docs"}.get(path, path.replace("~", "/home"))


def operators() -> Policy:
    """Return the policy that `MINE` says."""
    environ = {"LANG": "C", "TZ": "UTC"}
    flags: dict[str, tuple[str, ...]] = {"hosts": (), "private": ()}
    network, faults = read_network(DOCUMENT, "mine", flags, home="/home", environ=environ)
    assert not faults
    return Policy(
        workspace="/home/app",
        max_level=PermissionLevel(DOCUMENT["max_level"]),
        decisions=(read_decisions(DOCUMENT, "mine"),),
        without=frozenset(DOCUMENT["tools"]["without"]),
        folders=(
            NamedFolder(name="docs", host_path="/home/docs", access=Access.WRITE),
            NamedFolder(name="look", host_path="/home/look"),
        ),
        variables=DOCUMENT["variables"],
        environment_names=tuple(environ),
        environment=environ,
        ceilings={**CEILINGS, "rate": 100, "fuel": 1_000_000},
        cells=DOCUMENT["limits"]["cells"],
        calls_per_cell={"hash": 10},
        required_layers=frozenset({Layer.LANDLOCK}),
        quotas=read_quotas(DOCUMENT, "mine", state_dir="/home/.state")[0],
        flows=read_flows(DOCUMENT, "mine")[0],
        own_paths=("/home/.config/preopen",),
        network=network,
        home="/home",
    )


def same(before: object, after: object) -> bool:
    """Whether nothing changed."""
    return before == after


def at_most(before: Any, after: Any) -> bool:  # noqa: ANN401 - whatever has an order
    """Whether a value, or a set, did not grow."""
    return bool(after <= before)


def at_least(before: Any, after: Any) -> bool:  # noqa: ANN401 - whatever has an order
    """Whether a value, or a set, did not shrink."""
    return bool(after >= before)


def lower(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Whether every ceiling is there still, and no higher."""
    return all(key in after and after[key] <= number for key, number in before.items())


def fewer_calls(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Whether no tool's cell serves more calls; without a word it serves one."""
    return all(number <= before.get(name, 1) for name, number in after.items())


def fewer(before: Iterable[str], after: Iterable[str]) -> bool:
    """Whether no name came to the others."""
    return set(after) <= set(before)


def closer(before: Iterable[NamedFolder], after: Iterable[NamedFolder]) -> bool:
    """Whether the folders are the same, and none is opened to write that was not."""
    opened = {(each.name, each.host_path): each.access for each in before}
    return [*opened] == [(each.name, each.host_path) for each in after] and all(
        each.access in {Access.READ, opened[each.name, each.host_path]} for each in after
    )


def within(before: Iterable[EgressRule], after: Iterable[EgressRule]) -> bool:
    """Whether each rule lies in one that was there."""
    return all(any(intersect(rule, each) == rule for each in before) for rule in after)


def not_told(before: bool, after: bool) -> bool:  # noqa: FBT001 - values of a policy
    """Whether paths are recorded only where they were."""
    return before or not after


def stricter(before: Any, after: Any) -> bool:  # noqa: ANN401 - layers of decisions
    """Whether each call of each tool is decided at least as strictly."""
    for level in (each for each in PermissionLevel if each is not PermissionLevel.FORBIDDEN):
        grants = Grants(level=level)
        for name in TOOLS:
            for folders in ([], ["/home/docs"]):
                was, now = (
                    max(each.decision for each in rule_folders(layers, name, grants, folders))
                    for layers in (before, after)
                )
                if now < was:
                    return False
    return True


def network(before: NetworkPolicy, after: NetworkPolicy) -> bool:
    """Whether no value of the network's is wider."""
    return all(
        holds(getattr(before, name), getattr(after, name)) for name, holds in NETWORK.items()
    )


def recorded(before: Auditing, after: Auditing) -> bool:
    """Whether as much is recorded as was, and no value more."""
    strict = [each.mode is AuditMode.REQUIRED for each in (before, after)]
    return strict[0] <= strict[1] and before.keeps_values >= after.keeps_values


def less(before: QuotaPolicy, after: QuotaPolicy) -> bool:
    """Whether each tool may use at most what it might."""
    for tool in ("fetch", "hash", "any"):
        was, now = (each.quotas.get(each.name_for(tool) or "", Quota()) for each in (before, after))
        for key in KEYS:
            most, amount = getattr(was, key), getattr(now, key)
            if most is not None and (amount is None or amount > most):
                return False
    return before.file == after.file


def more(before: tuple[FlowRule, ...], after: tuple[FlowRule, ...]) -> bool:
    """Whether every rule stands, and in its order."""
    return after[: len(before)] == before


def anything(_before: object, _after: object) -> bool:
    """Pass a field that opens nothing."""
    return True


NETWORK: Final[dict[str, Holds]] = {
    "hosts": within,
    "private": within,
    "ca_file": same,
    "records_paths": not_told,
    "secrets": same,
    "taken": anything,
    "taken_by": anything,
}
POLICY: Final[dict[str, Holds]] = {
    "workspace": same,
    "workspace_problem": same,
    "max_level": at_most,
    "decisions": stricter,
    "tool_folders": same,
    "without": same,  # it frees names
    "folders": closer,
    "variables": same,
    "environment_names": fewer,
    "environment": fewer,
    "ceilings": lower,
    "cells": at_most,
    "calls_per_cell": fewer_calls,
    "required_layers": at_least,
    "own_paths": same,
    "network": network,
    "auditing": recorded,
    "quotas": less,
    "flows": more,
    "home": same,
    "origins": anything,
    "workspace_file": anything,
    "barred": at_least,
    "ignored": anything,
}


def merged(texts: Iterable[str]) -> dict[str, Any]:
    """Return one document of several; of two values under one key the last one stands."""
    document: dict[str, Any] = {}
    for text in texts:
        for key, value in tomllib.loads(text).items():
            table = document.get(key)
            document[key] = {**table, **value} if isinstance(table, dict) else value
    return document


def test_every_value_of_a_policy_has_its_direction() -> None:
    """Ours: whoever adds a value says here which way a workspace's file may move it."""
    assert set(POLICY) == {each.name for each in fields(Policy)}
    assert set(NETWORK) == {each.name for each in fields(NetworkPolicy)}


@given(st.lists(st.sampled_from(TEXTS), max_size=12))
def test_no_file_of_a_workspace_widens_any_value(texts: list[str]) -> None:
    """Issue: it may only narrow what the user's file allows."""
    before = operators()
    after = narrow_policy(before, merged(texts), FILE, users_file="mine", locate=locate)

    wider = [
        name
        for name, holds in POLICY.items()
        if not holds(getattr(before, name), getattr(after, name))
    ]
    assert wider == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_level", PermissionLevel.EXECUTE),
        ("decisions", ()),
        ("without", frozenset({"hash", "read"})),
        ("folders", (NamedFolder(name="look", host_path="/home/look", access=Access.WRITE),)),
        ("environment_names", ("LANG", "TZ", "TOKEN")),
        ("ceilings", {}),
        ("cells", 9),
        ("calls_per_cell", {"fetch": 2}),
        ("required_layers", frozenset()),
        ("network", NetworkPolicy(ca_file="/roots.pem")),
        ("quotas", QuotaPolicy(file="/home/.state/quotas.sqlite")),
        ("flows", ()),
        ("barred", None),
    ],
)
def test_a_wider_value_is_seen(name: str, value: object) -> None:
    """Ours: the counterpart of the property above, whose checks would else prove nothing."""
    before = operators()
    was: Any = getattr(before, name)
    if name == "decisions":
        value = (read_decisions({"decide": {"execute": Decision.ALLOW.value}}, "theirs"),)
    if name == "barred":
        was, value = frozenset({"read"}), frozenset()

    assert POLICY[name](was, was)
    assert not POLICY[name](was, value)
