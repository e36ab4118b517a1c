"""Puts a mutant in an enforcer's place, in whatever process this runs.

A row of the table names an enforcer as "module:qualified.name". A mutant is made from the original
and from the key whose promise is to be broken: one enforcer may keep many keys.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

Mutant: TypeAlias = Callable[[Any, str], object]
SetAttribute: TypeAlias = Callable[[Any, str, object], None]


def answers(value: object) -> Mutant:
    """Return a mutant that always answers the same."""
    return lambda _original, _key: lambda *_arguments, **_named: value


def find(enforcer: str) -> tuple[Any, str, Any]:
    """Return the owner of an enforcer, its name there, and the enforcer.

    Raises:
        ImportError, AttributeError: there is no such module, or no such name in it.

    """
    module_name, _, qualified = enforcer.partition(":")
    *outer, name = qualified.split(".")
    owner: Any = import_module(module_name)
    for part in outer:
        owner = getattr(owner, part)
    return owner, name, getattr(owner, name)


def disable(
    enforcer: str, key: str, mutants: Mapping[str, Mutant], set_attribute: SetAttribute
) -> None:
    """Have everyone who knows the enforcer meet its mutant, those who imported it by name, too."""
    owner, name, original = find(enforcer)
    mutant = mutants[enforcer](original, key)
    set_attribute(owner, name, mutant)
    if not isinstance(owner, ModuleType):
        return
    for module in [each for each in sys.modules.values() if _is_ours(each)]:
        for alias in [alias for alias, value in vars(module).items() if value is original]:
            set_attribute(module, alias, mutant)


def _is_ours(module: object) -> bool:
    """Whether a module is the product's, or a test that calls the product by an imported name."""
    return getattr(module, "__name__", "").split(".")[0] in {"preopen", "promises", "tests"}
