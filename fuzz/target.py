"""One fuzzed reader as a value: what holds for any bytes, and which bytes to begin with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Final

NAMES: Final = (
    *("binary", "frames", "transport", "manifest", "result", "egress"),
    *("lock", "answers", "audit", "workspace"),
)

# Whose branches guide the search, and decide what is kept; json and pydantic-core are C and Rust.
WATCHED: Final = ["preopen", "tomllib"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is fuzzed.

    `check` returns for any bytes, or raises where a property of the reader does not hold.
    `seeds` makes the first inputs; `tokens` are pieces that mutations insert; no input is longer
    than `max_bytes`.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    tokens: tuple[bytes, ...]
    max_bytes: int


def load(name: str) -> Target:
    """Return the target of this name; its modules are imported now, so an engine can watch them."""
    found = import_module(f"fuzz.targets.{name}").TARGET
    assert isinstance(found, Target)
    return found
