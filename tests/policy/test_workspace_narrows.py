"""Whatever a workspace's own file says, no value of the policy is wider afterwards."""

import tomllib
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.narrower import NETWORK, POLICY, wider_fields
from policy.narrowed import MINE, TABLE
from preopen.capability import CEILINGS, Access
from preopen.layer import Layer
from preopen.level import PermissionLevel
from preopen.policy.decisions import Decision, read_decisions
from preopen.policy.flows import read_flows
from preopen.policy.network import NetworkPolicy, read_network
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.quotas import QuotaPolicy, read_quotas
from preopen.policy.workspace_file import narrow_policy

DOCUMENT: Final = tomllib.loads(MINE)
TEXTS: Final = [text for row in TABLE.values() for text in (row.same, row.less, row.more) if text]
FILE: Final = "/home/app/preopen.toml"


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


def merged(texts: Iterable[str]) -> dict[str, Any]:
    """Return one document of several; of two values under one key the last one stands."""
    document: dict[str, Any] = {}
    for text in texts:
        for key, value in tomllib.loads(text).items():
            table = document.get(key)
            document[key] = {**table, **value} if isinstance(table, dict) else value
    return document


def test_every_value_of_a_policy_has_its_direction() -> None:
    """Ours: whoever adds a value says there which way a workspace's file may move it."""
    assert set(POLICY) == {each.name for each in fields(Policy)}
    assert set(NETWORK) == {each.name for each in fields(NetworkPolicy)}


@given(st.lists(st.sampled_from(TEXTS), max_size=12))
def test_no_file_of_a_workspace_widens_any_value(texts: list[str]) -> None:
    """Issue: it may only narrow what the user's file allows."""
    before = operators()
    after = narrow_policy(before, merged(texts), FILE, users_file="mine", locate=locate)

    assert wider_fields(before, after) == []


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
def test_a_wider_value_is_seen(name: str, value: Any) -> None:  # noqa: ANN401 - of any field
    """Ours: the counterpart of the property above, whose checks would else prove nothing."""
    before = operators()
    if name == "decisions":
        value = (read_decisions({"decide": {"execute": Decision.ALLOW.value}}, "theirs"),)
    if name == "barred":
        before, value = replace(before, barred=frozenset({"read"})), frozenset()

    assert wider_fields(before, before) == []
    seen = "network.ca_file" if name == "network" else name
    assert seen in wider_fields(before, replace(before, **{name: value}))
