"""Where the policy and the tools come from, at the start and at each reload."""

from collections.abc import Callable
from dataclasses import dataclass

from preopen.policy.policy import Policy
from preopen.serving.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a Current comes from, as at the start: the same flags, the same environment.

    `read_policy` raises PolicyError; `policy_file` is where its file is or would be. `files` and
    `folders` of manifests are what else decides over the registry, and may not be there yet. Both
    readers are called in a thread. `began_ns` is a time of the clock before the first reading.
    """

    read_policy: Callable[[], Policy]
    read_registry: Callable[[Policy], Registry]
    policy_file: str
    began_ns: int
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
