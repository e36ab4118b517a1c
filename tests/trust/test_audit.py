"""The writer: one line per record whatever is in it, files of bounded size, loud when it cannot."""

import json
import os
import re
import resource
import stat
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preopen import own
from preopen.errors import PlatformError
from preopen.trust.audit import AuditError
from preopen.trust.audit_file import utc_now
from preopen.trust.audit_files import Follower
from preopen.trust.audit_line import BEGINNING, MAX_LINE, Head, digest_arguments, make_head
from preopen.trust.audit_prune import old_files, prune
from preopen.trust.audit_record import CallBegan, CallEnded, Decided, Missed, texts_of
from trust.ledger import Ledger, asked, ended, head_of

FORGED = '"}\n{"n":2,"time":"2026-01-01T00:00:00.000Z","kind":"call","outcome":"Returned"}\n'
LATER = "9999"


def test_folder_and_files_are_the_users_alone(ledger: Ledger) -> None:
    """Issue: append-only lines in the user's state folder: 0700, files and key 0600."""
    ledger.write()

    assert {ledger.state_dir, ledger.folder} == {
        path for path in ledger.state_dir.rglob("*") if path.is_dir()
    } | {ledger.state_dir}
    for path in (ledger.state_dir, *ledger.state_dir.rglob("*")):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_file_is_named_for_start_and_process_and_ends_with_an_end(ledger: Ledger) -> None:
    """Issue: one file per server process, which binds its own name."""
    ledger.write(2)
    first, *calls, last = ledger.records()

    assert (first["kind"], first["file"]) == ("start", ledger.file.name)
    assert ["call", "call"] == [each["kind"] for each in calls]
    assert "end" == last["kind"]
    assert [1, 2, 3, 4] == [each["n"] for each in ledger.records()]


def test_record_has_sizes_and_a_digest_and_no_value(ledger: Ledger) -> None:
    """Issue: argument sizes and a keyed digest; values only if the operator turns that on."""
    log = ledger.open()
    log.append(ended(path="seventeen", count=3))
    log.append(ended(path="seventeen", count=3))
    log.append(ended(path="otherwise", count=3))
    log.close()
    _, one, same, other, _ = ledger.records()

    assert {"count": 1, "path": 11} == one["arguments"] == other["arguments"]
    assert one["digest"] == same["digest"] != other["digest"]
    assert b"seventeen" not in ledger.file.read_bytes()


def test_record_has_values_where_they_are_kept(ledger: Ledger) -> None:
    """Issue: `audit_values = true`."""
    log = ledger.open(keeps_values=True)
    log.append(ended(path="seventeen", long="x" * 10_000))
    log.close()
    _, record, _ = ledger.records()

    assert '"seventeen"' == record["values"]["path"]
    assert {"long": 10_002, "path": 11} == record["arguments"]
    assert 4096 == len(record["values"]["long"])


def test_digest_is_of_names_and_values_and_of_the_key() -> None:
    """Ours: what is next to one another is not what is one, and nobody guesses without the key."""
    key = b"k" * 32
    digests = {
        digest_arguments(key, texts_of(arguments))
        for arguments in ({}, {"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": {"b": 1}})
    }

    assert 5 == len(digests)
    assert digest_arguments(b"x" * 32, {}) not in digests
    assert digest_arguments(key, texts_of({"a": 1, "b": 2})) == digest_arguments(
        key, texts_of({"b": 2, "a": 1})
    )


def test_every_kind_of_record_is_written_and_read_back(ledger: Ledger) -> None:
    """Issue: one record per decision and per call, with consent and by what channel."""
    log = ledger.open()
    call = asked(path="x")
    log.append(CallBegan(asked=call))
    log.append(
        Decided(
            asked=call,
            decision="answered",
            rule="preopen.toml: decisions.read",
            grants=("read /src",),
            consent="once",
            channel="elicitation",
        )
    )
    log.append(CallEnded(asked=call, receipt={}, consent="once", channel="elicitation"))
    log.append(Missed(count=3, since="2026-01-01T00:00:00.000Z"))
    log.close()
    _, began, decided, made, missed, _ = [each.fields for each in Follower(ledger.folder).new()]

    assert {call.call} == {each["call"] for each in (began, decided, made)}
    assert ("answered", "once") == (decided["decision"], decided["consent"])
    assert ["read /src"] == decided["grants"]
    assert "elicitation" == decided["channel"] == made["channel"]
    assert 3 == missed["count"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(codec=None, exclude_categories=()), max_size=50)
    | st.sampled_from([FORGED, "\u2028\u2029\x85\x0b\x0c\x1c", "\ud800", "\x1b[2J\x7f\x9b"]),
)
def test_no_content_forges_a_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Issue: control characters cannot forge a line; every field that a stranger fills is tried."""
    ledger = Ledger(tmp_path_factory.mktemp("forging") / "state")
    log = ledger.open(keeps_values=True)
    call = replace(asked(), arguments={text: text, "inner": [{text: text}]})
    log.append(CallEnded(asked=call, receipt={"grants": [text], "x": {text: text}}))
    log.append(Decided(asked=call, decision=text, rule=text, consent=text, channel=text))
    log.close()
    lines = ledger.lines()

    assert ["start", "call", "decision", "end"] == [each["kind"] for each in ledger.records()]
    assert all(32 <= byte < 127 for line in lines for byte in line[:-1])
    assert [text] == json.loads(lines[1])["grants"]
    assert () == ledger.verify().faults


def test_record_is_never_longer_than_a_reader_takes(ledger: Ledger) -> None:
    """Ours: names, client and receipt may be as long as a message; a line says that it was cut."""
    log = ledger.open(keeps_values=True)
    many = {f"{number:06}" + "x" * 200: "\x00" * 9000 for number in range(500)}
    log.append(CallEnded(asked=asked(**many), receipt={"grants": ["\u2028" * 70_000] * 50}))
    log.close()
    _, record, _ = ledger.records()

    assert max(map(len, ledger.lines())) <= MAX_LINE
    assert record["cut"] is True
    assert 436 == record["more_arguments"]
    assert () == ledger.verify().faults


def test_full_file_is_followed_by_another(ledger: Ledger) -> None:
    """Issue: rotated by size, each record chained: the next file binds the last MAC before it."""
    ledger.write(30, max_bytes=4000, keeps_values=True)
    files = ledger.files

    assert len(files) > 2
    for before, after in pairwise(files):
        start, last = ledger.records(after)[0], ledger.records(before)[-1]
        assert before.stat().st_size < 4000 + 2000
        assert (start["previous"], last["kind"], last["next"]) == (
            before.name,
            "rotated",
            after.name,
        )
        assert start["previous_mac"] == ledger.records(before)[-2]["mac"]
    shown = [each.fields for each in Follower(ledger.folder).new()]
    calls = [each["values"]["number"] for each in shown if each["kind"] == "call"]
    assert list(map(str, range(30))) == calls


def test_record_that_its_head_does_not_count_yet_is_no_fault(ledger: Ledger) -> None:
    """Ours: what `kill -9` leaves between the two writes of a record."""
    log = ledger.write(closes=False)
    before = head_of(ledger.file).read_bytes()
    log.append(ended())
    head_of(ledger.file).write_bytes(before)

    assert () == ledger.verify().faults
    log.close()


def test_unfinished_record_is_told_and_no_fault(ledger: Ledger) -> None:
    """Issue: the last partial line is reported as unfinished, not as forged."""
    ledger.write()
    with ledger.file.open("ab") as file:
        file.write(ledger.lines()[1][:100])
    report = ledger.verify()

    assert () == report.faults
    [note] = report.notes
    assert "line 8 is unfinished" in note


def test_beginning_that_was_cut_short_is_told_and_no_fault(ledger: Ledger) -> None:
    """Ours: a head that counts none comes first; its file may be missing or empty."""
    ledger.write()
    name = "20260101T000000000000Z-1-00000000-0000.jsonl"
    head = make_head(ledger.key.read_bytes(), Head(file=name, count=0, last=BEGINNING))
    head_of(ledger.folder / name).write_bytes(head)
    missing = ledger.verify()
    (ledger.folder / name).touch(0o600)
    empty = ledger.verify()

    assert ((), ()) == (missing.faults, empty.faults)
    assert {"begun", "ended"} == {file.state for file in missing.files}
    assert {"begun", "ended"} == {file.state for file in empty.files}


def test_running_process_is_told_from_one_that_stopped(ledger: Ledger) -> None:
    """Ours: a file without an end is its process's, which lives or was killed."""
    log = ledger.write(closes=False)

    assert ["running"] == [file.state for file in ledger.verify().files]
    log.close()
    assert ["ended"] == [file.state for file in ledger.verify().files]


def test_file_that_is_removed_while_it_is_written_is_missed_by_the_next(ledger: Ledger) -> None:
    """Ours: a log that went on into a file without a name would say nothing to anybody."""
    log = ledger.write(closes=False)
    removed = ledger.file
    removed.unlink()
    log.append(ended())
    log.close()

    assert 3 == len(ledger.lines())
    assert any(removed.name in each and "is missing" in each for each in ledger.faults())


def blocked(path: Path) -> None:
    path.write_text("in the way")


def open_to_others(path: Path) -> None:
    path.mkdir(parents=True)
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "harm"),
    [("audit", blocked), ("audit", open_to_others), ("audit.key", blocked), (".", open_to_others)],
)
def test_log_that_cannot_be_written_says_where_and_what_to_do(
    ledger: Ledger, name: str, harm: Callable[[Path], None]
) -> None:
    """Issue: a failed write is loud; the next record is tried again."""
    if name != ".":
        ledger.state_dir.mkdir(mode=0o700)
    harm(ledger.state_dir / name)
    log = ledger.open()
    for _ in range(2):
        with pytest.raises(AuditError) as caught:
            log.append(ended())
        [fault] = caught.value.faults
        assert fault.place.startswith(str(ledger.state_dir))
        assert fault.write
    log.close()


def test_what_is_old_is_removed_at_a_persons_word_and_that_is_on_record(ledger: Ledger) -> None:
    """Ours: a log that nobody may shorten fills a disk; a whole process's files go together."""
    ledger.write(20, max_bytes=2000)
    running = ledger.write(closes=False)
    names = old_files(ledger.verify(), LATER)
    prune(ledger.state_dir, names)
    report = ledger.verify()

    assert len(names) > 2
    assert () == report.faults
    assert ["running"] == [file.state for file in report.files]
    assert [len(names)] == [pruning.files for pruning in report.prunings]
    assert () == old_files(report, "2000")
    running.close()


def test_pruning_that_ends_in_the_middle_leaves_no_fault_and_is_finished_by_the_next(
    ledger: Ledger,
) -> None:
    """Ours: names are marked before any file goes; here the second of three cannot be removed."""
    for _ in range(3):
        ledger.write()
    names = old_files(ledger.verify(), LATER)
    stuck = ledger.files[1]
    kept = stuck.rename(ledger.state_dir / "kept")
    stuck.mkdir()
    with pytest.raises(PlatformError):
        prune(ledger.state_dir, names)
    stuck.rmdir()
    kept.rename(stuck)

    assert () == ledger.verify().faults
    prune(ledger.state_dir, ())
    assert [] == ledger.files
    assert () == ledger.verify().faults


def test_key_is_read_and_not_made(ledger: Ledger) -> None:
    """Ours: whoever only looks leaves no key behind."""
    assert own.read_key(ledger.key, "") is None
    assert not ledger.key.exists()
    ledger.write()
    assert own.read_key(ledger.key, "") == ledger.key.read_bytes()


def test_more_files_than_a_process_may_open_are_read_in_the_order_of_time(ledger: Ledger) -> None:
    """Ours: every `preopen call` leaves a file; processes that overlap are shown interleaved."""
    ledger.folder.mkdir(parents=True)
    for number in range(300):
        times = [f"2026-01-01T00:{at // 60:02}:{at % 60:02}.000Z" for at in (number, number + 2)]
        stamp = re.sub(r"[-:.]", "", times[0]).replace("Z", "000Z")
        lines = [json.dumps({"time": time, "kind": "call"}) for time in times]
        (ledger.folder / f"{stamp}-7-{number:08x}-0000.jsonl").write_text("\n".join(lines) + "\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
    try:
        times = [str(shown.fields["time"]) for shown in Follower(ledger.folder).new()]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert 600 == len(times)
    assert sorted(times) == times


def test_time_of_a_record_is_in_utc_to_the_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: the second is kept from the record before, and must be no other one's."""
    for nanoseconds, text in (
        (1_999_999_999, "1970-01-01T00:00:01.999Z"),
        (1_772_357_400_007_000_000, "2026-03-01T09:30:00.007Z"),
        (1_772_357_400_999_999_999, "2026-03-01T09:30:00.999Z"),
        (1_772_357_401_000_000_000, "2026-03-01T09:30:01.000Z"),
    ):
        monkeypatch.setattr("time.time_ns", lambda now=nanoseconds: now)
        assert text == utc_now()
