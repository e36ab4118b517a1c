"""`audit` and `audit_values` of `preopen.toml`, from the file to what is run and written."""

import json
from pathlib import Path

import anyio
import pytest

from preopen.cells.pool import Pool
from preopen.cli.starting import open_recorder
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.invocation import Answer
from preopen.trust.consent import Caller
from promises.harness import call_tool, manifest, offer, probe

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps


def policy_of(tree: Path, text: str) -> tuple[Policy, Surroundings]:
    """Return what the operator's file says in a workspace, and where preopen's folders are."""
    file = tree.parent / "preopen.toml"
    file.write_text(f"preopen = 1\nworkspace = {json.dumps(str(tree))}\n{text}\n")
    folders = {f"{name}_dir": str(tree.parent / ".own" / name) for name in ("config", "cache")}
    around = Surroundings(
        cwd=str(tree),
        home=str(tree.parent),
        state_dir=str(tree.parent / "state"),
        environ={},
        **folders,
    )
    return load_policy(Flags(policy_file=str(file)), around), around


async def called(pool: Pool, tree: Path, kind: str, text: str) -> Answer:
    """Return the answer of one recorded call."""
    policy, around = policy_of(tree, text)
    tool = offer(manifest(probe(kind), "env", "X"), policy)
    with open_recorder(policy, around) as recorder, anyio.fail_after(50):

        async def run(_caller: Caller) -> Answer:
            return await call_tool(pool, policy, tool)

        return await recorder.recorded(Caller(), tool, {"word": "said to nobody"}, run)


def written(tree: Path) -> str:
    return "".join(file.read_text() for file in (tree.parent / "state").rglob("*.jsonl"))


@keeps("policy:audit", "granted")
async def test_call_that_must_be_recorded_and_can_be_runs(
    pool: Pool, tree: Path, kind: str
) -> None:
    """Issue: `audit = "required"`."""
    answer = await called(pool, tree, kind, 'audit = "required"')

    assert "Returned" == answer.receipt.outcome
    assert '"kind":"begin"' in written(tree)
    assert '"outcome":"Returned"' in written(tree)


@keeps("policy:audit", "withheld")
async def test_call_that_must_be_recorded_and_cannot_be_does_not_run(
    pool: Pool, tree: Path, kind: str
) -> None:
    """Issue: refused before anything runs."""
    (tree.parent / "state").write_text("in the way")
    answer = await called(pool, tree, kind, 'audit = "required"')

    assert ("Denied", "none") == (answer.receipt.outcome, answer.receipt.cell)


@keeps("policy:audit_values", "granted")
async def test_values_that_are_to_be_kept_are(pool: Pool, tree: Path, kind: str) -> None:
    """Issue: "values only if the operator turns that on"."""
    await called(pool, tree, kind, "audit_values = true")

    assert "said to nobody" in written(tree)


@keeps("policy:audit_values", "withheld")
async def test_values_are_not_kept_unless_that_is_written(
    pool: Pool, tree: Path, kind: str
) -> None:
    """Issue: sizes and a keyed digest otherwise."""
    await called(pool, tree, kind, "")

    assert '"arguments":{"word":16}' in written(tree)
    assert "said to nobody" not in written(tree)
