"""A log that was changed, cut, moved or removed is found, by file and line, with the way out."""

import json
import os
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preopen.errors import PlatformError
from preopen.trust.audit_files import Follower
from preopen.trust.audit_line import BEGINNING, Head, make_head, make_line
from trust.ledger import Ledger, ended, head_of

CUT = "at its end are missing"


def test_log_that_nobody_touched_is_whole(ledger: Ledger) -> None:
    """Issue: `--verify` exits with 0 where the log is whole; several processes and files."""
    for _ in range(2):
        ledger.write(20, max_bytes=2000)
    report = ledger.verify()

    assert () == report.faults
    assert len(report.files) > 4
    assert {"ended", "rotated"} == {file.state for file in report.files}


def test_empty_state_is_whole(ledger: Ledger) -> None:
    """Issue: who never called anything has nothing to check."""
    report = ledger.verify()

    assert ((), ()) == (report.faults, report.files)
    assert not ledger.state_dir.exists()


def edit(lines: list[bytes]) -> list[bytes]:
    lines[2] = lines[2].replace(b"Returned", b"Exited")
    return lines


def forge(lines: list[bytes]) -> list[bytes]:
    line, _ = make_line(b"k" * 32, BEGINNING, {"n": 4, "time": "now", "kind": "call"}, {})
    return [*lines[:3], line, *lines[3:]]


@pytest.mark.parametrize(
    ("tamper", "line", "found"),
    [
        (edit, 3, "was changed"),
        (lambda lines: [*lines[:2], *lines[3:]], 3, "record 4 stands where 3 should"),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3, "record 4 stands where 3"),
        (lambda lines: [*lines[:4], lines[2], *lines[4:]], 5, "record 3 stands where 5 should"),
        (lambda lines: lines[1:], 1, "not the one that the file began with"),
        (forge, 4, "was changed, or was not written by preopen"),
        (lambda lines: [*lines[:3], b"\n", *lines[3:]], 4, "no record that preopen wrote"),
        (lambda lines: [*lines[:3], b'{"a":1}\n', *lines[3:]], 4, "no record that preopen wrote"),
        (lambda lines: [*lines[:3], b"\xff" * (3 << 20), *lines[3:]], 4, "no record that preopen"),
        (lambda lines: [*lines[:3], lines[3].replace(b",", b", ", 1), *lines[4:]], 4, "changed"),
    ],
    ids=[
        *("edited", "gap", "reordered", "repeated", "beginning-cut", "forged", "empty-line"),
        *("no-record", "endless-line", "spelt-otherwise"),
    ],
)
def test_tampered_line_is_found_where_it_is(
    ledger: Ledger, tamper: Callable[[list[bytes]], list[bytes]], line: int, found: str
) -> None:
    """Issue: a tampered, shortened and reordered audit file is refused, and says what to do."""
    ledger.write(8)
    ledger.put(tamper(ledger.lines()))
    fault = ledger.faults()[0]

    assert fault.startswith(f"{ledger.file.name}:{line}: ")
    assert found in fault
    assert fault.endswith("keep a copy of the file, and find out who may write in this folder")


def test_one_edit_is_one_fault(ledger: Ledger) -> None:
    """Ours: a report in which all that follows an edit is red says nothing of where it was."""
    ledger.write(8)
    ledger.put(edit(ledger.lines()))

    assert 1 == len(ledger.faults())


@pytest.mark.parametrize("cut", [1, 2, 9])
@pytest.mark.parametrize("closes", [True, False])
def test_cut_tail_is_found_by_the_head(ledger: Ledger, cut: int, *, closes: bool) -> None:
    """Issue: "a head file (count, last MAC)", so that a cut tail is found."""
    log = ledger.write(9 if closes else 10, closes=closes)
    ledger.put(ledger.lines()[:-cut])

    assert [f"{ledger.file.name}:{12 - cut}: "] == [
        each[: each.index(": ") + 2] for each in ledger.faults()
    ]
    assert CUT in ledger.faults()[0]
    log.close()


def test_tail_that_is_cut_in_a_line_is_found(ledger: Ledger) -> None:
    """Ours: what a crash may leave is one unfinished record beyond the head's count, no more."""
    ledger.write(9)
    ledger.put([*ledger.lines()[:-1], ledger.lines()[-1][:40]])

    assert CUT in ledger.faults()[0]


def test_file_without_anything_in_it_is_found(ledger: Ledger) -> None:
    """Ours: emptied is cut."""
    ledger.write(9)
    ledger.put([])

    assert CUT in ledger.faults()[0]


def test_swapped_files_are_found(ledger: Ledger) -> None:
    """Issue: each file's first record binds its name."""
    ledger.write()
    ledger.write()
    one, other = ledger.files
    there, here = one.read_bytes(), other.read_bytes()
    one.write_bytes(here)
    other.write_bytes(there)

    assert 2 == len(ledger.faults())
    for fault, file in zip(ledger.faults(), (other, one), strict=True):
        assert f'its first record says that it is "{file.name}"' in fault
        assert "give the file its name back" in fault


def test_swapped_heads_are_found(ledger: Ledger) -> None:
    """Ours: a head is of one file."""
    ledger.write()
    ledger.write(9)
    one, other = map(head_of, ledger.files)
    there, here = one.read_bytes(), other.read_bytes()
    one.write_bytes(here)
    other.write_bytes(there)

    assert ["this head is of another file"] * 2 == [fault.found for fault in ledger.verify().faults]


@pytest.mark.parametrize(
    ("removes_file", "removes_head", "found"),
    [
        (True, False, "the file is missing: its head counts 7 records"),
        (False, True, "the file has no head"),
        (True, True, "the file is missing, and its head, too: the register names it"),
    ],
)
def test_removed_file_is_missed(
    ledger: Ledger, found: str, *, removes_file: bool, removes_head: bool
) -> None:
    """Issue: deleted files are found: a head without its file, a file without its head, both."""
    ledger.write()
    ledger.write()
    file = ledger.files[0]
    if removes_head:
        head_of(file).unlink()
    if removes_file:
        file.unlink()
    [fault] = ledger.verify().faults

    assert found in fault.found
    assert fault.place.startswith(str(file.with_suffix("")))
    assert "put it back from a copy" in fault.write


@pytest.mark.parametrize("number", [0, 1, -1])
def test_removed_file_of_a_rotation_is_missed_by_its_neighbours(
    ledger: Ledger, number: int
) -> None:
    """Issue: after a rotation the first record binds the last MAC of the file before."""
    ledger.write(20, max_bytes=2000)
    file = ledger.files[number]
    file.unlink()
    head_of(file).unlink()
    found = " ".join(ledger.faults())

    assert ("the file before it, is missing" in found) == (number != -1)
    assert ("the file that follows it, is missing" in found) == (number != 0)


def test_file_before_a_rotation_that_was_put_back_to_an_older_state_is_found(
    ledger: Ledger,
) -> None:
    """Ours: with its own older head it would pass alone."""
    log = ledger.write(3, closes=False)
    old = ledger.file
    kept = old.read_bytes(), head_of(old).read_bytes()
    log.append(ended())
    log.max_bytes = 1
    log.append(ended())
    log.close()
    old.write_bytes(kept[0])
    head_of(old).write_bytes(kept[1])

    assert "the file before it, ends with another record" in " ".join(ledger.faults())


def test_replaced_key_is_named_as_such(ledger: Ledger) -> None:
    """Issue: a replaced key is refused with what to do."""
    ledger.write()
    ledger.key.write_bytes(os.urandom(32))
    found = " ".join(ledger.faults())

    assert "it was written under another key" in found
    assert "put the old key back" in found


def test_missing_key_is_a_fault_and_none_is_made(ledger: Ledger) -> None:
    """Ours: checking changes nothing; without the key nothing can be checked."""
    ledger.write()
    ledger.key.unlink()

    assert "the key is missing" in ledger.faults()[0]
    assert not ledger.key.exists()


def test_damaged_key_is_refused_with_the_way_out(ledger: Ledger) -> None:
    """Ours: a key of another length authenticates nothing."""
    ledger.write()
    ledger.key.write_bytes(b"short")

    with pytest.raises(PlatformError, match="can no longer be checked"):
        ledger.verify()


def test_changed_head_is_found(ledger: Ledger) -> None:
    """Ours: it is under a MAC of its own."""
    ledger.write()
    head = head_of(ledger.file)
    head.write_bytes(head.read_bytes().replace(b'"count":7', b'"count":5'))

    assert "the head was changed" in ledger.faults()[0]


def test_older_head_is_found(ledger: Ledger) -> None:
    """Ours: a head may be one record behind its file, which a kill leaves, and no more."""
    log = ledger.write(closes=False)
    old = head_of(ledger.file).read_bytes()
    log.append(ended())
    log.append(ended())
    log.close()
    head_of(ledger.file).write_bytes(old)

    assert "its head counts 6 records and it has 9" in ledger.faults()[0]


def test_head_that_knows_another_record_is_found(ledger: Ledger) -> None:
    """Ours: the same count is not the same record; this one was made with the key."""
    ledger.write()
    head = Head(file=ledger.file.name, count=7, last="0" * 64)
    head_of(ledger.file).write_bytes(make_head(ledger.key.read_bytes(), head))

    assert f"{ledger.file.name}:7: its head knows another record here" in ledger.faults()[0]


@pytest.mark.parametrize("how", ["removed", "changed", "older"])
def test_register_that_was_tampered_with_is_found(ledger: Ledger, how: str) -> None:
    """Ours: it names every file, and is under the same key."""
    ledger.write()
    old = ledger.register.read_bytes()
    ledger.write()
    match how:
        case "removed":
            ledger.register.unlink()
        case "changed":
            ledger.register.write_bytes(old.replace(b"jsonl", b"JSONL"))
        case _:
            ledger.register.write_bytes(old)
    [fault] = ledger.verify().faults

    assert "register" in fault.found


def test_register_that_was_removed_is_not_forgotten_by_the_next_server(ledger: Ledger) -> None:
    """Ours: a server that begins a new register says since when the old one is missing."""
    ledger.write()
    ledger.register.unlink()
    ledger.write()

    assert "an older register was removed before" in ledger.faults()[0]


def test_log_that_was_removed_whole_but_for_its_key_is_missed(ledger: Ledger) -> None:
    """Ours: an empty folder beside a key is no empty state."""
    ledger.write()
    for file in ledger.folder.iterdir():
        file.unlink()

    assert "the register of files is missing" in ledger.faults()[0]


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_file_is_neither_followed_nor_waited_for(ledger: Ledger, kind: str) -> None:
    """Ours: whoever may write in the folder may put anything there."""
    ledger.write()
    file = ledger.file
    moved = file.rename(ledger.state_dir / "elsewhere")
    match kind:
        case "folder":
            file.mkdir()
        case "link":
            file.symlink_to(moved)
        case _:
            os.mkfifo(file)
    [fault] = ledger.verify().faults

    assert "plain file" in f"{fault.found} {fault.write}"


def test_strange_file_and_modes_for_others_are_faults(ledger: Ledger) -> None:
    """Issue: folder 0700, files 0600; what nobody knows is named."""
    ledger.write()
    (ledger.folder / "notes.txt").write_text("mine")
    ledger.file.chmod(0o644)
    ledger.folder.chmod(0o755)
    found = ledger.faults()

    assert any("chmod 700" in each for each in found)
    assert any(f"chmod 600 {ledger.file.name}" in each for each in found)
    assert any(each.startswith("notes.txt: this is no file of the audit log") for each in found)


def test_noise_is_a_bounded_number_of_faults(ledger: Ledger) -> None:
    """Ours: a file of a million bad lines is not a million lines of report."""
    ledger.write()
    ledger.put([b"x\n"] * 5000)
    faults = ledger.verify().faults

    assert len(faults) == 21
    assert "more faults" in faults[-1].found


def test_a_file_that_is_far_too_large_is_a_fault_and_not_read(ledger: Ledger) -> None:
    """Ours: a hole of a terabyte takes its writer nothing, and a reader a day."""
    ledger.write()
    os.truncate(ledger.file, 1 << 40)

    assert any("larger than 64 MiB" in str(fault) for fault in ledger.verify().faults)
    os.truncate(ledger.register, 1 << 40)
    with pytest.raises(PlatformError, match="larger than 64 MiB"):
        ledger.verify()


def test_any_change_of_any_byte_is_found(ledger: Ledger) -> None:
    """Issue: finds edits, short of one who holds the key; a sample of all bytes and bits."""
    ledger.write(8)
    whole = ledger.file.read_bytes()
    chance = random.Random(7)  # noqa: S311 - a sample
    for _ in range(200):
        at = chance.randrange(len(whole))
        ledger.file.write_bytes(
            whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :]
        )
        assert ledger.faults(), at


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        *("n", "time", "kind", "file", "key", "previous", "previous_mac", "next", "mac"),
        *("count", "last", "files", "going", "lost", "prunings", "tool", "denials", "grants"),
    ]
)
KINDS = st.sampled_from(["start", "rotated", "end", "call", "missed"])
OBJECTS = st.builds(
    lambda fields, kind: (
        json.dumps({**fields, "kind": kind})[:-1].encode() + b',"mac":"' + b"0" * 64 + b'"}\n'
    ),
    st.dictionaries(NAMES, JSON),
    KINDS,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(OBJECTS | st.binary(max_size=80), min_size=1, max_size=4),
    head=st.binary(max_size=600) | OBJECTS,
    register=st.binary(max_size=80) | OBJECTS,
)
def test_any_bytes_are_faults_and_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], head: bytes, register: bytes
) -> None:
    """Ours: whoever may write in the folder may write anything; it is answered."""
    ledger = Ledger(tmp_path_factory.mktemp("anything") / "state")
    ledger.write(1)
    file = ledger.file
    file.write_bytes(b"".join(lines))
    head_of(file).write_bytes(head)
    ledger.register.write_bytes(register)

    assert len(ledger.verify().faults) >= 2
    assert all(str(fault) for fault in ledger.verify().faults)
    assert len(list(Follower(ledger.folder).new())) <= len(b"".join(lines))
