"""A tool that nobody approved: not listed, not called, and every verb says the way out."""

import json
from dataclasses import replace

import anyio
import pytest
from mcp import Client, MCPError

from cli.workshop import Workshop
from preopen.cli import serve
from served import Site, make_site

WAY_OUT = "preopen approve peek"


@pytest.fixture
def closed(workshop: Workshop) -> Workshop:
    """Return the workshop as one in which no run approves anything."""
    return replace(workshop, approves=False)


def test_list_names_it_and_what_to_do(closed: Workshop) -> None:
    """Issue: `list` shows quarantined tools, and offers none of them."""
    said = closed.run("list").stdout
    above, _, below = said.partition("Not offered:")

    assert "peek" not in above
    assert f"{closed.tools}/peek.toml: quarantined: it is new" in below
    assert WAY_OUT in below


def test_json_of_a_list_says_what_it_waits_for(closed: Workshop) -> None:
    """Ours: new or changed, and the changes in words."""
    listed = closed.run_json("list")
    (peek,) = [each for each in listed["quarantined"] if each["name"] == "peek"]

    assert peek["what"] == "new"
    assert '+ read ${workspace} (only what "path" names)' in peek["changes"]


@pytest.mark.parametrize("verb", [("call", "peek", "path=a.txt"), ("explain", "peek")])
def test_call_and_explain_exit_with_3_and_the_way_out(
    closed: Workshop, verb: tuple[str, ...]
) -> None:
    """Issue: `call` and `explain` of it exit with 3."""
    result = closed.run(*verb)

    assert result.exit_code == 3
    assert WAY_OUT in result.output
    assert "this is a" not in result.output


@pytest.mark.parametrize("verb", [("call", "peek", "path=a.txt"), ("explain", "peek")])
def test_call_and_explain_work_once_it_is_approved(closed: Workshop, verb: tuple[str, ...]) -> None:
    """Issue: the other side: approved, it is a tool like any."""
    closed.run("approve", "peek")

    assert closed.run(*verb).exit_code == 0


def test_check_finds_no_fault_in_it_and_says_that_it_waits(closed: Workshop) -> None:
    """Issue: `check` shows it; an author checks before anybody approves."""
    file = str(closed.tools / "peek.toml")
    result = closed.run("check", file)
    told = closed.run_json("check", file)

    assert result.exit_code == 0
    assert f"ok  {file}" in result.stdout
    assert WAY_OUT in result.stderr
    assert [each["place"] for each in told["quarantined"]] == [file]
    closed.run("approve", "peek")
    assert closed.run_json("check", file)["quarantined"] == []


def test_refused_tool_is_refused_and_not_quarantined(closed: Workshop) -> None:
    """Issue: its faults come first."""
    listed = closed.run_json("list")

    assert "runs" in {each["name"] for each in listed["refused"]}
    assert "runs" not in {each["name"] for each in listed["quarantined"]}


def test_doctor_names_what_waits(closed: Workshop) -> None:
    """Ours: who asks the doctor why a tool is missing finds it there."""
    told = json.loads(closed.spawn("doctor", "--json").stdout)["checks"]
    (line,) = [each for each in told if each["name"] == "quarantined tools"]

    assert line["state"] == "warn"
    assert "peek" in line["found"]
    assert "preopen approve" in line["way_out"]


def test_doctor_names_a_damaged_lock_and_goes_on(closed: Workshop) -> None:
    """Ours: one more fault, not the end."""
    closed.run("approve", "peek")
    lock = closed.workspace.parent / "config/preopen/preopen.lock"
    lock.write_text("lock = 2\n")
    done = closed.spawn("doctor", "--json")
    told = {each["name"]: each for each in json.loads(done.stdout)["checks"]}

    assert done.returncode == 1
    assert str(lock) in told["approvals"]["found"]
    assert told["client"]["state"] == "ok"


def test_entry_for_a_client_does_not_hold_the_flag_of_one_run(workshop: Workshop) -> None:
    """Issue: `--approve-all` is a person's word for the run before their eyes."""
    result = workshop.run("serve", "--entries")

    assert "approve_all" in {each.name for each in serve.command.params}
    assert "--approve-all" not in result.stdout
    assert "preopen approve --all" in result.stderr


@pytest.fixture
def site(
    tmp_path_factory: pytest.TempPathFactory,
    cache_folder: object,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    """Make a site with one tool, which no run approves."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = replace(make_site(tmp_path_factory.mktemp("site")), approves=False)
    site.add("mine")
    return site


@pytest.mark.anyio
@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_client_is_not_offered_it_and_is_told_what_the_operator_does(
    site: Site, era: str
) -> None:
    """Issue: not listed, not callable; the error says `preopen diff` and `preopen approve`."""
    with anyio.fail_after(40):
        async with Client(site.parameters(), mode=era) as client:
            listed = {tool.name for tool in (await client.list_tools()).tools}
            with pytest.raises(MCPError, match="quarantined") as refused:
                await client.call_tool("mine", {"words": ["read", "a.txt"]})

    assert "read" in listed
    assert "mine" not in listed
    assert "preopen diff mine" in str(refused.value)
    assert "preopen approve mine" in str(refused.value)


@pytest.mark.anyio
@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_client_calls_it_once_it_is_approved(site: Site, era: str) -> None:
    """Issue: the other side."""
    with anyio.fail_after(50):
        await anyio.run_process(site.command("approve", "mine"), env=site.env)
        async with Client(site.parameters(), mode=era) as client:
            answer = await client.call_tool("mine", {"words": ["read", "a.txt"]})

    assert "this is a" in str(answer)


def test_server_says_each_in_one_line_at_its_start(closed: Workshop) -> None:
    """Issue: one line on stderr, whatever the manifest holds."""
    closed.run("approve", "peek")
    file = closed.tools / "peek.toml"
    file.write_text(file.read_text().replace("For a test.", "One\\npreopen: two"))
    lines = closed.spawn("serve", "--stdio", "--allow", "write").stderr.splitlines()

    (line,) = [each for each in lines if "peek" in each]

    assert line.startswith(f"preopen: peek is not offered: {file}: quarantined: it changed since")
    assert "(tool.description); look at it with `preopen diff peek`" in line
    assert WAY_OUT in line
    assert "preopen: two" not in lines
    assert "1 refused, 6 quarantined" in lines[0]
