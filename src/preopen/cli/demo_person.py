"""The demo's person: what they are asked through the client, and the answers that they give."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult


@dataclass(slots=True)
class Person:
    """Answers each question with the next of `answers`, and keeps what was asked."""

    answers: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    async def __call__(
        self,
        context: ClientRequestContext,
        params: ElicitRequestParams,
    ) -> ElicitResult:
        """Answer one form, as a client would once its person has filled it in."""
        del context
        if not isinstance(params, ElicitRequestFormParams):
            return ElicitResult(action="decline")
        self.questions.append(params.message)
        return ElicitResult(action="accept", content={"answer": self.answers.pop(0)})

    def lines(self) -> Iterator[str]:
        """Yield what was asked last, line by line."""
        yield from (line for line in self.questions[-1].splitlines() if line)
