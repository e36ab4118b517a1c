"""How `[quota]` and `[[flow]]` of a workspace's own `preopen.toml` narrow the operator's. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from preopen.policy.flows import read_flows
from preopen.policy.quotas import KEYS, Quota, QuotaPolicy, format_amount, read_quotas
from preopen.policy.workspace_rows import Narrowing


def narrow_flow(narrowing: Narrowing, tables: list[Mapping[str, Any]]) -> None:
    """Add rules: each asks or denies, and what one asks about no other allows."""
    rules, faults = read_flows({"flow": tables}, narrowing.place)
    narrowing.faults += faults
    narrowing.policy = replace(narrowing.policy, flows=(*narrowing.policy.flows, *rules))


def narrow_quota(narrowing: Narrowing, table: Mapping[str, Any]) -> None:
    """Take the lower amounts, tool by tool: in each file a tool's own table counts for it alone."""
    before = narrowing.policy.quotas
    theirs, faults = read_quotas({"quota": table}, narrowing.place, state_dir="/")
    narrowing.faults += faults
    for name, quota in theirs.quotas.items():
        for key, amount, most in _above(quota, _quota_for(before, name)):
            found = f"{format_amount(key, amount)} is above your {format_amount(key, most)}"
            narrowing.ignore("quota", name, key, found=found)
    quotas: dict[str, Quota] = {}
    lowered: dict[tuple[str, str], str] = {}
    for name in dict.fromkeys([*before.quotas, *theirs.quotas]):
        mine, other = _quota_for(before, name), _quota_for(theirs, name)
        lower = {key: _lower(getattr(mine, key), getattr(other, key)) for key in KEYS}
        quotas[name] = Quota(**lower)
        stood = before.name_for(name)
        lowered |= {
            (name, key): narrowing.place
            for key in KEYS
            if lower[key] != getattr(mine, key) or (stood, key) in before.lowered
        }
        _tell_origins(narrowing, name, stood, mine, quotas[name])
    now = replace(before, quotas=quotas, lowered=lowered)
    narrowing.policy = replace(narrowing.policy, quotas=now)


def _quota_for(policy: QuotaPolicy, name: str) -> Quota:
    found = policy.name_for(name)
    return Quota() if found is None else policy.quotas[found]


def _above(theirs: Quota, mine: Quota) -> Iterator[tuple[str, int, int]]:
    for key in KEYS:
        amount, most = getattr(theirs, key), getattr(mine, key)
        if amount is not None and most is not None and amount > most:
            yield key, amount, most


def _lower(one: int | None, other: int | None) -> int | None:
    amounts = [each for each in (one, other) if each is not None]
    return min(amounts) if amounts else None


def _tell_origins(
    narrowing: Narrowing, name: str, stood: str | None, mine: Quota, now: Quota
) -> None:
    """Write down who said each amount of a table; `stood` is the operator's name for it."""
    origins = dict(narrowing.policy.origins)
    for key in KEYS:
        changed = getattr(mine, key) != getattr(now, key)
        was = origins.get(f"quota.{stood}.{key}", "default")
        origins[f"quota.{name}.{key}"] = narrowing.policy.workspace_file if changed else was
    narrowing.policy = replace(narrowing.policy, origins=origins)
