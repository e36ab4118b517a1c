"""The soak: its verdict on made-up samples, and a run of a few seconds on a real server."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch) -> "ModuleType":
    """Return what judges; `bench` is no part of what is installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.soak.verdict")


@pytest.fixture
def level(verdict: "ModuleType") -> list[Any]:
    """Make samples of a server that holds the same at every moment, but for some cells."""
    return [
        verdict.Sample(
            at_s=float(at), memory_kb=110_000, descriptors=80, processes=10 + at % 3, files=50
        )
        for at in range(80)
    ]


def phase(verdict: "ModuleType", name: str, took_ms: float, samples: list[Any]) -> Any:  # noqa: ANN401 - of bench
    return verdict.Phase(name, took_ms=[took_ms] * 100, honest=100, samples=samples)


def test_a_server_that_holds_the_same_passes(verdict: "ModuleType", level: list[Any]) -> None:
    """Ours: cells that come and go are no growth."""
    alone = phase(verdict, "alone", 5.0, [])
    mixed = phase(verdict, "mixed", 9.9, level)
    assert verdict.judge(alone, mixed, left=[]) == []


@pytest.mark.parametrize(
    ("field", "each", "name"),
    [
        ("memory_kb", 100, "memory"),
        ("descriptors", 1, "descriptors"),
        ("processes", 1, "processes"),
        ("files", 1, "temporary files"),
    ],
)
def test_what_grows_from_sample_to_sample_is_found(
    verdict: "ModuleType", level: list[Any], field: str, each: int, name: str
) -> None:
    """Issue: growth of memory, descriptors, processes or files between second and last quarter."""
    grown = [
        replace(sample, **{field: getattr(sample, field) + each * at})
        for at, sample in enumerate(level)
    ]
    (found,) = verdict.growth(grown)
    assert found.startswith(f"{name} ")
    assert f"grew by {each * 40:g}" in found


def test_what_grew_before_the_second_quarter_is_no_leak(
    verdict: "ModuleType", level: list[Any]
) -> None:
    """Ours: heaps and caches fill at first."""
    early = [replace(sample, memory_kb=60_000, files=3) for sample in level[:20]]
    assert verdict.growth([*early, *level[20:]]) == []


def test_a_single_high_sample_is_no_growth(verdict: "ModuleType", level: list[Any]) -> None:
    """Ours: a large answer is in memory while it is sent."""
    level[70] = replace(level[70], memory_kb=500_000, descriptors=400)
    assert verdict.growth(level) == []


def test_too_few_samples_are_no_pass(verdict: "ModuleType", level: list[Any]) -> None:
    """Ours: a run that measured nothing has shown nothing."""
    assert verdict.growth(level[:3]) != []


def test_a_wrong_answer_a_leftover_and_slowness_each_fail(
    verdict: "ModuleType", level: list[Any]
) -> None:
    """Issue: every honest call right, nothing left, the median under twice that of alone."""
    alone = phase(verdict, "alone", 5.0, [])
    mixed = phase(verdict, "mixed", 10.0, level)
    mixed.wrong.append("read was answered wrongly: 'x' instead of 'y'")
    found = verdict.judge(alone, mixed, left=["2 of 9 processes are left"])
    assert len(found) == 3
    assert "wrongly" in found[0]
    assert "2.00x" in found[1]
    assert "processes" in found[2]


@pytest.mark.timeout(120)
def test_a_soak_of_seconds_runs_every_kind_of_call() -> None:
    """Ours: the soak itself works; how fast and what grows is told by minutes, not by seconds."""
    run = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--minutes", "0.1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.stderr == ""
    for attack in ("spins: TimedOut", "lies: InvalidResult", "outside: Denied", "garbage: refused"):
        assert attack in run.stdout
    faults = [line for line in run.stdout.splitlines() if line.startswith("FAILED")]
    assert run.returncode == (1 if faults else 0)
    # Growth and slowness need minutes and a machine of their own.
    assert [line for line in faults if "grew by" not in line and "as long beside" not in line] == []
