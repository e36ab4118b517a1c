"""OpenTelemetry spans of calls, with the real SDK in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
PROBE = [sys.executable, str(TESTS / "serving" / "span_probe.py")]


def probe(state: Path, way: str, *texts: str) -> dict[str, Any]:
    done = subprocess.run(
        [*PROBE, str(state), way, *texts],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def records(state: Path) -> list[dict[str, Any]]:
    [file] = (state / "audit").glob("*.jsonl")
    lines = map(json.loads, file.read_text().splitlines())
    return [line for line in lines if line["kind"] == "call"]


def test_span_of_a_call_carries_the_facts_of_its_record_and_no_value(tmp_path: Path) -> None:
    """Issue: OpenTelemetry spans carry the same facts when an SDK is installed."""
    told = probe(tmp_path / "state", "sdk", "hello")
    [record], [span] = records(tmp_path / "state"), told["spans"]
    facts = {name.removeprefix("preopen."): value for name, value in span["attributes"].items()}

    assert {"n", "time", "kind", "mac", "digest", "values"} == record.keys() - facts.keys()
    assert ["text=7"] == facts.pop("arguments")
    assert {name: record[name] for name in facts} == facts
    assert "hello" in json.dumps(record)
    assert "hello" not in json.dumps(span)


def test_every_call_is_one_span_and_nobody_else_makes_one(tmp_path: Path) -> None:
    """Issue: one span per call; the SDK's own, of every message, stays out."""
    spans = probe(tmp_path / "state", "sdk", "hello", "deny", "fail")["spans"]
    attributes = [span["attributes"] for span in spans]

    assert ["tools/call echo"] * 3 == [span["name"] for span in spans]
    assert ["Returned", "Denied", "Incident"] == [each["preopen.outcome"] for each in attributes]
    assert ["OK", "ERROR", "ERROR"] == [span["status"]["status_code"] for span in spans]
    assert ("no", "terminal") == (
        attributes[1]["preopen.consent"],
        attributes[1]["preopen.channel"],
    )
    assert "no rule allows it" in attributes[1]["preopen.denials"][0]
    assert "the text of an exception" not in json.dumps(spans)


def test_without_an_sdk_no_sdk_is_loaded_and_calls_are_recorded(tmp_path: Path) -> None:
    """Issue: without an SDK it costs nothing and sends nothing."""
    told = probe(tmp_path / "state", "none", "hello")

    assert ([], False) == (told["spans"], told["has_sdk"])
    assert ["Returned"] == [record["outcome"] for record in records(tmp_path / "state")]


def test_shell_imports_nothing_of_it() -> None:
    """Ours: `preopen call` is started for one call, and would wait for it."""
    code = "import preopen.cli.call, sys; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert b"False\n" == done.stdout
