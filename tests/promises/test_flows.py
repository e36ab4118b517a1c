"""`[[flow]]` of `preopen.toml`: after a source ran in a session a sink is denied, or asked for.

The calls are those of the built-in tools, in real cells; a session is one Invoker.
"""

from pathlib import Path

import pytest

from preopen.cells.pool import Pool
from preopen.outcome import JsonValue
from preopen.policy.flows import FlowSink, FlowSource
from preopen.policy.policy import Policy
from preopen.serving.invocation import Answer, Invoker, make_invoker
from preopen.serving.loading import load_registry
from preopen.trust.consent import Caller, Channel, Question, Said, Say
from preopen.trust.guards import Crossing
from preopen.trust.lock import AllOfThisRun
from promises.harness import invoke, manifest, offer, probe, said, table
from promises.network import operator
from web import serving

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

CROSSING = Crossing(
    source=FlowSource.OUTSIDE, source_tool="read", sink=FlowSink.NETWORK, sink_tool="fetch"
)


def with_rule(tree: Path, origin: str, rule: str) -> Policy:
    """Return the policy that opens a host and, beside the workspace, the folder `docs`."""
    docs = tree.parent / "docs"
    docs.mkdir()
    (docs / "d.txt").write_text("this is d\n")
    more = f'[folders]\ndocs = {{ path = "{docs}", access = "write" }}\n[[flow]]\n{rule}\n'
    more += '[decide]\nwrite-in-folders = "allow"\n'  # what is tried here is the flow alone
    return operator(tree, private=[origin], more=more)


async def call(invoker: Invoker, name: str, **arguments: JsonValue) -> Answer:
    """Return the answer of one call of a built-in tool."""
    return await invoke(
        invoker, load_registry(invoker.policy, AllOfThisRun()).tools[name], **arguments
    )


async def read_and_fetch(invoker: Invoker, tree: Path, origin: str) -> Answer:
    """Read beside the workspace, which must go well, and return what a fetch then comes to."""
    read = await call(invoker, "read", path=str(tree.parent / "docs" / "d.txt"))
    assert "this is d" in said(read)
    return await call(invoker, "fetch", url=origin)


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        pytest.param(
            'from = ["secrets", "environment", "workspace"]',
            "Returned",
            marks=keeps("policy:flow[].from", "granted"),
        ),
        pytest.param('from = [{ tool = "glob" }]', "Returned"),
        pytest.param('from = ["outside"]', "Denied", marks=keeps("policy:flow[].from", "withheld")),
        pytest.param('from = [{ tool = "read" }]', "Denied"),
        pytest.param("", "Denied"),
        pytest.param('to = ["outside"]', "Returned", marks=keeps("policy:flow[].to", "granted")),
        pytest.param('to = ["network"]', "Denied", marks=keeps("policy:flow[].to", "withheld")),
    ],
)
async def test_a_rule_means_the_sources_and_sinks_that_it_names(
    pool: Pool, tree: Path, rule: str, outcome: str
) -> None:
    """Issue: after a source ran in a session, sinks are denied; by default those two."""
    async with serving() as web:
        policy = with_rule(tree, web.origin, f'{rule}\nthen = "deny"')
        answer = await read_and_fetch(make_invoker(pool, policy), tree, web.origin)

    assert outcome == answer.receipt.outcome
    assert ["/"] * (outcome == "Returned") == web.targets


@pytest.mark.parametrize(
    ("then", "outcome"),
    [
        pytest.param("ask", "Returned", marks=keeps("policy:flow[].then", "granted")),
        pytest.param("deny", "Denied", marks=keeps("policy:flow[].then", "withheld")),
    ],
)
async def test_a_person_may_say_yes_to_what_is_asked_for_and_not_to_what_is_denied(
    pool: Pool, tree: Path, then: str, outcome: str
) -> None:
    """Issue: until the person says otherwise; nothing but the operator's file opens a deny."""
    async with serving() as web:
        invoker = make_invoker(pool, with_rule(tree, web.origin, f'then = "{then}"'))
        invoker.session.flows.pardon([CROSSING])
        answer = await read_and_fetch(invoker, tree, web.origin)

    assert outcome == answer.receipt.outcome


async def test_where_nobody_can_be_asked_an_ask_denies_and_names_the_rule(
    pool: Pool, tree: Path
) -> None:
    """Issue: no channel: a Denial that says what was in the way, and the way out."""
    async with serving() as web:
        policy = with_rule(tree, web.origin, 'then = "ask"')
        answer = await read_and_fetch(make_invoker(pool, policy), tree, web.origin)

    assert [] == web.targets
    (denial,) = answer.receipt.denials
    assert "fetch could send requests, after read reached a directory outside" in denial.reason
    assert f"flow[0] of {tree.parent}/preopen.toml" in denial.reason
    assert denial.allow


async def test_another_session_and_an_earlier_fetch_are_not_in_the_way(
    pool: Pool, tree: Path
) -> None:
    """Issue: a session is the server's process; what came before the source has told nothing."""
    async with serving() as web:
        policy = with_rule(tree, web.origin, 'then = "deny"')
        one, other = make_invoker(pool, policy), make_invoker(pool, policy)
        first = await call(one, "fetch", url=web.origin)
        second = await read_and_fetch(one, tree, web.origin)
        third = await call(other, "fetch", url=web.origin)

    answers = [first, second, third]
    assert ["Returned", "Denied", "Returned"] == [each.receipt.outcome for each in answers]


async def test_a_write_outside_of_the_workspace_is_a_sink_and_one_inside_is_none(
    pool: Pool, tree: Path, kind: str
) -> None:
    """Issue: a write outside the workspace; what counts is what the call reaches, not the tool."""
    policy = with_rule(tree, "http://127.0.0.1:3000", 'from = [{ tool = "read" }]\nthen = "deny"')
    rest = "".join(
        table("[directory]", host=host, access="write", narrow_to=["path"])
        for host in ("${workspace}", "${docs}")
    )
    text = manifest(probe(kind), "write", "{path}", arguments="path", rest=rest)
    writer, invoker = offer(text, policy), make_invoker(pool, policy)
    files = [tree / "new.txt", tree.parent / "docs" / "new.txt"]
    before = [await invoke(invoker, writer, path=str(file)) for file in files]
    assert [True, True] == [file.exists() for file in files], before
    for file in files:
        file.unlink()
    await call(invoker, "read", path="a.txt")
    after = [await invoke(invoker, writer, path=str(file)) for file in files]

    assert [True, False] == [file.exists() for file in files]
    assert ["Returned", "Denied"] == [answer.receipt.outcome for answer in after]


async def test_a_call_that_a_quota_denies_is_no_source(pool: Pool, tree: Path) -> None:
    """Ours: what did not run has read nothing."""
    async with serving() as web:
        quota = "[quota.read]\ncalls_per_hour = 1"
        policy = with_rule(tree, web.origin, f'then = "deny"\n{quota}')
        invoker = make_invoker(pool, policy)
        await call(invoker, "read", path="a.txt")
        denied = await call(invoker, "read", path=str(tree.parent / "docs" / "d.txt"))
        answer = await call(invoker, "fetch", url=web.origin)

    assert ["Denied", "Returned"] == [each.receipt.outcome for each in (denied, answer)]


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        ([Say.NO, Say.ONCE, Say.NO], ["Denied", "Returned", "Denied"]),
        ([Say.SESSION], ["Returned", "Returned", "Returned"]),
    ],
)
async def test_person_who_is_asked_decides_over_a_flow_for_a_call_or_the_session(
    pool: Pool, tree: Path, answers: list[Say], outcomes: list[str]
) -> None:
    """Issue: sinks are asked until the person says otherwise; never for longer than the session."""
    questions: list[Question] = []
    left = list(answers)

    async def ask(question: Question) -> Said:
        questions.append(question)
        return Said(say=left.pop(0), channel=Channel.TERMINAL)

    async with serving() as web:
        policy = with_rule(tree, web.origin, 'then = "ask"')
        invoker = make_invoker(pool, policy)
        await call(invoker, "read", path=str(tree.parent / "docs" / "d.txt"))
        fetch = load_registry(policy, AllOfThisRun()).tools["fetch"]
        found = [
            (await invoker(fetch, {"url": web.origin}, hear, Caller(ask=ask))).receipt.outcome
            for _ in range(3)
        ]

    assert found == outcomes
    assert (left, len(questions)) == ([], len(answers))
    assert len(web.targets) == outcomes.count("Returned")
    assert questions[0].offers == (Say.ONCE, Say.SESSION, Say.NO)
    (reason,) = questions[0].reasons
    assert "fetch could send requests, after read reached a directory outside" in reason


async def hear(_progress: str) -> None:
    """Hear of progress, and do nothing about it."""
