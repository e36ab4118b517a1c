"""`audit` and `audit_values` of `preopen.toml`."""

from pathlib import Path

import pytest

from preopen.errors import PolicyError
from preopen.policy.auditing import Auditing, AuditMode, describe_auditing
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy


def policy_of(folder: Path, text: str) -> Policy:
    file = folder / "preopen.toml"
    file.write_text(f"preopen = 1\n{text}")
    own = {f"{name}_dir": str(folder / name) for name in ("config", "state", "cache")}
    around = Surroundings(cwd=str(folder), home="/nowhere", environ={}, **own)
    return load_policy(Flags(policy_file=str(file)), around)


def test_calls_are_recorded_without_values_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    """Issue: "on" and no values are the default."""
    policy = policy_of(tmp_path, "")

    assert Auditing(mode=AuditMode.ON, keeps_values=False) == policy.auditing
    assert ("default", "default") == (policy.origins["audit"], policy.origins["audit_values"])


def test_both_keys_arrive_with_their_origin(tmp_path: Path) -> None:
    """Issue: `audit = "required"`, `audit_values = true`, shown as they are written."""
    policy = policy_of(tmp_path, 'audit = "required"\naudit_values = true\n')

    assert Auditing(mode=AuditMode.REQUIRED, keeps_values=True) == policy.auditing
    assert str(tmp_path / "preopen.toml") == policy.origins["audit"]
    assert [("audit", "required"), ("audit_values", "true")] == list(
        describe_auditing(policy.auditing)
    )


@pytest.mark.parametrize("text", ['audit = "off"', "audit = true", 'audit_values = "no"'])
def test_another_value_is_a_fault_that_names_the_key(tmp_path: Path, text: str) -> None:
    """Ours: there is no way to have no record at all."""
    with pytest.raises(PolicyError, match="audit"):
        policy_of(tmp_path, text)
