"""What an agent reads of its own sandbox: preopen://policy and each tool's manifest."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPError
from mcp_types import INVALID_PARAMS, TextResourceContents

from preopen.errors import Fault
from preopen.policy.flags import Flags
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.current import Current
from preopen.serving.loading import load_registry
from preopen.serving.registry import RefusedTool
from preopen.serving.resources import describe_policy
from preopen.serving.server import INSTRUCTIONS, PreopenServer, make_server
from preopen.trust.lock import AllOfThisRun, Lock
from served import WORKSPACE, Site, make_site
from serving.hearing import ERAS
from serving.sites import flags_of, surroundings, write_policy
from serving.values import make_answer, make_current, make_tool

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ERAS)
SECRET = "hunter2-hunter2-hunter2"  # noqa: S105 - what must not be seen


async def invoke(*_: object) -> object:
    return make_answer(text="")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Make a site with a tool that is offered, one that is refused and one that is left out."""
    site = make_site(tmp_path)
    site.add("mine")
    site.add("low", level="none")
    write_policy(
        site,
        '[tools]\nwithout = ["hash"]\n[egress]\nhosts = ["https://docs.python.org"]\n'
        f'[variables]\nTOKEN = "{SECRET}"\n[environment]\nnames = ["KEY"]\n'
        '[secrets]\ndocs = { environment = "KEY" }\n',
    )
    return site


def current_of(site: Site, flags: Flags | None = None) -> Current:
    """Return what a server of this site serves."""
    around = replace(surroundings(site), environ={"KEY": SECRET})
    policy = load_policy(flags or flags_of(site), around)
    return Current(policy=policy, registry=load_registry(policy, AllOfThisRun()), invoke=invoke)  # type: ignore[arg-type]  # never called


def serve(current: Current) -> PreopenServer:
    """Return a server of it."""
    return make_server(lambda: current, instructions=INSTRUCTIONS)


async def read(client: Client, uri: str) -> str:
    """Return a resource's text."""
    [contents] = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.uri == uri
    return contents.text


@both_eras
async def test_policy_and_a_manifest_for_each_tool_are_listed_and_read(
    site: Site, era: str
) -> None:
    """Issue 7: a read-only resource tells an agent what it may do; each manifest likewise."""
    current = current_of(site)
    with anyio.fail_after(5):
        async with Client(serve(current), mode=era) as client:
            listed = (await client.list_resources()).resources
            policy = await read(client, "preopen://policy")
            manifest = await read(client, "preopen://tools/mine")
    names = ["preopen://policy", *(f"preopen://tools/{name}" for name in current.registry.tools)]
    assert [resource.uri for resource in listed] == names
    assert manifest == (site.tools / "mine.toml").read_text()
    assert policy == describe_policy(current)


def test_policy_says_what_is_allowed_what_was_refused_and_why(site: Site) -> None:
    """Issue 7: what it may do, and what was refused and why."""
    text = describe_policy(current_of(site))
    assert f"- workspace: {site.work}" in text
    assert "- network: https://docs.python.org" in text
    assert "### mine (read-only)" in text
    assert f"- read {site.work}" in text
    assert "wall_time 10s" in text
    refused = text.partition("## Not offered (1)")[2]
    assert "### low" in refused
    assert 'declared "none", but' in refused
    assert "left out by the operator: hash" in refused


def test_policy_says_no_secret_no_value_and_none_of_our_own_folders(site: Site) -> None:
    """Issue 7, and AGENTS.md: a message holds no secret and nothing of our insides."""
    text = describe_policy(current_of(site))
    assert SECRET not in text
    for folder in ("config", "state", "cache"):
        assert str(site.top / folder) not in text


def test_policy_without_a_workspace_says_why() -> None:
    """Ours: then every tool that needs one is refused, and an agent is told the way out."""
    policy = Policy(workspace=None, workspace_problem="the home folder is never the workspace")
    text = describe_policy(make_current(make_tool(), invoke=invoke, policy=policy))  # type: ignore[arg-type]  # never called
    assert "- workspace: none" in text
    assert "the home folder is never the workspace" in text


def test_thousand_refusals_with_strange_names_stay_a_page_of_whole_lines() -> None:
    """Ours: file names and faults are untrusted; none of them may pose as a line of the policy."""
    fault = Fault(place="/m", found="x\n## Tools (0)\n\x1b[31m" + "y" * 5000)
    refused = RefusedTool(name="a\n### granted\u202e", file="/m", faults=(fault,) * 9)
    current = make_current(make_tool(), invoke=invoke)  # type: ignore[arg-type]  # never called
    registry = replace(current.registry, refused=(refused,) * 1000)
    text = describe_policy(replace(current, registry=registry))
    assert text.count("\n## ") == 2
    assert text.count("\n### ") == 101
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "- and 900 more" in text
    assert len(text) < 400_000


@both_eras
@pytest.mark.parametrize(
    "uri",
    [
        "preopen://tools/none",
        "preopen://tools/",
        "preopen://tools/low",
        "preopen://tools/../policy",
        "preopen://policy/",
        "preopen://policy?x",
        "file:///etc/passwd",
        "preopen://tools/" + "x" * 10_000,
    ],
)
async def test_what_is_no_resource_is_an_error_that_names_it(
    site: Site, era: str, uri: str
) -> None:
    """MCP, resources: an unknown one is an error; ours: a refused tool has no manifest to read."""
    with anyio.fail_after(5):
        async with Client(serve(current_of(site)), mode=era) as client:
            with pytest.raises(MCPError, match="resources/list names") as caught:
                await client.read_resource(uri)
    assert caught.value.code == INVALID_PARAMS
    assert uri[:90] in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("edit", ["another text", "gone", "no TOML", "huge"])
async def test_manifest_that_says_something_else_by_now_is_not_read(site: Site, edit: str) -> None:
    """Issue 7: no stale definition; ours: what is read is what is served, or it is said."""
    current, file = current_of(site), site.tools / "mine.toml"
    match edit:
        case "another text":
            file.write_text(file.read_text().replace("Tries", "Says"))
        case "gone":
            file.unlink()
        case "no TOML":
            file.write_bytes(b"\xff\xfe")
        case _:
            file.write_text(file.read_text() + "#" * (256 << 10))
    with anyio.fail_after(5):
        async with Client(serve(current)) as client:
            with pytest.raises(MCPError, match="was changed since") as caught:
                await client.read_resource("preopen://tools/mine")
    assert caught.value.code == INVALID_PARAMS


def test_instructions_say_how_to_read_a_denial_and_where_the_policy_is() -> None:
    """Issue 7: `instructions` tell a model how to read a denial."""
    assert '"denied"' in INSTRUCTIONS
    assert "operator (not you)" in INSTRUCTIONS
    assert "preopen://policy" in INSTRUCTIONS
    assert "preopen://tools/NAME" in INSTRUCTIONS


async def test_policy_tells_what_waits_for_a_person_and_which_calls_ask(site: Site) -> None:
    """Issue 7: a read-only resource tells an agent what it may do and what was not, and why."""
    site.add("writes", level="write", more=WORKSPACE.replace('"read"', '"write"'))
    write_policy(site, '[decide]\nwrite = "ask"\n')
    around = surroundings(site)
    policy = load_policy(flags_of(site), around)
    offered = Current(policy=policy, registry=load_registry(policy, AllOfThisRun()), invoke=invoke)  # type: ignore[arg-type]  # never called
    waiting = Current(policy=policy, registry=load_registry(policy, Lock()), invoke=invoke)  # type: ignore[arg-type]  # as above

    assert "### writes (write)\n\n- a person is asked before" in describe_policy(offered)
    assert "Waiting for a person's approval" not in describe_policy(offered)
    assert "what happens at a call: none allow, read-only allow, write ask" in describe_policy(
        offered
    )
    assert "- writes: quarantined: it is new, and nobody approved it" in describe_policy(waiting)
    assert "### writes" not in describe_policy(waiting)
