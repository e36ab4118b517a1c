"""`preopen explain` says which quota holds a tool and which flow rules mean it."""

import sqlite3
from pathlib import Path

import pytest

from cli.workshop import Workshop

RUN = '[run]\nargs = ["exit", "0"]\n'
# May write outside of the workspace, and has a variable of the host: source and sink at once.
SPILLS = f"""{RUN}
[environment]
COLOUR = {{ from = "COLOUR" }}
[[directory]]
host = "${{docs}}"
access = "write"
"""


def write(workshop: Workshop, text: str) -> str:
    """Write the operator's file, and return its path."""
    file = workshop.workspace.parent / "preopen.toml"
    file.write_text("preopen = 1\n" + text)
    return str(file)


def section(workshop: Workshop, heading: str, tool: str, file: str) -> list[str]:
    """Return the lines below one heading of `preopen explain`."""
    result = workshop.run("explain", tool, "--policy", file)
    assert result.exit_code == 0
    _, _, rest = result.stdout.partition(f"\n{heading}\n")
    return [line[2:] for line in rest.partition("\n\n")[0].splitlines()]


def with_docs(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, rule: str) -> str:
    """Add the tool `spills`, open to it what it asks for, and write a rule."""
    docs = workshop.workspace.parent / "docs"
    docs.mkdir(exist_ok=True)
    monkeypatch.setenv("COLOUR", "blue")
    workshop.add("spills", "write", SPILLS)
    opened = f'[folders]\ndocs = {{ path = "{docs}", access = "write" }}\n'
    names = '[environment]\nnames = ["COLOUR"]\n[decide.tools]\nspills = "allow"\n'
    return write(workshop, f"{opened}{names}{rule}")


def test_a_quota_is_told_with_what_is_used_of_it(workshop: Workshop) -> None:
    """Issue: limits and what is used, by the file that calls count in; looking counts nothing."""
    workshop.add("tally", "none", RUN)
    amounts = 'calls_per_hour = 9\nbytes_out_per_day = "1MiB"\n'
    file = write(workshop, f"[quota.tally]\n{amounts}[quota.'*']\ncalls_per_day = 7\n")
    before = section(workshop, "QUOTA", "tally", file)
    assert [workshop.run("call", "tally", "--policy", file).exit_code for _ in range(2)] == [0, 0]

    assert before == [
        "[quota.tally]",
        f"calls_per_hour     0 of 9 used in the last hour     {file}",
        f"bytes_out_per_day  0B of 1MiB used in the last day  {file}",
    ]
    for _ in range(2):
        told = workshop.run_json("explain", "tally", "--policy", file)["quota"]
        assert told == {
            "name": "tally",
            "amounts": [
                {"key": "calls_per_hour", "limit": 9, "used": 2, "from": file},
                {"key": "bytes_out_per_day", "limit": 1 << 20, "used": 0, "from": file},
            ],
            "denied": None,
        }


def test_a_tool_without_a_quota_is_told_so(workshop: Workshop) -> None:
    """Ours, beside the one above: what is not there is easily taken for granted."""
    file = write(workshop, "[quota.peek]\ncalls_per_hour = 9\n")
    assert section(workshop, "QUOTA", "spin", file) == ["none: nobody counts its calls"]
    assert workshop.run_json("explain", "spin", "--policy", file)["quota"] is None


def test_the_quota_of_every_tool_is_told_of_one_that_has_none(workshop: Workshop) -> None:
    """Issue: `[quota."*"]` is for each tool that has none of its own, each with its own count."""
    workshop.add("tally-one", "none", RUN)
    workshop.add("tally-two", "none", RUN)
    file = write(workshop, '[quota."*"]\ncalls_per_day = 7\n')
    assert workshop.run("call", "tally-one", "--policy", file).exit_code == 0

    used = []
    for tool in ("tally-one", "tally-two"):
        head, amount = section(workshop, "QUOTA", tool, file)
        assert head == '[quota."*"], and what this tool uses counts for it alone'
        used.append(amount)
    assert ["1 of 7 used" in used[0], "0 of 7 used" in used[1]] == [True, True]


def test_a_quota_that_is_used_up_is_told_in_the_words_of_the_call_that_it_denies(
    workshop: Workshop,
) -> None:
    """Ours: one place decides, and both say what it says."""
    workshop.add("tally-full", "none", RUN)
    file = write(workshop, "[quota.tally-full]\ncalls_per_day = 1\n")
    assert workshop.run("call", "tally-full", "--policy", file).exit_code == 0
    told = workshop.run_json("explain", "tally-full", "--policy", file)["quota"]["denied"]
    denied = workshop.run("call", "tally-full", "--policy", file)

    assert denied.exit_code != 0
    reason, _, _ = told["reason"].partition("; there is room again in ")
    assert reason.endswith(
        "been called 1 times in the last day, and its quota is calls_per_day = 1"
    )
    assert reason in denied.stderr
    assert told["allow"] in denied.stderr
    said = section(workshop, "QUOTA", "tally-full", file)[-1]
    assert said.startswith(f"its calls are denied now: {reason}; ")


def test_a_count_that_cannot_be_read_is_told_and_the_rest_is_explained(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: calls of such a tool are denied; ours: its page says so, with the way out."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = write(workshop, "[quota.spin]\ncalls_per_day = 5\n")
    state = tmp_path / "state" / "preopen"
    fresh = section(workshop, "QUOTA", "spin", file)
    assert not state.exists()
    state.mkdir(mode=0o700, parents=True)
    (state / "quotas.sqlite").write_bytes(b"this is no database" * 100)
    (state / "quotas.sqlite").chmod(0o600)
    _, amount, denied = section(workshop, "QUOTA", "spin", file)

    assert "0 of 5 used in the last day" in fresh[1]
    assert amount == f"calls_per_day  at most 5  {file}"
    assert "what it used cannot be counted: " in denied
    assert f"rm {state}/quotas.sqlite" in denied
    assert workshop.run_json("explain", "spin", "--policy", file)["quota"]["amounts"] == [
        {"key": "calls_per_day", "limit": 5, "used": None, "from": file}
    ]


def test_a_count_that_a_killed_server_left_is_no_denial(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the next call puts it right, so nobody is sent to repair it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    state = tmp_path / "state" / "preopen"
    state.mkdir(mode=0o700, parents=True)
    other, own = tmp_path / "other.sqlite", state / "quotas.sqlite"
    database = sqlite3.connect(other, isolation_level=None)
    database.execute("CREATE TABLE used (text)")
    database.execute("PRAGMA cache_size = 1")
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT INTO used VALUES (?)", [("x" * 500,)] * 500)
    for end in ("", "-journal"):  # what a kill at this moment leaves
        copied = Path(f"{own}{end}")
        copied.write_bytes(Path(f"{other}{end}").read_bytes())
        copied.chmod(0o600)
    database.execute("ROLLBACK")
    database.close()
    told = section(workshop, "QUOTA", "spin", write(workshop, "[quota.spin]\ncalls_per_day = 5\n"))

    assert "at most 5" in told[1]
    assert told[2:] == [
        "what it used is known again after its next call: a server was killed as it counted"
    ]


def test_a_source_is_told_with_what_it_stops(workshop: Workshop) -> None:
    """Issue: in which rules a tool is a source, and what then happens."""
    file = write(workshop, '[[flow]]\nfrom = ["workspace"]\nto = ["network"]\nthen = "ask"\n')
    source = (
        "  a source: after a call of it that reached the workspace, calls that could send requests"
        " are asked about in the rest of the session"
    )
    assert section(workshop, "FLOW RULES", "peek", file) == [
        f"flow[0] of {file}: from workspace to network: ask",
        source,
        "asked about: a person says yes or no; where nobody can be asked, the call is denied",
        "each call counts for what its arguments leave of what the tool may",
    ]
    assert workshop.run_json("explain", "peek", "--policy", file)["flows"] == [
        {
            "key": "flow[0]",
            "from": file,
            "named": False,
            "sources": ["workspace"],
            "sinks": [],
            "at_once": False,
            "then": "ask",
        }
    ]


def test_a_tool_that_no_rule_means_is_told_so(workshop: Workshop) -> None:
    """Ours, beside the one above; that there is no rule at all is another thing."""
    file = write(workshop, '[[flow]]\nfrom = ["workspace"]\nto = ["network"]\nthen = "ask"\n')
    assert section(workshop, "FLOW RULES", "spin", file) == ["none means this tool"]
    assert workshop.run_json("explain", "spin", "--policy", file)["flows"] == []
    assert section(workshop, "FLOW RULES", "peek", write(workshop, "")) == ["none is written"]


def test_a_source_by_its_name_is_told_whatever_it_could_read(workshop: Workshop) -> None:
    """Issue: `{ tool = "NAME" }` is whatever that tool could."""
    file = write(workshop, '[[flow]]\nfrom = [{ tool = "spin" }]\nthen = "deny"\n')
    named, other = (
        workshop.run_json("explain", tool, "--policy", file)["flows"] for tool in ("spin", "peek")
    )
    assert [(each["named"], each["sources"]) for each in named] == [(True, [])]
    assert other == []
    assert section(workshop, "FLOW RULES", "spin", file)[1] == (
        "  a source, which the rule names: after any call of it, calls that could send requests"
        " or write outside of the workspace are denied in the rest of the session"
    )


def test_a_tool_that_is_both_is_told_to_be_stopped_at_once_and_is(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: a call that is source and sink at once is stopped from the first."""
    rule = '[[flow]]\nfrom = ["environment"]\nto = ["outside"]\nthen = "deny"\n'
    file = with_docs(workshop, monkeypatch, rule)
    call = workshop.run("call", "spills", "--policy", file)
    sink = (
        "  a sink: its calls that could write outside of the workspace are denied after a source,"
        " itself among them"
    )

    assert section(workshop, "FLOW RULES", "spills", file)[2:4] == [
        sink,
        "  both in one call: such a call is denied even if nothing ran before it",
    ]
    assert call.exit_code != 0
    assert f"flow[0] of {file} denies that" in call.stderr


def test_a_tool_that_is_only_a_sink_is_told_as_one_and_runs_first(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue, the pair: to write outside includes reading there, which stops no such call."""
    file = with_docs(workshop, monkeypatch, '[[flow]]\nfrom = ["outside"]\nthen = "deny"\n')
    (told,) = workshop.run_json("explain", "spills", "--policy", file)["flows"]

    assert (told["sources"], told["sinks"]) == (["outside"], ["outside"])
    assert told["at_once"] is False
    assert workshop.run("call", "spills", "--policy", file).exit_code == 0


def test_a_process_for_several_calls_is_told_to_count_for_all(workshop: Workshop) -> None:
    """Issue: with `calls_per_cell` above 1 it is the tool's whole grant, for so is the wall."""
    rule = '[[flow]]\nfrom = ["workspace"]\nthen = "deny"\n'
    file = write(workshop, f"[cells.peek]\ncalls_per_cell = 9\n{rule}")
    assert section(workshop, "FLOW RULES", "peek", file)[-1] == (
        "its process serves several calls, so each counts for all that the tool may"
    )
