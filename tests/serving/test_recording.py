"""What is on record of a call, and what happens to one that cannot be recorded."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import mcp_types as wire
import pytest
from mcp import Client

from preopen.outcome import Denial, JsonValue, Usage
from preopen.policy.auditing import AuditMode
from preopen.serving.invocation import Answer, Invoke, Progress
from preopen.serving.recording import NOT_RECORDED, Recorder
from preopen.serving.registry import Tool
from preopen.serving.server import INSTRUCTIONS, make_server
from preopen.tool.result import TextBlock
from preopen.trust.audit import AuditLog
from preopen.trust.audit_verify import verify
from preopen.trust.consent import Caller
from serving.values import SHA256, make_answer, make_current, make_receipt, make_tool

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
both_modes = pytest.mark.parametrize("mode", list(AuditMode))
Record = dict[str, Any]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def recorder(state: Path, mode: AuditMode = AuditMode.ON) -> Recorder:
    return Recorder(log=AuditLog(state_dir=state, keeps_values=False), mode=mode)


def records(state: Path) -> list[Record]:
    """Return what is on record but for the beginnings and ends of files."""
    files = sorted((state / "audit").glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [each for each in lines if each["kind"] not in ("start", "end")]


async def echo(_t: Tool, arguments: Mapping[str, JsonValue], _p: Progress, _c: Caller) -> Answer:
    return make_answer(text=arguments["text"])


async def call(made: Recorder, run: Callable[[], Any], tool: Tool | None = None) -> Answer:
    tool = tool or make_tool()
    caller = Caller(name="me", version="1")
    return await made.recorded(caller, tool, {"text": "hello"}, lambda _: run())


async def answer() -> Answer:
    return make_answer(text="hello")


@both_eras
async def test_call_through_a_client_is_on_record_with_who_called(era: str, state: Path) -> None:
    """Issue: time, client, tool, level, argument sizes, grants, outcome, usage; in both eras."""
    made = recorder(state)
    invoke: Invoke = echo
    served = make_current(make_tool(), invoke=invoke)
    server = make_server(lambda: served, instructions=INSTRUCTIONS, recorder=made)
    who = wire.Implementation(name="a\nclient", version="7.1")
    with anyio.fail_after(5):
        async with Client(server, mode=era, client_info=who) as client:
            await client.call_tool("echo", {"text": "hello"})
    [record] = records(state)

    assert ("a\nclient", "7.1") == (record["client"], record["client_version"])
    assert ("echo", "read-only", SHA256) == (record["tool"], record["level"], record["sha256"])
    assert {"text": 7} == record["arguments"]
    assert ("Returned", ["reads /src/a.txt"]) == (record["outcome"], record["grants"])
    assert 2.346 == record["wall_time_ms"]
    assert "hello" not in json.dumps(record)


async def test_denial_is_on_record_with_the_line_that_would_allow_it(state: Path) -> None:
    """Issue: denials with the rule that matched; consent and by what channel."""
    denial = Denial(target="https://x.com", reason="no rule allows it", allow="write hosts")

    async def deny() -> Answer:
        return Answer(
            reply=make_answer().reply,
            receipt=make_receipt("Denied", denial),
            consent="no",
            channel="terminal",
        )

    await call(recorder(state), deny)
    [record] = records(state)

    assert [
        {"target": "https://x.com", "reason": "no rule allows it", "allow": "write hosts"}
    ] == record["denials"]
    assert ("no", "terminal") == (record["consent"], record["channel"])


async def test_call_that_was_taken_back_is_on_record(state: Path) -> None:
    """Ours: who calls and cancels has called."""
    made = recorder(state)
    with anyio.CancelScope() as scope:

        async def cancelled() -> Answer:
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        await call(made, cancelled)
    [record] = records(state)

    assert "Cancelled" == record["outcome"]


async def test_fault_of_preopen_s_own_is_on_record_without_its_text(state: Path) -> None:
    """Ours: a call that met a bug of ours was a call."""

    async def fail() -> Answer:
        msg = "a secret"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="a secret"):
        await call(recorder(state), fail)
    [record] = records(state)

    assert "Incident" == record["outcome"]
    assert "secret" not in json.dumps(record)


async def test_where_it_must_be_recorded_a_call_s_beginning_is_written_ahead(state: Path) -> None:
    """Issue: a call is refused before anything runs, so a record comes before it."""
    seen = []

    async def look() -> Answer:
        seen.extend(records(state))
        return make_answer()

    await call(recorder(state, AuditMode.REQUIRED), look)
    begin, end = records(state)

    assert [begin] == seen
    assert ("begin", "call", begin["call"]) == (begin["kind"], end["kind"], end["call"])


async def test_call_that_cannot_be_recorded_does_not_run_where_it_must_be(state: Path) -> None:
    """Issue: `audit = "required"` refuses calls, with the reason and the way out."""
    state.mkdir(mode=0o755)
    ran = []

    async def run() -> Answer:
        ran.append(1)
        return make_answer()

    refused = await call(recorder(state, AuditMode.REQUIRED), run)
    [block] = refused.reply.content

    assert [] == ran
    assert ("Denied", "none", ()) == (
        refused.receipt.outcome,
        refused.receipt.cell,
        refused.receipt.grants,
    )
    assert isinstance(block, TextBlock)
    assert "the audit log cannot be written" in block.text
    assert 'audit = "on"' in block.text
    assert str(state) not in block.text


async def test_call_that_cannot_be_recorded_runs_where_that_is_only_wished(state: Path) -> None:
    """Issue: with "on" calls go on."""
    state.mkdir(mode=0o755)
    answered = await call(recorder(state), answer)

    assert make_answer(text="hello") == answered


@both_modes
async def test_call_whose_end_cannot_be_recorded_says_so_where_it_must_be(
    state: Path, mode: AuditMode
) -> None:
    """Issue: a call whose end cannot be recorded says so; it has run, and its result stands."""
    made = recorder(state, mode)
    await call(made, answer)

    async def break_it() -> Answer:
        (state / "audit").rename(state / "moved")
        (state / "audit").write_text("in the way")
        for file in (state / "moved").glob("*.jsonl"):
            file.unlink()
        return make_answer(text="hello")

    answered = await call(made, break_it)
    texts = [block.text for block in answered.reply.content if isinstance(block, TextBlock)]
    must = mode is AuditMode.REQUIRED

    assert ["hello", *([NOT_RECORDED] if must else [])] == texts
    assert ((NOT_RECORDED,) if must else ()) == answered.receipt.notes


@both_modes
async def test_operator_hears_once_that_records_are_not_written_and_once_that_they_are_again(
    state: Path, mode: AuditMode, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue: a loud line on stderr once per failure period; what was missed is on record after."""
    made = recorder(state, mode)
    await call(made, answer)
    for file in (state / "audit").glob("*.jsonl"):
        file.unlink()
    (state / "audit").chmod(0o755)
    for _ in range(3):
        await call(made, answer)
    failed = [each for each in caplog.records if each.levelno == logging.ERROR]

    assert 1 == len(failed)
    assert f"chmod 700 {state / 'audit'}" in failed[0].getMessage()
    (state / "audit").chmod(0o700)
    await call(made, answer)
    await call(made, answer)
    missed, *_ = records(state)
    assert ("missed", 3) == (missed["kind"], missed["count"])
    assert 1 == sum("written again" in each.getMessage() for each in caplog.records)
    assert 2 == len([each for each in records(state) if each["kind"] == "call"])


async def test_log_that_cannot_be_begun_is_told_at_the_start(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: an operator hears of a full disk when the server starts, not at the first call."""
    state.mkdir(mode=0o755)
    made = recorder(state, AuditMode.REQUIRED)
    made.start()

    assert "no call runs" in caplog.text
    state.chmod(0o700)
    assert "Returned" == (await call(made, answer)).receipt.outcome
    made.close()
    assert () == verify(state).faults


def test_what_is_added_to_a_caller_and_to_usage_leaves_the_rest_as_it_was() -> None:
    """Ours: both are written out field by field, and one that is new must not be lost there."""
    whose: dict[str, Any] = {each.name: object() for each in fields(Caller)}
    used: dict[str, Any] = {each.name: object() for each in fields(Usage)}
    caller, usage = Caller(**whose), Usage(**used)
    heard: Any = object()

    assert replace(caller, decided=heard) == caller.heard_by(heard)
    assert replace(usage, bytes_in=1, bytes_out=2) == usage.carrying(1, 2)


@both_modes
async def test_a_call_is_described_once_for_all_of_its_records(
    mode: AuditMode, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: at the first moment at which it waits, and not when its answer is there."""
    described: list[str] = []
    monkeypatch.setattr(
        "preopen.trust.audit_record.digest_arguments",
        lambda *_: described.append("once") or "a digest",  # type: ignore[func-returns-value]  # so it is
    )
    made = recorder(state, mode)
    made.start()

    async def run() -> Answer:
        await anyio.lowlevel.checkpoint()
        assert described
        return make_answer(text="hello")

    await call(made, run)

    assert ["once"] == described
    assert {"a digest"} == {record["digest"] for record in records(state)}


async def test_each_call_has_a_number_of_its_own(state: Path) -> None:
    """Issue: what one call's records share; of sixteen digits, as before."""
    made = recorder(state)
    for _ in range(20):
        await call(made, answer)
    numbers = [record["call"] for record in records(state)]

    assert 20 == len(set(numbers))
    assert {16} == set(map(len, numbers))
