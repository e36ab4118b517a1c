"""What outlives one call: a person's answers, what ran, what was used. A session is the process."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from preopen.policy.policy import Policy
from preopen.trust.guards import FlowGuards
from preopen.trust.quotas import Quotas
from preopen.trust.standing import Standing


def decide_command(tool: str) -> str:
    """Return what allows a tool for good, where nobody knows the flags of this server."""
    return f"preopen decide {tool} always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One server process, or one `preopen call`. Made by `open_session`, for a policy.

    Without `standing` no answer of a person lasts.
    """

    flows: FlowGuards
    quotas: Quotas
    standing: Standing | None = None
    command: Callable[[str], str] = decide_command

    def adopt(self, policy: Policy) -> None:
        """Go on under the rules of another policy: what ran and what was said stays."""
        self.flows.rules = policy.flows
        self.quotas.policy = policy.quotas


def open_session(
    policy: Policy,
    standing: Standing | None = None,
    command: Callable[[str], str] = decide_command,
) -> Session:
    """Return a session in which nothing has run yet."""
    return Session(
        flows=FlowGuards(rules=policy.flows),
        quotas=Quotas(policy=policy.quotas, clock=time.time),
        standing=standing,
        command=command,
    )
