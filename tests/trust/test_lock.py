"""`preopen.lock`: what is approved, what waits; a file that is damaged, foreign or contended."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import ROOT
from preopen.errors import PlatformError, PolicyError
from preopen.trust.fingerprint import Definition
from preopen.trust.lock import (
    AllOfThisRun,
    Lock,
    Pin,
    Standing,
    approve,
    format_lock,
    load_lock,
    parse_lock,
    waiting,
    withdraw,
)
from trust.definitions import defined, made, named

NOW: Final = "2026-11-29T12:00:00+00:00"
LATER: Final = "2027-01-01T12:00:00+00:00"
MEMORY: Final = '[limits]\nmemory = "1MiB"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a lock would be."""
    return tmp_path / "preopen" / "preopen.lock"


def locked(*definitions: Definition) -> Lock:
    """Return a lock that holds these approvals."""
    return Lock(pins={each.name: Pin(definition=each, approved=NOW) for each in definitions})


def test_what_was_approved_waits_for_nobody(file: Path) -> None:
    """Issue: one approval pins a tool as it is; what was read back is what was written."""
    approve(file, [defined()], NOW)

    assert waiting(defined(), load_lock(file)) is None
    assert load_lock(file) == locked(defined())


def test_tool_that_nobody_approved_waits_as_new(file: Path) -> None:
    """Issue: a new tool is quarantined; without a file nothing is approved."""
    found = waiting(defined(), load_lock(file))

    assert found is not None
    assert found.standing is Standing.NEW


def test_tool_that_changed_waits_and_says_what_changed() -> None:
    """Issue: a tool that differs is quarantined."""
    found = waiting(named("one", MEMORY), locked(named("one")))

    assert found is not None
    assert found.standing is Standing.CHANGED
    assert [line for each in found.changes for line in each.lines] == ['+ limits.memory = "1MiB"']


def test_renamed_tool_is_new() -> None:
    """Issue: a rename does not launder an old approval."""
    found = waiting(named("other"), locked(named("one")))

    assert found is not None
    assert found.standing is Standing.NEW


def test_tool_that_takes_an_approved_name_is_changed() -> None:
    """Issue: a name that was approved counts by its content only."""
    found = waiting(named("one", MEMORY), locked(named("one")))

    assert found is not None
    assert found.standing is Standing.CHANGED


def test_all_of_this_run_waits_for_nobody() -> None:
    """Issue: `--approve-all`."""
    assert waiting(defined(), AllOfThisRun()) is None


def test_second_approval_changes_nothing_and_a_new_one_keeps_the_others(file: Path) -> None:
    """Issue: a second run finds it approved; what others approved stays."""
    assert approve(file, [named("one"), named("two")], NOW) == {"one", "two"}
    assert approve(file, [named("one"), named("two", MEMORY)], LATER) == {"two"}
    pins = load_lock(file).pins

    assert {name: pin.approved for name, pin in pins.items()} == {"one": NOW, "two": LATER}
    assert pins["two"].definition == named("two", MEMORY)


def test_withdrawal_takes_what_is_named_and_returns_it(file: Path) -> None:
    """Ours: withdrawn waits as new, and what nobody named stays approved."""
    approve(file, [named("one"), named("two")], NOW)
    gone = withdraw(file, ["one", "three"])
    left = load_lock(file)

    assert gone == locked(named("one")).pins
    assert left == locked(named("two"))
    assert waiting(named("two"), left) is None
    assert waiting(named("one"), left) is not None


def test_withdrawal_of_nothing_writes_nothing(file: Path) -> None:
    """Ours: nobody who watches the file is woken, and none is made."""
    assert withdraw(file, ["one"]) == {}
    assert not file.parent.exists()
    approve(file, [named("one")], NOW)
    before = file.stat().st_ino

    assert withdraw(file, ["two"]) == {}
    assert file.stat().st_ino == before


texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.one_of(
        texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


@given(odd=values, name=texts, imports=st.lists(texts, max_size=3))
def test_lock_reads_back_whatever_a_manifest_holds(
    odd: object, name: str, imports: list[str]
) -> None:
    """Ours: else an approved tool would wait for ever, or another pass for it."""
    definition = made({"tool": {"name": name}, "odd": odd}, imports=tuple(imports))
    lock = locked(definition)

    assert parse_lock(format_lock(lock), Path("/x")) == lock
    assert waiting(definition, parse_lock(format_lock(lock), Path("/x"))) is None


def deep(text: str) -> str:
    """Return a lock nested so deeply that a reader runs out of stack."""
    return text + "x = " + "[" * 100_000


DAMAGES: Final[dict[str, tuple[Callable[[str], str], str]]] = {
    "no TOML": (lambda text: text + "[", "damaged"),
    "cut": (lambda text: text[: len(text) // 2], "damaged"),
    "empty": (lambda _: "", "format"),
    "too deep": (deep, "damaged"),
    "a long key": (lambda text: text + ".".join("a" * 100_000) + " = 1", "64 parts"),
    "a long word": (lambda text: f"{text}a = {{ {'b' * 9000} = 1, {'b' * 9000} = 2 }}", "damaged"),
    "a long name": (lambda text: f"{text}[tools.{'b' * 9000}]\n", r"tools\[.bbb"),
    "no integer": (lambda text: text.replace("lock = 1", "lock = 1.0"), "format"),
    "another format": (lambda text: text.replace("lock = 1", "lock = 2"), "format"),
    "no number": (lambda text: text.replace("lock = 1", "lock = true"), "format"),
    "tools is no table": (lambda _: "lock = 1\ntools = 3\n", r"\[tools\]"),
    "more than tools": (lambda text: "other = 1\n" + text, r"\[tools\]"),
    "a table is none": (lambda _: "lock = 1\n[tools]\nweather = 3\n", "tools.weather"),
    "another level": (
        lambda text: text.replace('level = "execute"', 'level = "none"'),
        "tools.weather",
    ),
    "no level": (lambda text: text.replace('level = "execute"', 'level = "most"'), "tools.weather"),
    "another sha256": (lambda text: text.replace("abab", "abac", 1), "tools.weather"),
    "another manifest": (lambda text: text.replace("Says how", "Tells how"), "tools.weather"),
    "no JSON": (lambda text: text.replace('"{', '"'), "tools.weather"),
    "a NaN": (lambda text: text.replace('manifest\\":1', 'manifest\\":NaN'), "tools.weather"),
    "another name": (lambda text: text.replace("tools.weather", "tools.other"), "tools.other"),
    "another key": (lambda text: text + "ceiling = 3\n", 'tools.weather.*unknown key "ceiling"'),
    "no date": (lambda text: text.replace(f'"{NOW}"', "3"), "tools.weather"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_lock_approves_nothing_and_says_the_way_out(file: Path, damage: str) -> None:
    """Issue: a damaged lock, and one of an unknown format: file, what was found, what to do."""
    approve(file, [defined()], NOW)
    harm, said = DAMAGES[damage]
    before = file.read_text()
    file.write_text(harm(before))
    assert file.read_text() != before

    with pytest.raises(PolicyError, match=said) as refused:
        load_lock(file)
    (fault,) = refused.value.faults
    assert fault.place == str(file)
    assert "approve" in fault.write
    assert len(str(fault)) < 2000


def test_lock_reads_back_a_text_that_looks_like_a_long_key() -> None:
    """Ours: one tool's description must not make every approval unreadable."""
    lock = locked(made({"tool": {"name": "t", "description": "'" + "a." * 100}}))

    assert parse_lock(format_lock(lock), Path("/x")) == lock


def test_damaged_lock_is_not_written_over(file: Path) -> None:
    """Ours: the approvals of other tools may still be read in it."""
    file.parent.mkdir(mode=0o700)
    file.write_text("lock = 2\n")

    with pytest.raises(PolicyError, match="format"):
        approve(file, [defined()], NOW)
    assert file.read_text() == "lock = 2\n"


def test_lock_that_others_may_write_approves_nothing(file: Path) -> None:
    """Ours: who may write it approves."""
    approve(file, [defined()], NOW)
    file.chmod(0o666)

    with pytest.raises(PlatformError, match="0666"):
        load_lock(file)


@pytest.mark.parametrize("there", ["link", "folder"])
def test_what_is_no_file_is_no_lock(file: Path, there: str) -> None:
    """Ours: a link may lead to a file that somebody else writes."""
    approve(file, [defined()], NOW)
    moved = file.rename(file.with_name("moved"))
    if there == "link":
        file.symlink_to(moved)
    else:
        file.mkdir()

    with pytest.raises(PolicyError, match="cannot be read"):
        load_lock(file)


# One process: says that it is ready, waits for the others, then approves one tool after another,
# and takes every second approval back.
APPROVER: Final = """
import sys
from pathlib import Path
from preopen.trust.lock import approve, load_lock, withdraw
from trust.definitions import named
who, file = sys.argv[1], Path(sys.argv[2])
tools = [named(f"{who}{number}") for number in range(20)]
print("ready", flush=True)
sys.stdin.readline()
for number, tool in enumerate(tools):
    approve(file, [tool], "now")
    assert tool.name in load_lock(file).pins
    if number % 2:
        assert set(withdraw(file, [tool.name])) == {tool.name}
"""


def test_approvals_and_withdrawals_of_several_processes_at_once_all_count(file: Path) -> None:
    """Issue: several at once on one user folder: no lost decision, no broken file."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", APPROVER, who, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT / "tests",
            text=True,
        )
        for who in ("a", "b", "c")
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:  # none begins before all are there
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    codes = [process.wait(timeout=50) for process in started]
    for process in started:
        process.communicate()

    assert codes == [0, 0, 0]
    assert set(load_lock(file).pins) == {f"{who}{n}" for who in "abc" for n in range(0, 20, 2)}
