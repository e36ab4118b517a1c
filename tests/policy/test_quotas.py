"""`[quota]` of preopen.toml → values."""

from typing import Any

import pytest

from preopen.policy.quotas import KEYS, MOST_BYTES, Quota, describe_quotas, read_quotas

FILE = "/config/preopen.toml"


def faults(**quota: Any) -> list[str]:  # noqa: ANN401 - tables as a file might hold them
    """Return the faults of these tables as a person reads them."""
    _, found = read_quotas({"quota": quota}, FILE, state_dir="/state")
    return [str(fault) for fault in found]


def test_quotas_are_read_in_calls_and_bytes() -> None:
    """Issue: calls and bytes out per hour and day, per tool."""
    tables = {
        "fetch": {"calls_per_hour": 100, "bytes_out_per_day": "50MiB"},
        "*": {"calls_per_day": 1000, "bytes_out_per_hour": 4096},
    }
    policy, wrong = read_quotas({"quota": tables}, FILE, state_dir="/state")

    assert wrong == ()
    assert policy.file == "/state/quotas.sqlite"
    assert policy.quotas == {
        "fetch": Quota(calls_per_hour=100, bytes_out_per_day=50 << 20),
        "*": Quota(calls_per_day=1000, bytes_out_per_hour=4096),
    }
    assert dict(describe_quotas(policy)) == {
        "quota.fetch.calls_per_hour": "100",
        "quota.fetch.bytes_out_per_day": "50MiB",
        "quota.*.calls_per_day": "1000",
        "quota.*.bytes_out_per_hour": "4KiB",
    }


def test_a_tools_own_quota_stands_before_that_of_every_tool() -> None:
    """Issue: `[quota."*"]` is for each tool that has none of its own."""
    tables = {"fetch": {"calls_per_hour": 1}, "*": {"calls_per_hour": 2}}
    both, _ = read_quotas({"quota": tables}, FILE, state_dir="/state")
    alone, _ = read_quotas({"quota": {"fetch": {}}}, FILE, state_dir="/state")

    assert [both.name_for(tool) for tool in ("fetch", "read")] == ["fetch", "*"]
    assert [alone.name_for(tool) for tool in ("fetch", "read")] == ["fetch", None]


def test_without_a_table_nobody_counts() -> None:
    """Ours: a quota is the operator's to set; there is none by default."""
    policy, _ = read_quotas({}, FILE, state_dir="/state")

    assert policy.name_for("fetch") is None
    assert dict(describe_quotas(policy)) == {"quota": "none"}


@pytest.mark.parametrize("key", [key for key in KEYS if key.startswith("bytes")])
@pytest.mark.parametrize("size", [0, "0", "10MB", "", -1, MOST_BYTES + 1, "1024GiBs"])
def test_what_is_no_size_is_a_fault_that_names_it(key: str, size: object) -> None:
    """Ours: place, thing found, what to write."""
    (fault,) = faults(fetch={key: size})
    assert fault.startswith(f"{FILE}: quota.fetch.{key}: {size!r} is ")
    assert "; write " in fault


@pytest.mark.parametrize("name", ["a b", "**", "", "x" * 65, "fetch.*"])
def test_what_is_no_tools_name_is_a_fault(name: str) -> None:
    """Ours: a quota of a tool that cannot be would hold nobody, and say so to nobody."""
    (fault,) = faults(**{name: {"calls_per_hour": 1}})
    assert f"{FILE}: quota: " in fault
    assert "is no tool's name; write one such as [quota.fetch]" in fault
