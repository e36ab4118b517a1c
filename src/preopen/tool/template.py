"""Arguments → argv and stdin, by the templates of `[run]`. No shell, no quoting, no second parse.

A value never splits an element, and never becomes an option that the manifest did not write.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from typing import Final, TypeAlias

from preopen.document import MAX_FAULTS, key_of, listed, shown
from preopen.errors import Fault
from preopen.outcome import Denial, JsonValue
from preopen.tool.manifest import Run

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_FLAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_SEPARATOR: Final = "--"
_EXACT: Final = 1 << 53  # up to here a float that is whole is the same number as an integer
_BUILT_IN_STDIN: Final = {"none", "json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What the guest is started with. `argv` is without argv[0], which the sandbox sets."""

    argv: tuple[str, ...] = ()
    stdin: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hole:
    """A placeholder: the argument that goes in here."""

    argument: str


_Part: TypeAlias = str | _Hole  # a literal piece of an element, or a hole in it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """One element, parsed: its parts, the arguments in them, and its text where there are none."""

    parts: tuple[_Part, ...]
    names: tuple[str, ...]
    literal: str | None

    def lacks_argument(self, arguments: Mapping[str, JsonValue]) -> bool:
        """Return whether an argument of the template is absent or null, so that it drops."""
        return None in map(arguments.get, self.names)


class _Refused(Exception):  # noqa: N818 - a Denial on its way to `render`
    """Raised inside this file where a value cannot go where the template puts it."""

    def __init__(self, target: str, reason: str, allow: str = "") -> None:
        super().__init__(reason)
        # A name may be of the client's making, and half a surrogate pair would end the server.
        target, reason, allow = (
            t.encode(errors="replace").decode() for t in (target, reason, allow)
        )
        self.denial = Denial(target=target, reason=reason, allow=allow)


def check_templates(run: Run, properties: Collection[str], place: str) -> tuple[Fault, ...]:
    """Return what is wrong with the templates, where `[input]` has these properties: eight faults.

    One template may hold a hundred thousand, each of which lists the properties.
    """
    faults = (
        Fault(place=place, key=key, found=found, write=write)
        for key, element in _elements(run)
        for found, write in _problems(element, properties)
    )
    flags = (
        Fault(
            place=place,
            key=key_of(("input", "properties", name)),
            found=f"{shown(name)} can't be a flag's name under args = \"flags\"",
            write="begin it with a letter and use letters, digits, - and _",
        )
        for name in (properties if run.args is None else ())
        if not _FLAG_NAME.fullmatch(name)
    )
    return tuple(islice(chain(faults, flags), MAX_FAULTS))


def render(run: Run, arguments: Mapping[str, JsonValue]) -> Rendered | Denial:
    """Return what the guest is started with for these arguments, or which of them cannot be put.

    Path arguments are already resolved, defaults are already filled in. Flags come in the order of
    `arguments`.
    """
    try:
        argv = _flags(arguments) if run.args is None else _argv(run.args, arguments)
        return Rendered(argv=argv, stdin=_stdin(run.stdin, arguments))
    except _Refused as refused:
        return refused.denial


def _elements(run: Run) -> Iterator[tuple[str, str]]:
    """Yield each template with the key under which it stands in the manifest."""
    for number, item in enumerate(run.args or ()):
        if isinstance(item, str):
            yield f"run.args[{number}]", item
        else:
            yield from ((f"run.args[{number}][{n}]", element) for n, element in enumerate(item))
    if run.stdin not in _BUILT_IN_STDIN:
        yield "run.stdin", run.stdin


def _problems(element: str, properties: Collection[str]) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(element):
        if match[0] in {"{", "}"}:
            yield (
                f'"{match[0]}" at character {match.start() + 1} of {shown(element)} has no partner',
                f'write "{match[0] * 2}" for a literal brace',
            )
        elif match[1] is not None and match[1] not in properties:
            known = listed(shown(f"{{{name}}}") for name in properties) or "none: [input] is empty"
            yield f"{shown(match[0])} is no property of [input]", f"the placeholders are {known}"
    if "\0" in element:
        yield f"{shown(element)} holds a NUL", "leave it out: no argument can carry one"


@lru_cache(maxsize=1024)  # the same few for each call of a tool
def _parse(element: str) -> _Template:
    """Return an element as a template. Lone braces were refused when the manifest was loaded."""
    parts: tuple[_Part, ...] = tuple(
        _Hole(argument=match[1])
        if match[1] is not None
        else {"{{": "{", "}}": "}"}.get(match[0], match[0])
        for match in _TOKEN.finditer(element)
    )
    names = tuple(part.argument for part in parts if isinstance(part, _Hole))
    literal = None if names else "".join(part for part in parts if isinstance(part, str))
    return _Template(parts=parts, names=names, literal=literal)


def _argv(
    args: tuple[str | tuple[str, ...], ...], arguments: Mapping[str, JsonValue]
) -> tuple[str, ...]:
    argv: list[str] = []
    only_operands = False  # after a literal "--" nothing is an option any more
    for item in args:
        group = (item,) if isinstance(item, str) else item
        done: list[str] = []
        for element in group:
            template = _parse(element)
            if template.literal is not None:
                done.append(template.literal)
                continue
            values = _expand(template, arguments, only_operands=only_operands or _SEPARATOR in done)
            if not values:  # an absent argument takes its whole group along
                done = []
                break
            done += values
        only_operands = only_operands or _SEPARATOR in done
        argv += done
    return tuple(argv)


def _expand(
    template: _Template, arguments: Mapping[str, JsonValue], *, only_operands: bool
) -> list[str]:
    """Return the elements that a template makes: one, none, or one for each item of an array."""
    if template.lacks_argument(arguments):
        return []
    match template.parts:
        case (_Hole(argument=name),) if isinstance(arguments[name], list):
            found = [[(_text(name, item), name)] for item in arguments[name] if item is not None]
        case _:
            found = [[_fill(part, arguments) for part in template.parts]]
    if not only_operands:
        for pieces in found:
            _refuse_option(pieces)
    return ["".join([text for text, _ in pieces]) for pieces in found]


def _fill(part: _Part, arguments: Mapping[str, JsonValue]) -> tuple[str, str]:
    """Return a part's text, and the argument that it came from ("" for the manifest's own)."""
    if isinstance(part, _Hole):
        return _text(part.argument, arguments[part.argument]), part.argument
    return part, ""


def _refuse_option(pieces: list[tuple[str, str]]) -> None:
    """Refuse an element whose leading "-" comes from a value: it would be read as an option."""
    text, name = next(((text, name) for text, name in pieces if text), ("", ""))
    if name and text.startswith("-"):
        raise _Refused(
            name,
            f'argument "{name}" begins with "-" and would be read as an option',
            f'in [run] args put "--" before "{{{name}}}", or write "--{name}={{{name}}}"',
        )


def _flags(arguments: Mapping[str, JsonValue]) -> tuple[str, ...]:
    argv: list[str] = []
    for name, value in arguments.items():
        if not _FLAG_NAME.fullmatch(name):
            raise _Refused(name, f"{name!r} can't be a flag's name")
        for item in value if isinstance(value, list) else [value]:
            argv += _flag("--" + name.replace("_", "-"), name, item)
    return tuple(argv)


def _flag(flag: str, name: str, value: JsonValue) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    text = _text(name, value)
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def _stdin(template: str, arguments: Mapping[str, JsonValue]) -> bytes:
    if template == "none":
        return b""
    if template == "json":
        members = (f"{_json(n, n)}:{_json(n, value)}" for n, value in arguments.items())
        return ("{" + ",".join(members) + "}").encode()
    parsed = _parse(template)
    if parsed.lacks_argument(arguments):
        return b""
    return "".join(_fill(part, arguments)[0] for part in parsed.parts).encode()


def _text(name: str, value: JsonValue) -> str:
    """Return the text that stands for a value: strings as they are, all else as compact JSON."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)  # JSON has one kind of number: 5.0 fits "integer", and a guest wants "5"
    text = value if isinstance(value, str) else _json(name, value)
    if "\0" in text:
        raise _Refused(name, f'argument "{name}" holds a NUL, which no argument can carry')
    return _encodable(name, text)


def _json(name: str, value: JsonValue) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:  # NaN, huge numbers, endless nesting
        what = "is nested too deeply" if isinstance(error, RecursionError) else "is no JSON"
        raise _Refused(name, f'argument "{name}" {what}') from None
    return _encodable(name, text)


def _encodable(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Refused(name, f'argument "{name}" holds half a surrogate pair') from None
    return text
