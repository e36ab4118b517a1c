"""`preopen learn` with real cells: what it saw, what it proposes, and that it does what it says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from anyio.from_thread import start_blocking_portal

from cli.workshop import Workshop
from lab import COURIER, KINDS, PROBES
from preopen.tool.parsing import parse_manifest
from web import Web, serving

READS = """
[run]
args = ["read", "{path}"]
[input]
required = ["path"]
properties.path = { type = "string" }
"""
ASKS = """
[run]
args = ["{verb}", "{url}", "{more}"]
[input]
properties.verb = { type = "string" }
properties.url = { type = "array", items = { type = "string" } }
properties.more = { type = "string" }
"""


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """Serve on loopback, in a thread: the shell has a loop of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving()) as web:
        yield web


def learn(workshop: Workshop, *words: str) -> Any:  # noqa: ANN401 - what the verb says
    """Return what `preopen learn --json` says."""
    return workshop.run_json("learn", *words)


def values(said: Any) -> dict[str, Any]:  # noqa: ANN401 - what the verb says
    """Return each change by its place: the value that is set, the table that is added, or None."""
    return {
        change["place"]: change.get("value", change.get("values")) for change in said["changes"]
    }


def adopt(workshop: Workshop, name: str, said: Any) -> None:  # noqa: ANN401 - what the verb says
    """Put the printed manifest in the present one's place; it must load by itself."""
    file = workshop.tools / f"{name}.toml"
    assert parse_manifest(said["smallest"], str(file)).name == name
    file.write_text(said["smallest"])


def answer(workshop: Workshop, *words: str) -> tuple[int, str]:
    """Return how a call ends, and what it prints."""
    result = workshop.run("call", *words)
    return result.exit_code, result.stdout


def settles(workshop: Workshop, name: str, *words: str) -> None:
    """Learn, adopt, and check that the same call answers as before and nothing is left to say."""
    before = answer(workshop, name, *words)
    adopt(workshop, name, learn(workshop, name, *words))
    assert before == answer(workshop, name, *words)
    assert [] == learn(workshop, name, *words)["changes"]


def test_a_tool_that_uses_all_of_its_grants_has_nothing_to_change(workshop: Workshop) -> None:
    """Issue: nothing denied and all used is said in three words, with exit code 0."""
    result = workshop.run("learn", "read", "path=a.txt")

    assert result.exit_code == 0
    assert "nothing to change" in result.stdout
    assert "---" not in result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_grant_that_nothing_wrote_by_becomes_one_to_read(
    workshop: Workshop, kind: str
) -> None:
    """Issue: read instead of write; the level falls with it. For both kinds of binary."""
    rest = READS + '[[directory]]\nhost = "${workspace}"\naccess = "write"\nnarrow_to = "path"\n'
    workshop.add("wide", "write", rest, PROBES[kind])
    said = learn(workshop, "wide", "path=a.txt")

    assert {"directory[0].access": "read", "tool.level": "read-only"} == values(said)
    assert {"declared": "write", "derived": "write", "smallest": "read-only"} == said["level"]
    assert "same" == said["trial"]
    settles(workshop, "wide", "path=a.txt")


def test_a_write_grant_that_was_written_by_stays(workshop: Workshop) -> None:
    """Issue: only what no call used is taken away; calls that write are not run again."""
    said = learn(workshop, "scrawl", "path=new.txt")

    assert {} == values(said)
    assert ["changed", "read", "written"] == sorted(u["act"] for u in said["calls"][0]["uses"])
    assert "none" == said["trial"]


def test_an_argument_that_names_all_that_was_opened_narrows_the_grant(workshop: Workshop) -> None:
    """Issue: `narrow_to` when every opened file is what an argument names."""
    workshop.add("whole", "read-only", READS + '[[directory]]\nhost = "${workspace}"\n')
    said = learn(workshop, "whole", "path=a.txt")

    assert {"directory[0].narrow_to": "path"} == values(said)
    settles(workshop, "whole", "path=a.txt")


def test_a_file_that_no_argument_names_keeps_the_grant_whole(workshop: Workshop) -> None:
    """Issue, withheld: what the arguments do not account for is not cut away."""
    (workshop.workspace / "b.txt").write_text("b")
    rest = READS.replace('"{path}"]', '"{path}", "read", "b.txt"]')
    workshop.add("both", "read-only", rest + '[[directory]]\nhost = "${workspace}"\n')

    assert {} == values(learn(workshop, "both", "path=a.txt"))


def test_several_calls_are_learned_from_together(workshop: Workshop, tmp_path: Path) -> None:
    """Issue: `--calls FILE`, an object in each line; one that goes elsewhere is counted."""
    (workshop.workspace / "sub").mkdir()
    (workshop.workspace / "sub" / "b.txt").write_text("b")
    rest = READS.replace("{path}", "/ws/{path}")
    rest += '[[directory]]\nhost = "${workspace}"\nguest = "/ws"\n'
    workshop.add("fixed", "read-only", rest)
    calls = tmp_path / "calls.jsonl"
    calls.write_text('{"path": "sub/b.txt"}\n\n{"path": "./sub/b.txt"}\n')
    one = values(learn(workshop, "fixed", "--calls", str(calls)))
    calls.write_text('{"path": "sub/b.txt"}\n{"path": "a.txt"}\n')
    two = values(learn(workshop, "fixed", "--calls", str(calls)))

    assert {"directory[0].narrow_to": "path"} == one
    assert {"directory[0].narrow_to": "path"} == two


def fixed_reader(workshop: Workshop, path: str) -> list[str]:
    """Add a tool that reads one file by itself, and return the flags that open its folder."""
    docs = workshop.workspace.parent / "docs"
    (docs / "in").mkdir(parents=True)
    (docs / "in" / "d.txt").write_text("doc")
    (workshop.workspace / "sub").mkdir()
    (workshop.workspace / "sub" / "b.txt").write_text("b")
    rest = f'[run]\nargs = ["read", "{path}"]\n'
    rest += '[[directory]]\nhost = "${workspace}"\nguest = "/ws"\n'
    workshop.add("reader", "read-only", rest + '[[directory]]\nhost = "${docs}"\nguest = "/docs"\n')
    return ["--folder", f"docs={docs}"]


def test_a_folder_of_which_only_a_part_was_opened_becomes_that_part(workshop: Workshop) -> None:
    """Issue: a sub-folder instead of the whole; the guest finds it by the path that it knew."""
    flags = fixed_reader(workshop, "/docs/in/d.txt")
    said = learn(workshop, "reader", *flags)

    assert {
        "directory[0]": None,
        "directory[1].host": "${docs}/in",
        "directory[1].guest": "/docs/in",
    } == values(said)
    assert "same" == said["trial"]
    settles(workshop, "reader", *flags)


def test_the_first_folder_moves_where_the_program_uses_no_relative_path(workshop: Workshop) -> None:
    """Ours: relative paths start in the first folder, so it moves only once that was tried."""
    flags = fixed_reader(workshop, "/ws/sub/b.txt")
    said = learn(workshop, "reader", *flags)

    assert "${workspace}/sub" == values(said)["directory[0].host"]
    settles(workshop, "reader", *flags)


def test_the_first_folder_stays_where_a_relative_path_starts_there(workshop: Workshop) -> None:
    """Ours, withheld: under the smaller one the call answers otherwise, and that is said."""
    flags = fixed_reader(workshop, "sub/b.txt")
    said = learn(workshop, "reader", *flags)

    assert {"directory[1]": None} == values(said)
    assert ["directory[0].host", "directory[0].guest"] == [e["place"] for e in said["withheld"]]
    settles(workshop, "reader", *flags)


def test_nothing_is_taken_away_after_a_call_that_failed(workshop: Workshop) -> None:
    """Ours: what a failed call would have used is unknown."""
    rest = '[run]\nargs = ["read", "a.txt", "exit", "1"]\n'
    rest += '[[directory]]\nhost = "${workspace}"\naccess = "write"\n'
    workshop.add("fails", "write", rest)
    said = learn(workshop, "fails")

    assert {} == values(said)
    assert any("nothing is taken away" in note for note in said["notes"])


def test_a_path_outside_that_an_argument_names_is_a_guess(workshop: Workshop) -> None:
    """Issue: known only where an argument names it, and marked; with the folder it succeeds."""
    outside = workshop.workspace.parent / "my docs"
    outside.mkdir()
    (outside / "d.txt").write_text("far")
    path = f"path={outside / 'd.txt'}"
    said = learn(workshop, "peek", path)

    (change,) = said["changes"]
    assert "guess" == change["evidence"]
    assert {"host": "${my-docs}", "narrow_to": "path"} == change["values"]
    assert [f"start preopen with --folder 'my-docs={outside}'"] == said["operator"]
    adopt(workshop, "peek", said)
    assert answer(workshop, "peek", path)[0] == 3  # the manifest opens nothing by itself
    code, text = answer(workshop, "peek", path, "--folder", f"my-docs={outside}")
    assert (code, "done far" in text) == (0, True)


def test_a_path_outside_that_the_guests_error_names_is_a_guess(workshop: Workshop) -> None:
    """Issue: the guest's own error text is the other hint; what is not there is no hint."""
    secret = workshop.workspace.parent / "secret.txt"
    rest = f'[run]\nargs = ["warn", "cannot open {secret} nor /no/such/file", "exit", "1"]\n'
    workshop.add("complains", "none", rest)
    said = learn(workshop, "complains")

    guesses = [each for each in said["changes"] if each["evidence"] == "guess"]
    assert ["directory[new]", "tool.level"] == sorted(each["place"] for each in guesses)
    assert "the tool's error text names" in json.dumps(guesses)
    assert "/no/such" not in json.dumps(said["changes"])


def test_a_host_that_was_denied_becomes_a_rule(workshop: Workshop, web: Web) -> None:
    """Issue: a denied request becomes a rule, marked; the operator's line is beside it."""
    rest = ASKS + '[[egress]]\nallow = "https://elsewhere.example"\n'
    workshop.add("asks", "read-only", rest, COURIER)
    call = ["asks", "verb=get", f"url={web.origin}/page"]
    said = learn(workshop, *call)

    added = next(each for each in said["changes"] if each["place"] == "egress[new]")
    assert "denied" == added["evidence"]
    assert {"allow": web.origin, "methods": ["GET"]} == added["values"]
    (line,) = said["operator"]
    assert f"--egress-private {web.origin}" in line
    adopt(workshop, "asks", said)
    assert "HTTP-request-denied" in answer(workshop, *call)[1]  # by the manifest alone: no
    assert '"status":200' in answer(workshop, *call, "--egress-private", web.origin)[1]


def test_rules_become_what_was_asked_for_and_no_more(workshop: Workshop, web: Web) -> None:
    """Issue: exact origin, the methods that were used, unused rules removed."""
    rest = ASKS + '[[egress]]\nallow = "http://127.0.0.1:1..65535/"\nmethods = ["*"]\n'
    rest += '[[egress]]\nallow = "https://unused.example"\n'
    workshop.add("asks", "write", rest, COURIER)
    call = ["asks", "verb=get", f"url={web.origin}/page", "--egress-private", web.origin]
    said = learn(workshop, *call)

    assert {
        "tool.level": "read-only",
        "egress[0].allow": web.origin,
        "egress[0].methods": ["GET"],
        "egress[1]": None,
    } == values(said)
    settles(workshop, *call)


def test_fetch_is_told_how_the_operator_opens_a_host(workshop: Workshop, web: Web) -> None:
    """Issue: `${egress}` stands for the operator's hosts, so the manifest need not change."""
    url = f"url={web.origin}/page"
    closed = learn(workshop, "fetch", url)
    opened = learn(workshop, "fetch", url, "--egress-private", web.origin)

    assert {} == values(closed)
    assert [f"--egress-private {web.origin}"] == re.findall(
        r"--egress-private [^ ,]+", closed["operator"][0]
    )
    assert {"egress[0].methods": ["GET"]} == values(opened)
    assert any(web.origin in note and "${egress}" in note for note in opened["notes"])


def test_grep_that_looks_through_the_workspace_keeps_it(workshop: Workshop) -> None:
    """Issue: a folder that is listed is used, though no argument named it."""
    said = learn(workshop, "grep", "pattern=this")

    assert {} == values(said)
    assert "listed" in {use["act"] for use in said["calls"][0]["uses"]}


def test_calls_that_write_are_run_once(workshop: Workshop) -> None:
    """Ours: nothing is tried by calls that change something, though less would do."""
    flags = fixed_reader(workshop, "-")
    rest = '[run]\nargs = ["append", "a.txt"]\n[[directory]]\nhost = "${workspace}"\n'
    rest += 'access = "write"\n[[directory]]\nhost = "${docs}"\n'
    workshop.add("adds", "write", rest)
    said = learn(workshop, "adds", *flags)

    assert "this is a\n+" == (workshop.workspace / "a.txt").read_text()
    assert {"directory[1]": None} == values(said)
    assert "none" == said["trial"]


def test_calls_of_which_not_all_was_seen_are_run_once(workshop: Workshop) -> None:
    """Ours: nothing is made smaller, and that nothing was written cannot be told."""
    for number in range(10_001):
        (workshop.workspace / str(number)).mkdir()
    rest = '[run]\nargs = ["append", "9999/a"]\n[[directory]]\nhost = "${workspace}"\n'
    rest += 'access = "write"\n[[egress]]\nallow = "https://unused.example"\n'
    (workshop.workspace / "9999" / "a").write_text("")
    workshop.add("adds", "write", rest)
    said = learn(workshop, "adds")

    assert "+" == (workshop.workspace / "9999" / "a").read_text()
    assert {"egress[0]": None} == values(said)
    assert "none" == said["trial"]
    assert any("more than 10000 folders; no directory" in note for note in said["notes"])


def test_receipts_without_room_are_no_proof_that_nothing_was_sent(
    workshop: Workshop, web: Web
) -> None:
    """Ours: what a full receipt leaves out may be any request; such calls are run once."""
    flags = fixed_reader(workshop, "-")
    rest = ASKS + f'[[egress]]\nallow = "{web.origin}"\n[[directory]]\nhost = "${{docs}}"\n'
    workshop.add("asks", "read-only", rest + '[[directory]]\nhost = "${workspace}"\n', COURIER)
    urls = [f"url={web.origin}/many" for _ in range(210)]
    said = learn(workshop, "asks", "verb=get", *urls, "--egress-private", web.origin, *flags)

    assert "directory[1]" in values(said)
    assert (210, "none") == (web.targets.count("/many"), said["trial"])
    assert any("had no room in the receipts" in note for note in said["notes"])


@pytest.mark.parametrize(("verb", "times", "trial"), [("get", 2, "same"), ("post", 1, "none")])
def test_calls_are_sent_again_only_where_that_is_safe(
    workshop: Workshop, web: Web, verb: str, times: int, trial: str
) -> None:
    """RFC 9110, 9.2.1: GET asks; a POST may be an order, and two are two."""
    methods = f'methods = ["{verb.upper()}"]\n'
    rest = ASKS + f'[[egress]]\nallow = "{web.origin}"\n{methods}'
    rest += f'[[egress]]\nallow = "https://unused.example"\n{methods}'
    workshop.add("asks", "write", rest, COURIER)
    words = [f"verb={verb}", f"url={web.origin}/{verb}/again", "--egress-private", web.origin]
    said = learn(workshop, "asks", *words, *(["more=5"] if verb == "post" else []))

    assert None is values(said)["egress[1]"]
    assert (times, trial) == (web.targets.count(f"/{verb}/again"), said["trial"])


def test_nothing_is_tried_that_would_reach_more_than_before(workshop: Workshop, web: Web) -> None:
    """Issue: it grants nothing by itself, though the operator has opened the host."""
    rest = ASKS + '[[egress]]\nallow = "https://unused.example"\n'
    workshop.add("asks", "read-only", rest, COURIER)
    words = ["verb=get", f"url={web.origin}/never", "--egress-private", web.origin]
    said = learn(workshop, "asks", *words)

    assert {"egress[0]", "egress[new]"} == values(said).keys()
    assert not said["calls"][0]["failed"]
    assert "none" == said["trial"]
    assert 0 == web.targets.count("/never")


def test_the_servers_own_reading_is_not_taken_for_the_tools(workshop: Workshop) -> None:
    """Ours: a binary that lies in the workspace is read to be compiled, by preopen."""
    binary = workshop.workspace / "idle.wasm"
    text = '(module (memory (export "memory") 1) (func (export "_start")))'
    binary.write_bytes(bytes(wasmtime.wat2wasm(text)))
    workshop.add("idle", "read-only", '[[directory]]\nhost = "${workspace}"\n', binary)
    said = learn(workshop, "idle")

    assert [] == said["calls"][0]["uses"]
    assert {"directory[0]": None, "tool.level": "none"} == values(said)


def test_limits_are_advice_and_no_change(workshop: Workshop) -> None:
    """Issue: a value only where the present one is ample or was hit, marked as advice."""
    ample = learn(workshop, "peek", "path=a.txt")
    hit = learn(workshop, "spin")

    assert any(line.startswith("limits.memory: at most") for line in ample["advice"])
    assert ['limits.wall_time: a call reached it; try wall_time = "600ms"'] == hit["advice"]
    assert {} == values(ample) | values(hit)


def test_variables_are_said_to_be_unseen(workshop: Workshop) -> None:
    """Issue: environment variables cannot be observed."""
    rest = '[run]\nargs = ["env", "TZ"]\n[environment]\nTZ = "UTC"\n'
    workshop.add("zone", "none", rest)
    said = learn(workshop, "zone")

    assert {} == values(said)
    assert any("[environment]" in note for note in said["notes"])


def test_the_manifest_itself_is_left_as_it_is(workshop: Workshop) -> None:
    """Issue: it grants nothing by itself, and there is no flag that writes."""
    rest = READS + '[[directory]] # mine\nhost = "${workspace}"\naccess = "write"\n'
    file = workshop.add("wide", "write", rest)
    before = file.read_text()
    result = workshop.run("learn", "wide", "path=a.txt")

    assert before == file.read_text()
    assert "[[directory]] # mine" in result.stdout  # comments stay
    assert '-access = "write"\n+access = "read"\n' in result.stdout


def test_what_a_tool_says_reaches_no_terminal_unescaped(workshop: Workshop) -> None:
    """Ours: guest text is untrusted."""
    rest = '[run]\nargs = ["warn", "{text}", "exit", "1"]\n[input]\n'
    workshop.add("shouts", "none", rest + 'properties.text = { type = "string" }\n')
    result = workshop.run("learn", "shouts", "text=\x1b[2Jboo")

    assert "boo" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_refused_tool_is_exit_code_3_as_for_a_call(workshop: Workshop) -> None:
    """Issue: exit 3 as `call`."""
    result = workshop.run("learn", "runs")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "--allow execute" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["path=a.txt", "--args", "{}"], "given twice"),
        (["--args", '{"path": 1}'], "path"),
        (["--calls", "/nowhere/calls"], "/nowhere/calls"),
        (["--calls", "-"], "0 calls"),
    ],
)
def test_arguments_that_do_not_fit_are_a_usage_error(
    workshop: Workshop, words: list[str], said: str
) -> None:
    """Ours: exit code 2 before anything runs."""
    result = workshop.run("learn", "peek", *words, stdin="\n")

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"path": "a.txt"}\n[1]', "line 2 is no JSON object"),
        ('{"path": "a.txt"}\n{', "line 2:"),
        ('{"path": "a.txt"}\n{"paht": 1}', "call 2:"),
        ("{}\n" * 1001, "1001 calls"),
    ],
)
def test_a_line_of_calls_that_does_not_fit_is_named(
    workshop: Workshop, text: str, said: str
) -> None:
    """Ours: a message names the place, and no call of the file has run."""
    result = workshop.run("learn", "peek", "--calls", "-", stdin=text)

    assert result.exit_code == 2
    assert said in result.stderr
