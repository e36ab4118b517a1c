"""What a call could reach, as flow rules mean it: real manifests, granted and narrowed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from preopen.capability import Access
from preopen.outcome import JsonValue
from preopen.policy.flows import FlowSink, FlowSource
from preopen.policy.narrow import Narrowed, narrow
from preopen.policy.network import NetworkPolicy, read_private
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.secrets import FromEnvironment, Secrets
from preopen.serving.loading import load_registry
from preopen.serving.registry import Tool
from preopen.trust.guards import CallReach, reach_of, widest_reach
from preopen.trust.lock import AllOfThisRun
from promises.harness import manifest, offer, probe, table
from promises.network import Ask, tool

HOST = "http://127.0.0.1:3000"
OUTSIDE, WORKSPACE = FlowSource.OUTSIDE, FlowSource.WORKSPACE


@pytest.fixture
def policy(tree: Path) -> Policy:
    """Open the workspace `work`, `docs` beside it to write, a variable, a host and a secret."""
    docs = tree.parent / "docs"
    docs.mkdir()
    (docs / "d.txt").write_text("this is d\n")
    rules, _ = read_private([(HOST, "preopen.toml", "")])
    secrets = Secrets(
        file="preopen.toml",
        sources={"EXAMPLE": FromEnvironment(name="TOKEN")},
        environ={"TOKEN": "correct-horse-battery-staple"},
    )
    return Policy(
        workspace=str(tree),
        folders=(NamedFolder(name="docs", host_path=str(docs), access=Access.WRITE),),
        environment_names=("LANG",),
        environment={"LANG": "C"},
        network=NetworkPolicy(private=rules, secrets=secrets),
    )


@contextmanager
def narrowed(tool: Tool, policy: Policy, arguments: dict[str, JsonValue]) -> Iterator[Narrowed]:
    """Narrow what must be granted."""
    answer = narrow(tool.manifest, tool.grants, arguments, home=policy.home)
    assert isinstance(answer, Narrowed), answer
    with answer:
        yield answer


def reach(tool: Tool, policy: Policy, **arguments: JsonValue) -> CallReach:
    """Return what one call of a tool could reach."""
    with narrowed(tool, policy, arguments) as call:
        return reach_of(tool.name, call, tool.grants, policy)


def with_folders(access: str) -> str:
    """Return the manifest of a tool that may have the workspace and `docs`, by one argument."""
    rest = "".join(
        table("[directory]", host=host, access=access, narrow_to=["path"])
        for host in ("${workspace}", "${docs}")
    )
    return manifest(probe("module"), "read", "{path}", arguments="path", rest=rest)


def folder_of(policy: Policy) -> Path:
    """Return the folder in which all of a test lies."""
    return Path(policy.workspace or "/").parent


def builtin(name: str, policy: Policy) -> Tool:
    """Return a tool that comes with preopen."""
    return load_registry(policy, AllOfThisRun()).tools[name]


@pytest.mark.parametrize(
    ("path", "access", "source", "sinks"),
    [
        ("work/a.txt", "read", WORKSPACE, set[FlowSink]()),
        ("work/no.txt", "read", WORKSPACE, set[FlowSink]()),
        ("docs/d.txt", "read", OUTSIDE, set[FlowSink]()),
        ("docs/no.txt", "read", OUTSIDE, set[FlowSink]()),
        ("docs", "read", OUTSIDE, set[FlowSink]()),
        ("work/new.txt", "write", WORKSPACE, set[FlowSink]()),
        ("docs/new.txt", "write", OUTSIDE, {FlowSink.OUTSIDE}),
    ],
)
def test_a_call_reaches_where_its_path_lies_and_not_where_the_manifest_could(
    policy: Policy, path: str, access: str, source: FlowSource, sinks: set[FlowSink]
) -> None:
    """Issue: what the call could reach after narrowing."""
    text = with_folders(access)
    found = reach(offer(text, policy), policy, path=f"{folder_of(policy)}/{path}")

    assert found == CallReach(tool="probe", sources=frozenset({source}), sinks=frozenset(sinks))


@pytest.mark.parametrize("access", ["read", "write"])
@pytest.mark.parametrize("path", ["work/a.txt", "work/new.txt", "docs/d.txt", "docs"])
def test_no_call_reaches_more_than_the_widest(policy: Policy, path: str, access: str) -> None:
    """Ours: what `preopen explain` says of a tool holds for each of its calls."""
    tool = offer(with_folders(access), policy)
    widest = widest_reach(tool.name, tool.grants, policy)
    found = reach(tool, policy, path=f"{folder_of(policy)}/{path}")

    assert found.sources < widest.sources == {OUTSIDE, WORKSPACE}
    assert found.sinks <= widest.sinks
    assert widest.sinks == ({FlowSink.OUTSIDE} if access == "write" else set())


def test_without_a_path_a_call_reaches_all_that_was_granted(policy: Policy) -> None:
    """Design §5: no argument: the whole grant."""
    found = reach(builtin("grep", policy), policy, pattern="x")

    assert {OUTSIDE, WORKSPACE} <= found.sources


def test_without_a_workspace_every_folder_lies_outside(policy: Policy, tree: Path) -> None:
    """Ours: nothing is inside of what is not there."""
    nowhere = replace(policy, workspace=None)
    found = reach(builtin("read", policy), policy, path=f"{tree}/a.txt")
    with narrowed(builtin("read", policy), policy, {"path": f"{tree}/a.txt"}) as call:
        other = reach_of("read", call, builtin("read", policy).grants, nowhere)

    assert found.sources == {WORKSPACE}
    assert other.sources == {OUTSIDE}


def test_a_folder_around_the_workspace_is_both(policy: Policy, tree: Path) -> None:
    """Ours: whoever reads the home folder reads the workspace in it."""
    inner = replace(policy, workspace=str(tree / "sub"))
    found = reach(builtin("read", policy), inner, path=str(tree))

    assert found.sources == {OUTSIDE, WORKSPACE}


def test_a_url_opens_the_network_and_no_folder(policy: Policy) -> None:
    """Issue: sink: any egress, a URL carries data, too."""
    found = reach(builtin("fetch", policy), policy, url=f"{HOST}/page")

    assert found == CallReach(
        tool="fetch", sources=frozenset(), sinks=frozenset({FlowSink.NETWORK})
    )


def test_a_tool_whose_hosts_nobody_opened_reaches_no_network(policy: Policy) -> None:
    """Issue: what the call could reach, not the manifest."""
    asked = tool("get", HOST, asks=[Ask(allow=HOST)])
    closed = replace(policy, network=NetworkPolicy())

    assert reach(offer(asked, policy), policy).sinks == {FlowSink.NETWORK}
    assert reach(offer(asked, closed), closed).sinks == set()


@pytest.mark.parametrize(
    ("credential", "sources"),
    [({"header": "Authorization", "secret": "EXAMPLE"}, {FlowSource.SECRETS}), ({}, set())],
)
def test_a_credential_is_a_secret(
    policy: Policy, credential: dict[str, str], sources: set[FlowSource]
) -> None:
    """Issue: source: a secret."""
    asked = tool("get", HOST, asks=[Ask(allow=HOST, credential=credential)])

    assert reach(offer(asked, policy), policy).sources == sources


@pytest.mark.parametrize(
    ("value", "sources"), [('{ from = "LANG" }', {FlowSource.ENVIRONMENT}), ('"C"', set())]
)
def test_a_variable_of_the_host_is_a_source_and_one_of_the_manifest_is_none(
    policy: Policy, value: str, sources: set[FlowSource]
) -> None:
    """Issue: source: a host variable."""
    text = manifest(probe("module"), "env", "L", rest=f"[environment]\nL = {value}\n")

    assert reach(offer(text, policy), policy).sources == sources


def test_a_cell_that_serves_several_calls_reaches_the_whole_grant(policy: Policy) -> None:
    """Ours: its wall is the tool's; native code in it would reach what no argument named."""
    text = with_folders("write")
    shared = replace(policy, calls_per_cell={"probe": 2})
    once, several = (reach(offer(text, p), p, path="a.txt") for p in (policy, shared))

    assert once == CallReach(tool="probe", sources=frozenset({WORKSPACE}), sinks=frozenset())
    assert several == CallReach(
        tool="probe",
        sources=frozenset({OUTSIDE, WORKSPACE}),
        sinks=frozenset({FlowSink.OUTSIDE}),
    )
