"""What is served now, as one reference: a reload swaps it whole."""

from dataclasses import dataclass

from preopen.policy.policy import Policy
from preopen.serving.invocation import Invoke
from preopen.serving.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """One policy, the tools that it offers, and what invokes them under it.

    A request takes the reference once, so what it lists or calls is of one reload; a call that runs
    while another `Current` takes its place ends on its own.
    """

    policy: Policy
    registry: Registry
    invoke: Invoke
