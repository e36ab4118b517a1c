"""Whether one Policy opens no more than another: a direction for every field. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from preopen.capability import Access, Grants
from preopen.egress.rule import EgressRule
from preopen.egress.rules import intersect
from preopen.level import PermissionLevel
from preopen.policy.auditing import Auditing, AuditMode
from preopen.policy.decisions import Decisions, rule_folders
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.quotas import KEYS, Quota, QuotaPolicy

Holds: TypeAlias = Callable[[Any, Any], bool]

_OTHER: Final = "a-tool-that-nobody-names"


def wider_fields(before: Policy, after: Policy) -> list[str]:
    """Return the fields in which `after` opens more than `before`."""
    held = {name: (getattr(before, name), getattr(after, name)) for name in POLICY}
    inner = {
        name: (getattr(before.network, name), getattr(after.network, name)) for name in NETWORK
    }
    return [
        *(name for name, pair in held.items() if not POLICY[name](*pair)),
        *(f"network.{name}" for name, pair in inner.items() if not NETWORK[name](*pair)),
    ]


def _same(before: object, after: object) -> bool:
    return before == after


def _any(_before: object, _after: object) -> bool:
    return True


def _at_most(before: Any, after: Any) -> bool:  # noqa: ANN401 - whatever has an order
    return bool(after <= before)


def _at_least(before: Any, after: Any) -> bool:  # noqa: ANN401 - whatever has an order
    return bool(after >= before)


def _stricter(before: tuple[Decisions, ...], after: tuple[Decisions, ...]) -> bool:
    """Hold each call of each tool that is named, and of one more, to be decided as strictly."""
    names = {_OTHER, *(name for layer in (*before, *after) for name in layer.tools)}
    return all(
        _strictest(after, name, level, folders) >= _strictest(before, name, level, folders)
        for name in names
        for level in PermissionLevel
        for folders in ((), ("/home/docs",))
    )


def _strictest(
    layers: tuple[Decisions, ...], name: str, level: PermissionLevel, folders: tuple[str, ...]
) -> Any:  # noqa: ANN401 - a Decision, which has an order
    return max(each.decision for each in rule_folders(layers, name, Grants(level=level), folders))


def _closer(before: tuple[NamedFolder, ...], after: tuple[NamedFolder, ...]) -> bool:
    pairs = list(zip(before, after, strict=False))
    return len(before) == len(after) and all(
        (was.name, was.host_path) == (now.name, now.host_path)
        and now.access in {Access.READ, was.access}
        for was, now in pairs
    )


def _fewer(before: Iterable[str], after: Iterable[str]) -> bool:
    return set(after) <= set(before)


def _part(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    return after.items() <= before.items()


def _lower(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    return all(name in after and after[name] <= most for name, most in before.items())


def _fewer_calls(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    return all(number <= before.get(name, 1) for name, number in after.items())


def _within(before: Iterable[EgressRule], after: Iterable[EgressRule]) -> bool:
    return all(any(intersect(rule, each) == rule for each in before) for rule in after)


def _not_told(before: bool, after: bool) -> bool:  # noqa: FBT001 - values of a policy
    return before or not after


def _used_less(before: QuotaPolicy, after: QuotaPolicy) -> bool:
    return before.file == after.file and all(
        _amount(after, name, key) <= _amount(before, name, key)
        for name in {_OTHER, *before.quotas, *after.quotas} - {"*"}
        for key in KEYS
    )


def _amount(policy: QuotaPolicy, tool: str, key: str) -> float:
    amount = getattr(policy.quotas.get(policy.name_for(tool) or "", Quota()), key)
    return float("inf") if amount is None else amount


def _all_kept(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return after[: len(before)] == before


def _recorded(before: Auditing, after: Auditing) -> bool:
    modes = [each.mode is AuditMode.REQUIRED for each in (before, after)]
    return modes[0] <= modes[1] and after.keeps_values <= before.keeps_values


NETWORK: Final[Mapping[str, Holds]] = {
    "hosts": _within,
    "private": _within,
    "ca_file": _same,
    "records_paths": _not_told,
    "secrets": _same,
    "taken": _any,  # for messages, as the next one
    "taken_by": _any,
}
POLICY: Final[Mapping[str, Holds]] = {
    "workspace": _same,
    "workspace_problem": _same,
    "max_level": _at_most,
    "decisions": _stricter,
    "tool_folders": _same,
    "without": _same,  # more of them free names
    "folders": _closer,
    "variables": _same,
    "environment_names": _fewer,
    "environment": _part,
    "ceilings": _lower,
    "cells": _at_most,
    "calls_per_cell": _fewer_calls,
    "required_layers": _at_least,
    "own_paths": _same,
    "network": _any,  # by NETWORK, field by field
    "quotas": _used_less,
    "flows": _all_kept,  # each rule asks or denies
    "auditing": _recorded,
    "home": _same,
    "origins": _any,
    "workspace_file": _any,
    "barred": _at_least,
    "ignored": _any,
}
