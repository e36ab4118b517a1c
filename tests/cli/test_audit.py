"""`preopen audit`: for people, for machines, and whether the log is whole."""

import json
import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

from cli.workshop import PREOPEN, Workshop
from preopen.cli.main import shell
from preopen.policy.auditing import AuditMode
from preopen.policy.policy import Policy
from preopen.serving.current import Current
from preopen.serving.recording import Recorder
from preopen.serving.registry import Registry
from preopen.trust.audit_record import CallBegan, CallEnded
from preopen.trust.consent import Caller
from trust.ledger import Ledger, asked, ended

EVIL = "\x1b[2J\x9b31m\u202e\nforged  call\r"


def bare(*words: str) -> Result:
    """Run a verb that takes no flags over the policy."""
    return CliRunner().invoke(shell, words)


@pytest.fixture
def ledger(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Give this test's shell a state folder of its own; the cache is everybody's."""
    assert workshop.workspace.is_dir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    return Ledger(tmp_path / "state-home" / "preopen")


def test_empty_state_is_said_and_no_fault(ledger: Ledger) -> None:
    """Issue: empty state says so, and exits with 0."""
    for words in (["audit"], ["audit", "--verify"], ["audit", "--prune", "1d"]):
        result = bare(*words)
        assert 0 == result.exit_code, result.output
    assert "Nothing is recorded yet" in bare("audit", "--verify").output
    assert not ledger.state_dir.exists()


def test_call_from_the_shell_is_on_record_for_people_and_machines(
    workshop: Workshop, ledger: Ledger
) -> None:
    """Issue: one record per call, denials with what would allow them."""
    workshop.run("call", "peek", "path=a.txt")
    workshop.run("call", "peek", "path=/etc/passwd")
    table = bare("audit").output.splitlines()
    denied = bare("audit", "--denied", "--json").output.splitlines()

    assert ["TIME", "CLIENT", "TOOL", "OUTCOME", "CONSENT", "DETAIL"] == table[0].split()
    assert ["Returned", "Denied"] == [
        next(word for word in line.split() if word in ("Returned", "Denied")) for line in table[1:]
    ]
    assert "outside of what this tool was granted" in table[2]
    [record] = map(json.loads, denied)
    assert ("peek", "Denied", "preopen call") == (
        record["tool"],
        record["outcome"],
        record["client"],
    )
    assert (ledger.files[1].name, 2) == (record["file"], record["line"])
    assert 0 == bare("audit", "--verify").exit_code


def test_call_of_a_tool_that_is_not_offered_is_shown_among_the_denied(ledger: Ledger) -> None:
    """Issue: an agent that probes for tools is seen by whoever looks at the log."""
    recorder = Recorder(log=ledger.open(), mode=AuditMode.ON)
    registry = Registry(left_out=("hash",))

    async def never(*_: object) -> NoReturn:
        pytest.fail("a tool that is not offered was invoked")

    served = Current(policy=Policy(workspace=None), registry=registry, invoke=never)
    for name in ("hash", EVIL):
        recorder.record_absence(Caller(name="a prober"), served, name, {})
    recorder.close()
    table = bare("audit", "--denied").output
    [_, left_out, unknown] = table.splitlines()

    assert all(char.isprintable() or char == "\n" for char in table)
    assert "a prober" in left_out
    assert "NotOffered" in left_out
    assert "left out by --without" in left_out
    assert "there is no tool of this name" in unknown
    assert 1 == bare("audit", "--outcome", "notoffered", "--tool", "hash").output.count("NotOff")


def test_filters_choose_and_last_cuts(ledger: Ledger) -> None:
    """Issue: `--tool`, `--outcome`, `--since`, `--last N`."""
    log = ledger.write(6, closes=False)
    log.append(ended("TimedOut"))
    log.close()

    def count(*words: str) -> int:
        out = bare("audit", "--json", *words).output
        return sum(json.loads(line)["kind"] == "call" for line in out.splitlines())

    assert 7 == count() == count("--tool", "read") == count("--since", "1h")
    assert 0 == count("--tool", "write") == count("--since", "2999-01-01") == count("--denied")
    assert 1 == count("--outcome", "timedout")
    assert 2 == count("--outcome", "returned", "--last", "2")
    assert 3 == len(bare("audit", "--last", "2").output.splitlines())


def test_time_that_is_none_is_a_usage_error_that_says_what_to_write(
    ledger: Ledger,
) -> None:
    """Ours: a message names what to write."""
    result = bare("audit", "--since", "yesterday")

    assert 2 == result.exit_code
    assert "write one such as 2h" in result.output
    assert not ledger.state_dir.exists()


@pytest.mark.parametrize("more", [["--follow"], ["--prune", "2999-01-01"]])
def test_two_things_at_once_are_a_usage_error(ledger: Ledger, more: list[str]) -> None:
    """Ours: who asks whether the log is whole has nothing removed."""
    ledger.write()

    assert 2 == bare("audit", "--verify", *more).exit_code
    assert 1 == len(ledger.files)


def test_text_of_a_record_does_nothing_to_a_terminal(ledger: Ledger) -> None:
    """Issue: text from records is untrusted on a terminal; the client's name is a client's."""
    log = ledger.open(keeps_values=True)
    call = asked(**{EVIL: EVIL})
    log.append(
        CallEnded(
            asked=call, receipt={"outcome": EVIL, "grants": [EVIL, "\ud800\x7f"]}, consent=EVIL
        )
    )
    log.close()
    table = bare("audit").output
    lines = bare("audit", "--json").output

    assert 2 == len(table.splitlines())
    assert all(char.isprintable() or char == "\n" for char in table)
    assert all(32 <= ord(char) < 127 or char == "\n" for char in lines)
    assert 3 == len(lines.splitlines())


def test_file_of_a_stranger_is_shown_as_far_as_it_is_one_and_breaks_nothing(
    ledger: Ledger,
) -> None:
    """Ours: what is shown is only read; whatever stands in a file is answered."""
    ledger.write()
    strange = {"time": "2026-01-01", "kind": "call", "denials": [1], "grants": 7, "client": []}
    deep = '{"time":"1","kind":"call","a":' + "[" * 3000 + "]" * 3000 + "}"
    ledger.put(
        [
            *ledger.lines(),
            json.dumps(strange).encode() + b"\n",
            deep.encode() + b"\n",
            b"\xff\n{}\n",
        ]
    )
    shown = bare("audit")
    lines = bare("audit", "--json", "--denied")

    assert (0, 0) == (shown.exit_code, lines.exit_code)
    assert "2026-01-01" in shown.output
    assert 1 == len(lines.output.splitlines())
    assert 1 == bare("audit", "--verify").exit_code


def test_call_that_began_and_never_ended_is_shown(ledger: Ledger) -> None:
    """Ours: where a beginning is on record, a server that was killed in a call left one."""
    log = ledger.open()
    log.append(CallBegan(asked=asked()))
    assert "began" in bare("audit").output
    log.append(ended())
    log.close()

    assert "began" not in bare("audit").output


def test_log_that_is_not_whole_is_told_by_place_and_exit_code(
    ledger: Ledger,
) -> None:
    """Issue: `--verify` exits with 0 whole, 1 not."""
    ledger.write()
    whole = bare("audit", "--verify")
    ledger.put([*ledger.lines()[:2], *ledger.lines()[3:]])
    broken = bare("audit", "--verify")
    told = bare("audit", "--verify", "--json")

    assert (0, "whole: 7 records in 1 file\n") == (whole.exit_code, whole.output)
    assert 1 == broken.exit_code == told.exit_code
    assert f"FAULT: {ledger.file}:3: record 4 stands where 3 should" in broken.output
    assert "NOT WHOLE: 1 fault;" in broken.output
    report = json.loads(told.output)
    assert (False, 1) == (report["whole"], len(report["faults"]))


def test_old_files_are_removed_only_of_a_log_that_is_whole(
    ledger: Ledger,
) -> None:
    """Ours: what is not whole may be the proof of it."""
    ledger.write()
    kept = ledger.lines()
    ledger.put(kept[:-1])
    assert 1 == bare("audit", "--prune", "2999-01-01").exit_code
    assert 1 == len(ledger.files)
    ledger.put(kept)

    assert "0 files removed, of 1\n" == bare("audit", "--prune", "1d").output
    assert "1 file removed, of 1\n" == bare("audit", "--prune", "2999-01-01").output
    assert [] == ledger.files
    assert "--prune removed 1 file at" in bare("audit", "--verify").output


def test_follower_sees_what_other_processes_write(ledger: Ledger) -> None:
    """Issue: `--follow`; a file that comes later is followed, too."""
    ledger.write(1)
    follower = subprocess.Popen(
        [*PREOPEN, "audit", "--follow", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    with follower:
        assert follower.stdout is not None
        first = [json.loads(follower.stdout.readline()) for _ in range(3)]
        log = ledger.write(1, closes=False)
        later = [json.loads(follower.stdout.readline()) for _ in range(2)]
        log.append(ended("TimedOut"))
        last = json.loads(follower.stdout.readline())
        follower.terminate()
    log.close()

    assert ["start", "call", "end"] == [each["kind"] for each in first]
    assert ["start", "call"] == [each["kind"] for each in later]
    assert (ledger.files[1].name, "TimedOut") == (last["file"], last["outcome"])
