"""Two definitions of a tool → what differs, in words. Pure.

Nothing is left out: two definitions with different fingerprints differ in at least one Change.
What is shown is an author's text; who prints it makes it safe for a terminal.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from preopen.document import key_of
from preopen.trust.asks import ASKS, as_json, section_in_words
from preopen.trust.fingerprint import Definition, canonical

_SCHEMAS: Final = ("input", "output")  # sections that are shown by property
_DERIVED: Final = "level that its asks come to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs: where, and what stood and stands there; None where nothing does.

    `key` is a manifest's key, "directory" for one of its asks, "imports" for a name. The texts are
    whole sentences: `egress https://x.com (GET, HEAD)`, `limits.memory = "1GiB"`.
    """

    key: str
    before: str | None = None
    after: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The change as a person reads it: `- …` and `+ …`, every line of a text with its sign."""
        signed = (("-", self.before), ("+", self.after))
        return tuple(
            f"{sign} {line}"
            for sign, text in signed
            if text is not None
            for line in text.split("\n")
        )


def changes(before: Definition | None, now: Definition) -> tuple[Change, ...]:
    """Return what differs, authority first; without `before` all that a new tool is."""
    old: Mapping[str, Any] = {} if before is None else before.document
    sections = [*ASKS, *(key for key in (*old, *now.document) if key not in ASKS)]
    found = list(_of_level(before, now))
    for section in dict.fromkeys(sections):
        found += _of_section(section, old.get(section), now.document.get(section))
    found += _of_binary(before, now)
    return tuple(found)


def _of_level(before: Definition | None, now: Definition) -> Iterator[Change]:
    level = None if before is None else before.level
    if level is not now.level:
        yield Change(
            key="level",
            before=level and f"{_DERIVED}: {level.value}",
            after=f"{_DERIVED}: {now.level.value}",
        )


def _of_binary(before: Definition | None, now: Definition) -> Iterator[Change]:
    kind = None if before is None else before.kind
    if kind != now.kind:
        yield Change(key="binary", before=kind and f"is a {kind}", after=f"is a {now.kind}")
    imports = () if before is None else before.imports
    words = [[f"imports {name}" for name in names] for names in (imports, now.imports)]
    yield from _of_lines("imports", *words)


def _of_section(section: str, before: object, now: object) -> Iterator[Change]:
    if _same(before, now):
        return
    if section in ASKS:
        words = section_in_words(section, before), section_in_words(section, now)
        found = list(_of_lines(section, *words))
        if found:
            yield from found
            return
        if words[0] != words[1]:  # a relative path starts in the first folder
            yield Change(key=section, before="; ".join(words[0]), after="; ".join(words[1]))
            return
    depth = 2 if section in _SCHEMAS else None
    yield from _of_leaves(_leaves((section,), before, depth), _leaves((section,), now, depth))


def _of_lines(key: str, before: Sequence[str], now: Sequence[str]) -> Iterator[Change]:
    gone, new = Counter(before) - Counter(now), Counter(now) - Counter(before)
    yield from (Change(key=key, before=line) for line in before if line in gone)
    yield from (Change(key=key, after=line) for line in now if line in new)


def _of_leaves(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *now]):
        if key in before and key in now and _same(before[key], now[key]):
            continue
        yield Change(
            key=key,
            before=_line(key, before[key]) if key in before else None,
            after=_line(key, now[key]) if key in now else None,
        )


def _leaves(place: tuple[str | int, ...], value: object, depth: int | None) -> Mapping[str, object]:
    """Return the values below a place by their keys; of a schema no deeper than its properties."""
    if value is None:  # TOML has none: the section is not there
        return {}
    found: dict[str, object] = {}
    stack: list[tuple[tuple[str | int, ...], object]] = [(place, value)]
    while stack:
        at, item = stack.pop()
        inner: list[tuple[str | int, object]] = []
        if isinstance(item, Mapping) and (depth is None or len(at) <= depth):
            inner = list(item.items())
        elif isinstance(item, list) and any(isinstance(each, Mapping) for each in item):
            inner = list(enumerate(item)) if depth is None else []
        if inner:
            stack += [((*at, part), child) for part, child in reversed(inner)]
        else:
            found[key_of(at)] = item
    return found


def _line(key: str, value: object) -> str:
    if isinstance(value, str) and "\n" in value:
        return f"{key} =\n{value}"
    return f"{key} = {as_json(value)}"


def _same(one: object, other: object) -> bool:
    return canonical(one) == canonical(other)
