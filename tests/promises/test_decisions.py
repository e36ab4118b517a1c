"""`[decide]` of `preopen.toml`: what happens at a call, by level and by tool.

Each call is a real one; the person who is asked is the test's, as the client's or the terminal's is
the product's.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from preopen.cells.pool import Pool
from preopen.errors import ManifestError
from preopen.policy.policy import Policy
from preopen.serving.invocation import Answer, make_invoker
from preopen.trust.consent import Caller, Channel, Question, Said, Say
from promises.harness import manifest, offer, probe, said, table
from promises.test_policy import read

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

IN_FOLDERS = "write-in-folders"
LEVELS = ("none", "read-only", "write", "execute", "dangerous")
KEYS = (*LEVELS, IN_FOLDERS, "tools")
GRANTED = [pytest.param(key, marks=keeps(f"policy:decide.{key}", "granted")) for key in KEYS]
WITHHELD = [pytest.param(key, marks=keeps(f"policy:decide.{key}", "withheld")) for key in KEYS]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who says the same to each question, and remembers it."""

    say: Say
    questions: list[Question] = field(default_factory=list)

    async def __call__(self, question: Question) -> Said:
        """Answer."""
        self.questions.append(question)
        return Said(say=self.say, channel=Channel.TERMINAL)


@pytest.fixture
def top(tree: Path) -> Path:
    """Make a folder beside the workspace `work`."""
    (tree.parent / "docs").mkdir()
    (tree.parent / "docs" / "d.txt").write_text("this is d\n")
    return tree.parent


def asks(top: Path, key: str) -> str:
    """Return the manifest of a tool that this key is about, and whose call does something."""
    guest = probe("module")
    match key:
        case "read-only":
            rest = table("[directory]", host="${workspace}")
            return manifest(guest, "read", "a.txt", level=key, rest=rest)
        case "write":
            rest = table("[directory]", host="${workspace}", access="write")
            return manifest(guest, "write", "new.txt", rest=rest)
        case "write-in-folders":
            rest = table("[directory]", host="${docs}", access="write")
            return manifest(guest, "write", "new.txt", rest=rest)
        case "execute":
            return manifest(guest, "env", "X", level=key, executes=True)
        case "dangerous":
            rest = table("[directory]", host=str(top / "docs"))
            return manifest(guest, "read", "d.txt", level=key, rest=rest)
        case _:
            return manifest(guest, "env", "X", level="none")


def deciding(top: Path, key: str, word: str) -> Policy:
    """Return the policy that says this word under a key, and opens all that the tools need."""
    docs = json.dumps(str(top / "docs"))
    folder = f'[folders]\ndocs = {{ path = {docs}, access = "write" }}\n' * (key == IN_FOLDERS)
    decide = f"[decide.tools]\nprobe = '{word}'\n" if key == "tools" else ""
    decide = decide or f"[decide]\n{key} = '{word}'\n"
    return read(top, f'max_level = "dangerous"\n{folder}{decide}')


async def hear(_progress: str) -> None:
    """Hear of progress, and do nothing about it."""


async def call(pool: Pool, top: Path, key: str, word: str, person: Person) -> Answer:
    """Return the answer of one call of the key's tool, where the operator says this word."""
    policy = deciding(top, key, word)
    tool = offer(asks(top, key), policy)
    return await make_invoker(pool, policy)(tool, {}, hear, Caller(ask=person))


@pytest.mark.parametrize("key", GRANTED)
async def test_what_is_allowed_runs_without_a_question(pool: Pool, top: Path, key: str) -> None:
    """Issue: `allow`."""
    person = Person(Say.NO)
    answer = await call(pool, top, key, "allow", person)

    assert ("Returned", "", []) == (
        answer.receipt.outcome,
        answer.receipt.consent,
        person.questions,
    )
    assert ": done" in said(answer)


@pytest.mark.parametrize("key", GRANTED)
async def test_what_is_asked_about_runs_when_a_person_says_so(
    pool: Pool, top: Path, key: str
) -> None:
    """Issue: `ask`; the person is told which line of which file asks."""
    person = Person(Say.ONCE)
    answer = await call(pool, top, key, "ask", person)
    (question,) = person.questions
    line = "decide.tools.probe" if key == "tools" else f"decide.{key}"

    assert ("Returned", "once (terminal)") == (answer.receipt.outcome, answer.receipt.consent)
    assert [f'{top}/preopen.toml says {line} = "ask"'] == [
        reason.rpartition(", and ")[2] for reason in question.reasons
    ]


@pytest.mark.parametrize("key", WITHHELD)
async def test_what_is_asked_about_does_not_run_when_a_person_says_no(
    pool: Pool, top: Path, key: str
) -> None:
    """Issue: `ask`; a no is a Denial, and nothing has run."""
    answer = await call(pool, top, key, "ask", Person(Say.NO))

    assert ("Denied", "none") == (answer.receipt.outcome, answer.receipt.cell)
    assert not (top / "work" / "new.txt").exists()
    assert not (top / "docs" / "new.txt").exists()


@pytest.mark.parametrize("key", [each for each in WITHHELD if each.values != (IN_FOLDERS,)])
async def test_tool_that_is_denied_is_not_offered(top: Path, key: str) -> None:
    """Issue: a tool under `deny` is not listed."""
    with pytest.raises(ManifestError, match="not offered"):
        offer(asks(top, key), deciding(top, key, "deny"))


@keeps("policy:decide.write-in-folders", "withheld")
async def test_call_that_is_denied_does_not_write_outside_the_workspace(
    pool: Pool, top: Path
) -> None:
    """Issue: `deny`, of what only some calls do: the tool is offered, and this call is not run."""
    person = Person(Say.ONCE)
    answer = await call(pool, top, IN_FOLDERS, "deny", person)

    assert ("Denied", []) == (answer.receipt.outcome, person.questions)
    assert not (top / "docs" / "new.txt").exists()
