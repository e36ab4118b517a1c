"""A person is asked where the operator's file says so, through a real client of either era."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import anyio
import mcp_types as wire
import pytest
from mcp import Client, MCPError

from protocol.consents import (
    ANSWERS,
    CLOSED,
    LEVELS,
    WORDS,
    YES,
    Person,
    connect,
    consent_of,
    decide,
    decide_all,
    make_grounds,
    ran,
    text_of,
)
from served import WORKSPACE, Site

pytestmark = pytest.mark.anyio
ERAS = {"legacy": "elicitation", "2026-07-28": "input-required"}
both_eras = pytest.mark.parametrize("era", ERAS)


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site with a tool of each level."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    return make_grounds(tmp_path)


async def names(client: Client) -> set[str]:
    """Return which of our tools a client is offered."""
    return {tool.name for tool in (await client.list_tools()).tools} & set(LEVELS)


@both_eras
async def test_what_is_allowed_runs_unasked_at_each_level(site: Site, era: str) -> None:
    """Issue: level by decision by channel by answer: allow."""
    decide_all(site, "allow")
    person = Person()
    with anyio.fail_after(60):
        async with connect(site, era, person) as client:
            listed = (await client.list_tools()).tools
            results = [await client.call_tool(level, WORDS) for level in LEVELS]

    assert all(map(ran, results))
    assert (person.questions, [consent_of(result) for result in results]) == ([], [""] * 5)
    ours = [tool for tool in listed if tool.name in LEVELS]
    assert not [t for t in ours if "anthropic/requiresUserInteraction" in (t.meta or {})]


@both_eras
async def test_what_is_denied_is_not_listed_and_cannot_be_called(site: Site, era: str) -> None:
    """Issue: a tool under deny is not listed; `--allow` lifts nothing."""
    decide_all(site, "deny")
    person = Person("always")
    with anyio.fail_after(60):
        async with connect(site, era, person, "--allow", "dangerous") as client:
            offered = await names(client)
            for level in LEVELS:
                with pytest.raises(MCPError):
                    await client.call_tool(level, WORDS)

    assert (offered, person.questions) == (set(), [])


@both_eras
async def test_what_is_asked_about_runs_only_after_a_yes(site: Site, era: str) -> None:
    """Issue: level by ask by each era by each answer; a cancel and a made-up answer are no yes."""
    decide_all(site, "ask")
    person = Person()
    found: dict[str, dict[str, object]] = {}
    with anyio.fail_after(90):
        async with connect(site, era, person, "--allow", "dangerous") as client:
            listed = (await client.list_tools()).tools
            for level in LEVELS:
                person.questions.clear()
                found[level] = {}
                for answer in ("no", CLOSED, "perhaps", "once", "session", "always"):
                    person.answer = answer
                    result = await client.call_tool(level, WORDS)
                    said = (ran(result), consent_of(result), len(person.questions))
                    found[level][answer] = said

    asked = {t.name for t in listed if "anthropic/requiresUserInteraction" in (t.meta or {})}
    assert set(LEVELS) <= asked
    channel = ERAS[era]
    expected = {
        "no": (False, f"no ({channel})", 1),
        CLOSED: (False, f"no answer ({channel})", 2),
        "perhaps": (False, f"no answer ({channel})", 3),
        "once": (True, f"once ({channel})", 4),
        "session": (True, f"session ({channel})", 5),
        "always": (True, "yes (given for this session)", 5),
    }
    assert found == dict.fromkeys(LEVELS, expected)


@both_eras
async def test_client_that_cannot_ask_is_told_the_command_that_allows_it(
    site: Site, era: str
) -> None:
    """Issue: no channel → Denial with the exact command that would allow it; and it does."""
    decide_all(site, "ask")
    with anyio.fail_after(60):
        async with connect(site, era, None) as client:
            results = [await client.call_tool(level, WORDS) for level in LEVELS]
            assert not any(map(ran, results))
            command = re.search(r"`preopen (decide execute [^`]+)`", text_of(results[3]))
            assert command is not None
            script = f'exec "$0" -m preopen.cli.main {command[1]}'
            done = subprocess.run(  # noqa: ASYNC221 - nothing else runs here meanwhile
                ["/bin/sh", "-c", script, sys.executable],
                env=site.env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            allowed = await client.call_tool("execute", WORDS)
            other = await client.call_tool("write", WORDS)

    assert (ran(allowed), consent_of(allowed)) == (True, "yes (decisions.toml)")
    assert not ran(other)


@both_eras
async def test_always_outlives_the_server_and_ends_with_the_tool_that_it_was_said_of(
    site: Site, era: str
) -> None:
    """Issue: "always" goes to decisions.toml and stops counting when the tool changes."""
    decide_all(site, "ask")
    person = Person("always")
    asked = []
    with anyio.fail_after(90):
        for change in ("", "", "description"):
            if change:
                file = site.tools / "execute.toml"
                file.write_text(file.read_text().replace("Tries what", "Does what"))
            async with connect(site, era, person) as client:
                assert ran(await client.call_tool("execute", WORDS))
            asked.append(len(person.questions))

    assert asked == [1, 1, 2]
    kept = tomllib.loads((site.top / "config/preopen/decisions.toml").read_text())["always"]
    assert [(each["tool"], each["granted"]) for each in kept] == [
        ("execute", ["run code from the arguments, inside the sandbox"])
    ]


async def test_damaged_decisions_count_for_nothing_and_the_person_is_asked(site: Site) -> None:
    """Fail closed: an unreadable file is no yes, and is said."""
    decide_all(site, "ask")
    person = Person("always")
    file = site.top / "config/preopen/decisions.toml"
    file.write_text("decisions = 1\n[[always]]\ntool = 'execute'\n")
    file.chmod(0o600)
    with anyio.fail_after(60):
        async with connect(site, "legacy", person) as client:
            result = await client.call_tool("execute", WORDS)

    assert (ran(result), len(person.questions)) == (True, 1)
    assert f"{file}: is damaged" in text_of(result)
    assert "tool = 'execute'" in file.read_text()


async def test_question_names_what_this_call_would_touch_and_hides_nothing(site: Site) -> None:
    """Issue: narrowed mounts, limits, the arguments, shortened and free of control characters."""
    narrow = f'{WORKSPACE.replace(chr(34) + "read", chr(34) + "write")}narrow_to = "words"\n'
    site.add("write", level="write", more=narrow)
    decide_all(site, "ask")
    person = Person("no")
    forged = "sub/\x1b[2J\u202enew\nYou are asked because all is well."
    with anyio.fail_after(60):
        async with connect(site, "legacy", person) as client:
            await client.call_tool("write", {"words": ["sub/c.txt"]})
            await client.call_tool("write", {"words": [forged]})
            await client.call_tool("none", {"words": [forged, "x" * 5000]})

    plain, odd, long = (each.message for each in person.questions)
    assert f"write {site.work}/sub" in plain
    assert f"write {site.work}\n" not in plain
    for message in (odd, long):
        assert "\x1b" not in message
        assert "\u202e" not in message
        assert "\nYou are asked because all is well" not in message
    assert "more characters" in long
    assert len(long) < 4000
    assert "nothing but compute on its arguments" in long
    assert "memory 64MiB" in plain


async def test_writing_in_a_named_folder_is_asked_about_and_in_the_workspace_is_not(
    site: Site,
) -> None:
    """Issue, the defaults: allow up to write in the workspace, ask in a named folder."""
    docs = site.top / "docs"
    docs.mkdir()
    decide(site, f'[folders]\ndocs = {{ path = "{docs}", access = "write" }}\n')
    more = WORKSPACE.replace('"read"', '"write"')
    both = f'{more}narrow_to = "words"\n{more.replace("workspace", "folders")}narrow_to = "words"\n'
    site.add("write", level="write", more=both)
    person = Person("session")
    with anyio.fail_after(60):
        async with connect(site, "legacy", person) as client:
            (tool,) = [t for t in (await client.list_tools()).tools if t.name == "write"]
            inside = await client.call_tool("write", {"words": ["a.txt"]})
            asked_inside = len(person.questions)
            outside = await client.call_tool("write", {"words": [f"{docs}/new.txt"]})
            again = await client.call_tool("write", {"words": [f"{docs}/other.txt"]})

    assert (tool.meta or {})["anthropic/requiresUserInteraction"] is True
    assert [consent_of(each) for each in (inside, outside, again)] == [
        "",
        "session (elicitation)",
        "yes (given for this session)",
    ]
    assert asked_inside == 0
    assert f"it writes in {docs}, outside of the workspace" in person.questions[0].message


async def ask_by_hand(client: Client, name: str, words: list[str]) -> wire.InputRequiredResult:
    """Make the first of two requests of the newer era."""
    result = await client.session.call_tool(name, {"words": words}, allow_input_required=True)
    assert isinstance(result, wire.InputRequiredResult)
    return result


async def answer_by_hand(
    client: Client, name: str, words: list[str], state: str | None
) -> wire.CallToolResult:
    """Make the second request: a yes, with whatever state."""
    yes = wire.ElicitResult(action="accept", content={"answer": "once"})
    return await client.session.call_tool(
        name, {"words": words}, input_responses={"consent": yes}, request_state=state
    )


async def test_sealed_state_counts_once_for_its_own_call_and_nothing_else_does(site: Site) -> None:
    """Issue: a forged request state, a replayed consent, a consent for other arguments."""
    decide_all(site, "ask")
    run = ["args", "it", "ran"]
    with anyio.fail_after(60):
        async with connect(site, "2026-07-28", Person()) as client:
            state = (await ask_by_hand(client, "execute", run)).request_state
            assert state is not None
            flipped = state[:-4] + ("AAAA" if state[-4:] != "AAAA" else "BBBB")
            for name, words, sent in (
                ("execute", run, flipped),
                ("execute", run, "made up"),
                ("execute", [*run, "more"], state),
                ("write", run, state),
            ):
                with pytest.raises(MCPError, match="make the call again without requestState"):
                    await answer_by_hand(client, name, words, sent)
            first = await answer_by_hand(client, "execute", run, state)
            second = await answer_by_hand(client, "execute", run, state)
            bare = await client.session.call_tool(
                "execute",
                {"words": run},
                input_responses={
                    "consent": wire.ElicitResult(action="accept", content={"answer": "once"})
                },
                allow_input_required=True,
            )

    assert (ran(first), ran(second)) == (True, False)
    assert "used already" in text_of(second)
    assert "make the call again without it" in text_of(second)
    assert isinstance(bare, wire.InputRequiredResult)  # an answer to no question asks anew


async def test_state_of_one_server_is_nothing_to_another(site: Site) -> None:
    """Issue: sealed under a key that only this process has."""
    decide_all(site, "ask")
    run = ["args", "it", "ran"]
    with anyio.fail_after(60):
        async with connect(site, "2026-07-28", Person()) as client:
            state = (await ask_by_hand(client, "execute", run)).request_state
        async with connect(site, "2026-07-28", Person()) as client:
            with pytest.raises(MCPError, match="not from this server"):
                await answer_by_hand(client, "execute", run, state)


def test_table_holds_every_answer_that_a_question_offers() -> None:
    """Ours: so that a new word cannot be forgotten above."""
    assert set(ANSWERS) == YES | {"no", CLOSED, "perhaps"}
    assert len(list(itertools.product(LEVELS, ERAS, ANSWERS))) == 60
