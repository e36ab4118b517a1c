"""Regular expressions of untrusted schemas: which are accepted, and for texts of which length.

Python's matcher backtracks, so a short pattern can take for ever on a short text. Here the worst
case is computed from the pattern's own syntax tree; patterns that only a short text could be put to
are refused. Knows nothing of JSON Schema.
"""

import functools
import re
import warnings
from dataclasses import dataclass
from re import _constants as op  # type: ignore[attr-defined]  # typeshed knows only its old name, which warns
from re import _parser  # type: ignore[attr-defined]  # as above
from typing import Any, Final

from preopen.document import printable

MAX_PATTERN: Final = (
    512  # characters; the longest pattern of common schemas (dates, URLs) has under 200
)
MAX_TEXT: Final = 1 << 20  # characters of a text that any pattern is put to
MIN_TEXT: Final = 100  # a pattern that a text of this length could hold up is refused
_STEPS: Final = 2_000_000  # worst case of one match: about 50 ms of Python's matcher

_SINGLE: Final = frozenset({op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN})
_REPEATS: Final = frozenset({op.MAX_REPEAT, op.MIN_REPEAT})
_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}
# One escape, one class, or a "$": that of Python matches before a last newline, too.
_DOLLAR: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]|\$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One accepted pattern. `max_text` is the longest text, in characters, that it is put to."""

    source: str
    regex: re.Pattern[str]
    max_text: int


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of matching one piece at one position: `ends` places to go on from, `work` steps in all."""

    ends: int
    work: int


@functools.lru_cache(maxsize=1024)
def parse_pattern(source: str) -> Pattern:
    r"""Return the pattern with the longest text that it may be put to.

    Accepted: literals, classes, `.`, `^`, `$`, `\b`, groups, alternatives and repeats. Refused:
    look-around, back references, flags, and what could backtrack for long on 100 characters.

    Raises:
        ValueError: the pattern is not accepted; the message says why and what to write.

    """
    if len(source) > MAX_PATTERN:
        raise ValueError(f"has {len(source)} characters; write at most {MAX_PATTERN}")
    translated = _DOLLAR.sub(lambda match: r"\Z" if match[0] == "$" else match[0], source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error"
            )  # "possible nested set": a pattern that two dialects read differently
            tree = _parser.parse(translated, re.ASCII)
            regex = re.compile(translated, re.ASCII)
        if regex.flags != re.ASCII:
            raise ValueError("sets flags; write the pattern without (?…) flags")
        max_text = _max_text(tree)
    except (re.error, OverflowError, RecursionError, Warning) as problem:
        reason = printable(str(problem))  # it repeats characters of the pattern
        raise ValueError(f"is no regular expression: {reason}; write one, or remove it") from None
    if max_text < MIN_TEXT:
        raise ValueError(
            "could take for ever to match; "
            "write no repeat inside a repeat, and fewer repeats after one another"
        )
    return Pattern(source=source, regex=regex, max_text=max_text)


def _max_text(tree: Any) -> int:  # noqa: ANN401 - the standard library's tree has no types
    if _total(tree, MAX_TEXT) <= _STEPS:
        return MAX_TEXT
    low, high = 0, MAX_TEXT
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _total(tree, middle) <= _STEPS else (low, middle)
    return low


def _total(tree: Any, length: int) -> int:  # noqa: ANN401 - as above
    anchored = len(tree) > 0 and tree[0] in (
        (op.AT, op.AT_BEGINNING),
        (op.AT, op.AT_BEGINNING_STRING),
    )
    return (1 if anchored else length + 1) * _sequence(list(tree), length).work


def _sequence(nodes: list[Any], length: int) -> _Cost:
    ends, work = 1, 1
    for index, node in enumerate(nodes):
        cost = _node(node, length)
        if _is_cut_by(node, nodes[index + 1 : index + 2]):
            cost = _Cost(1, cost.work)
        work = min(work + ends * cost.work, _STEPS + 1)
        ends = min(ends * cost.ends, _STEPS + 1)
    return _Cost(ends, work)


def _node(node: Any, length: int) -> _Cost:  # noqa: ANN401 - as above
    code, argument = node
    if code in _SINGLE or code is op.AT:
        return _Cost(1, 1)
    if code is op.SUBPATTERN and not argument[1] and not argument[2]:
        return _sequence(list(argument[3]), length)
    if code is op.BRANCH:
        costs = [_sequence(list(branch), length) for branch in argument[1]]
        return _Cost(sum(c.ends for c in costs), 1 + sum(c.work for c in costs))
    if code in _REPEATS:
        return _repeat(int(argument[0]), int(argument[1]), _flat(argument[2]), length)
    raise ValueError(
        f"uses {str(code).lower()}; write it without look-around, back references and flags"
    )


def _repeat(least: int, most: int, body: list[Any], length: int) -> _Cost:
    most = min(most, length)
    span = max(most - least, 0) + 1
    if _is_separated(
        body
    ):  # a text splits into rounds in one way only, so each position is one end at most
        return _Cost(min(length + 1, _STEPS), 4 * (length + 1))
    cost = _sequence(body, length)
    if cost.ends == 1:
        return _Cost(span, (most + 1) * cost.work)
    ends = span * _power(cost.ends, most)
    return _Cost(min(ends, _STEPS + 1), min(ends * cost.work * (most + 1), _STEPS + 1))


def _power(base: int, exponent: int) -> int:
    result = 1
    for _ in range(exponent):
        result *= base
        if result > _STEPS:
            return _STEPS + 1
    return result


def _flat(body: Any) -> list[Any]:  # noqa: ANN401 - as above
    nodes = list(body)
    while (
        len(nodes) == 1 and nodes[0][0] is op.SUBPATTERN and not (nodes[0][1][1] or nodes[0][1][2])
    ):
        nodes = list(nodes[0][1][3])
    return nodes


def _is_cut_by(node: Any, following: list[Any]) -> bool:  # noqa: ANN401 - as above
    """Say whether the piece after a repeat of one class matches only where the repeat must end."""
    if node[0] not in _REPEATS or not following or following[0][0] is not op.LITERAL:
        return False
    body = _flat(node[1][2])
    return len(body) == 1 and body[0][0] in _SINGLE and not _matches(body[0], following[0][1])


def _is_separated(body: list[Any]) -> bool:
    """Say whether the body is like `-[a-z]+` or `[a-z]+-`: one repeat, and a literal unlike it."""
    repeats = [node for node in body if node[0] in _REPEATS]
    pieces = [_flat(node[1][2]) if node in repeats else [node] for node in body]
    if len(repeats) != 1 or not all(len(p) == 1 and p[0][0] in _SINGLE for p in pieces):
        return False
    return _marks(body, pieces, 0) or _marks(body, pieces, len(body) - 1)


def _marks(body: list[Any], pieces: list[list[Any]], index: int) -> bool:
    code, character = body[index]
    others = pieces[:index] + pieces[index + 1 :]
    return code is op.LITERAL and not any(_matches(piece[0], character) for piece in others)


def _matches(node: Any, character: int) -> bool:  # noqa: ANN401 - as above
    code, argument = node
    if code is op.LITERAL:
        return bool(argument == character)
    if code is op.NOT_LITERAL:
        return bool(argument != character)
    if code is op.ANY:
        return chr(character) != "\n"
    negated = argument[0][0] is op.NEGATE
    return negated != any(_matches_item(item, character) for item in argument)


def _matches_item(item: Any, character: int) -> bool:  # noqa: ANN401 - as above
    code, argument = item
    if code is op.RANGE:
        return bool(argument[0] <= character <= argument[1])
    if code is op.CATEGORY:
        return re.match(_CATEGORIES[argument], chr(character), re.ASCII) is not None
    return code is op.LITERAL and bool(argument == character)
