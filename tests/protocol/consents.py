"""A site with one tool of each level, and a person behind a real client who answers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import mcp_types as wire
from mcp import Client

from served import WORKSPACE, Site, make_site

LEVELS: Final = ("none", "read-only", "write", "execute", "dangerous")
CLOSED: Final = "closed"
# What the person does: one of the words, closes the form, or has a client that makes a word up.
ANSWERS: Final = ("once", "session", "always", "no", CLOSED, "perhaps")
YES: Final = frozenset({"once", "session", "always"})
WORDS: Final = {"words": ["args", "it", "ran"]}


@dataclass(slots=True)
class Person:
    """Answers what a client shows with `answer`; keeps every question."""

    answer: str = "no"
    questions: list[wire.ElicitRequestFormParams] = field(default_factory=list)

    async def __call__(self, context: object, params: wire.ElicitRequestParams) -> Any:  # noqa: ANN401 - the SDK's own union
        """Answer one form."""
        del context
        assert isinstance(params, wire.ElicitRequestFormParams)
        self.questions.append(params)
        if self.answer == CLOSED:
            return wire.ElicitResult(action="cancel")
        return wire.ElicitResult(action="accept", content={"answer": self.answer})


def make_grounds(top: Path) -> Site:
    """Make a site whose tools are called by their level, each as harmless as it can be."""
    site = make_site(top)
    outside = top / "outside"
    outside.mkdir()
    (top / "config" / "preopen").mkdir(parents=True)
    site.add("none", level="none", more="")
    site.add("read-only")
    site.add("write", level="write", more=WORKSPACE.replace('"read"', '"write"'))
    site.add("execute", level="execute", more="", run="executes = true")
    away = WORKSPACE.replace("${workspace}", str(outside))
    site.add("dangerous", level="dangerous", more=away)
    return site


def decide(site: Site, text: str) -> None:
    """Write the user's own preopen.toml."""
    file = site.top / "config" / "preopen" / "preopen.toml"
    file.write_text(f'preopen = 1\nmax_level = "dangerous"\n{text}')


def decide_all(site: Site, decision: str) -> None:
    """Decide the same for every level."""
    decide(site, "[decide]\n" + "".join(f'{level} = "{decision}"\n' for level in LEVELS))


def connect(site: Site, era: str, person: Person | None, *words: str) -> Client:
    """Return a client, not connected yet, whose person is this one, or that cannot ask."""
    own = site.parameters("--without", "write", *words)  # its name is one of ours
    return Client(own, mode=era, elicitation_callback=person)


def ran(result: wire.CallToolResult) -> bool:
    """Whether the guest ran; where it did not, the result is a denial that no cell was made for."""
    assert result.meta is not None
    receipt = result.meta["preopen/receipt"]
    if receipt["outcome"] == "Denied":
        assert (result.is_error, receipt["cell"]) == (True, "none")
        return False
    assert receipt["outcome"] == "Returned", result
    assert "it" in text_of(result)
    return True


def text_of(result: wire.CallToolResult) -> str:
    """Return what the model reads."""
    return "\n".join(block.text for block in result.content if isinstance(block, wire.TextContent))


def consent_of(result: wire.CallToolResult) -> str:
    """Return what the receipt says of the person's word, "" where nobody was asked."""
    assert result.meta is not None
    return str(result.meta["preopen/receipt"].get("consent", ""))
