"""TOML → Manifest: the one place where a manifest becomes values. Pure but for `load_manifest`.

What the JSON Schema beside this file can say, it says; what stands here is what it cannot.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final

from preopen.capability import LIMIT_KEYS, Access, Limits
from preopen.document import (
    MAX_FAULTS,
    hidden_character,
    key_of,
    listed,
    parse_document,
    read_file,
    shown,
)
from preopen.egress.rule import is_header
from preopen.egress.rules import parse_rule
from preopen.errors import Fault, ManifestError, found_and_write
from preopen.level import PermissionLevel
from preopen.schema import Validator, check_tool_schema, compile_schema
from preopen.tool.limits import parse_limits
from preopen.tool.manifest import DirectoryAsk, EgressAsk, EnvAsk, Interface, Manifest, Run
from preopen.tool.template import check_templates

FORMAT: Final = 1

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE: Final = re.compile(r"\$\{[A-Za-z0-9_-]+\}")
_METHOD: Final = re.compile(r"[A-Z]{1,32}")

_Found = tuple[tuple[str | int, ...], str, str]  # place, what was found, what to write


def load_manifest(path: str | os.PathLike[str], *, builtin: bool = False) -> Manifest:
    """Return the manifest in a regular file of at most 256 KiB.

    Raises:
        ManifestError: the file cannot be read, or is no valid manifest.

    """
    host_path = os.path.abspath(path)  # noqa: PTH100 - not resolved: the person's own spelling is shown
    return parse_manifest(read_file(host_path, ManifestError), host_path, builtin=builtin)


def parse_manifest(text: str | bytes, file: str, *, builtin: bool = False) -> Manifest:
    """Return the manifest that `text` says; `file` is its path, from which the binary's is counted.

    Raises:
        ManifestError: with the faults, at most eight, of the first kind that was found: TOML, then
            format, then keys and types, then what the values say.

    """
    document = parse_document(text, file, ManifestError)
    if document.get("manifest") != FORMAT or document["manifest"] is True:
        found = f"found {shown(document['manifest'])}" if "manifest" in document else "missing"
        write = f'write "manifest = {FORMAT}", the format that this preopen reads'
        raise ManifestError(Fault(place=file, key="manifest", found=found, write=write))
    problems = _validator().details(document)
    faults = [problem.fault(file) for problem in problems]
    if not faults:
        run = _run(document.get("run", {}))
        limits, limit_faults = parse_limits(document.get("limits", {}), file)
        faults = [
            Fault(place=file, key=key_of(parts), found=found, write=write)
            for parts, found, write in islice(_check(document), MAX_FAULTS)
        ]
        faults += [*limit_faults, *_check_schemas(document, file)]
    if not faults:
        faults += check_templates(run, _properties(document), file)
    if faults:
        raise ManifestError(*faults[:MAX_FAULTS])
    return _manifest(document, file, run=run, limits=limits, builtin=builtin)


@cache
def _validator() -> Validator:
    text = files(__package__).joinpath("manifest.schema.json").read_text(encoding="utf-8")
    return compile_schema(json.loads(text), "manifest.schema.json", "")


def _manifest(
    document: Mapping[str, Any], file: str, *, run: Run, limits: Mapping[str, int], builtin: bool
) -> Manifest:
    tool, binary = document["tool"], document["binary"]
    folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120 - pure: no symlink is followed
    return Manifest(
        file=file,
        name=tool["name"],
        title=tool["title"],
        description=tool["description"],
        level=PermissionLevel(tool["level"]),
        binary_path=os.path.normpath(os.path.join(folder, binary["path"])),  # noqa: PTH118 - as above
        sha256=binary["sha256"].lower(),
        run=run,
        input_schema=_input_schema(document),
        output_schema=document.get("output"),
        directories=tuple(_directories(document)),
        egress=tuple(_egress(document)),
        environment=tuple(_environment(document)),
        limits=Limits(**{LIMIT_KEYS[key]: number for key, number in limits.items()}),
        asked_limits=limits,
        document=document,
        builtin=builtin,
    )


def _input_schema(document: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", **document.get("input", {}), "additionalProperties": False}


def _properties(document: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = document.get("input", {}).get("properties", {})
    return properties


def _run(table: Mapping[str, Any]) -> Run:
    args = table.get("args", [])
    return Run(
        interface=Interface(table.get("interface", "command")),
        export=table.get("export", ""),
        args=None
        if args == "flags"
        else tuple(each if isinstance(each, str) else tuple(each) for each in args),
        stdin=table.get("stdin", "none"),
        stdout=table.get("stdout", "text"),
        paths=tuple(table.get("paths", ())),
        exit_ok=tuple(table.get("exit_ok", (0,))),
        executes=table.get("executes", False),
    )


def _directories(document: Mapping[str, Any]) -> Iterator[DirectoryAsk]:
    for index, table in enumerate(document.get("directory", ())):
        yield DirectoryAsk(
            key=f"directory[{index}]",
            host=table["host"],
            guest=table.get("guest", ""),
            access=Access(table.get("access", "read")),
            narrow_to=_names(table.get("narrow_to", ())),
        )


def _names(written: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (written,) if isinstance(written, str) else tuple(written)


def _egress(document: Mapping[str, Any]) -> Iterator[EgressAsk]:
    for index, table in enumerate(document.get("egress", ())):
        yield EgressAsk(
            key=f"egress[{index}]",
            allow=table["allow"],
            methods=tuple(table.get("methods", ("GET", "HEAD"))),
            narrow_to=table.get("narrow_to", ""),
            private=table.get("private", False),
            credential=table.get("credential"),
        )


def _environment(document: Mapping[str, Any]) -> Iterator[EnvAsk]:
    for name, value in document.get("environment", {}).items():
        key = f"environment.{name}"
        if isinstance(value, str):
            yield EnvAsk(key=key, name=name, value=value)
        else:
            yield EnvAsk(key=key, name=name, from_host=value["from"])


def _check(document: Mapping[str, Any]) -> Iterator[_Found]:
    yield from _check_tool(document["tool"])
    if not _SHA256.fullmatch(document["binary"]["sha256"]):
        found = f"{shown(document['binary']['sha256'])} is no sha256"
        yield ("binary", "sha256"), found, "write the 64 hexadecimal digits that sha256sum prints"
    yield from _check_run(document.get("run", {}))
    stdout = document.get("run", {}).get("stdout", "text")
    if "output" in document and stdout != "json":
        yield (
            ("output",),
            f"promised, but run.stdout is {shown(stdout)}",
            'write run.stdout = "json"',
        )
    properties = _properties(document)
    properties = properties if isinstance(properties, dict) else {}
    for place, name in _path_names(document):
        if problem := _path_problem(name, properties):
            yield place, *problem
    for index, table in enumerate(document.get("directory", ())):
        yield from _check_directory(index, table)
    for index, table in enumerate(document.get("egress", ())):
        yield from _check_egress(index, table)
    yield from _check_environment(document.get("environment", {}))


def _check_tool(tool: Mapping[str, str]) -> Iterator[_Found]:
    if not _NAME.fullmatch(tool["name"]):
        write = "write 1 to 64 letters (a-z, A-Z), digits, - and _"
        yield ("tool", "name"), f"{shown(tool['name'])} is no tool name", write
    if hidden := hidden_character(tool["title"]):
        yield ("tool", "title"), f"holds {hidden}, which is not for a title", "write one plain line"


def _check_run(table: Mapping[str, Any]) -> Iterator[_Found]:
    if table.get("interface") == "export":
        if "export" not in table:
            yield ("run", "export"), "missing", 'write the function that interface = "export" calls'
        found = 'interface = "export" is not supported yet; it comes with a later release'
        yield ("run", "interface"), found, 'write "command" and build the tool as a command'
    elif "export" in table:
        yield ("run", "export"), 'given, but interface is "command"', "remove it"
    stdout = table.get("stdout", "text")
    if stdout not in {"text", "json", "envelope"} and not _MEDIA_TYPE.fullmatch(stdout):
        write = 'write "text", "json", "envelope" or a media type such as "image/png"'
        yield ("run", "stdout"), f"{shown(stdout)} is none of the results", write


def _path_names(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, name in enumerate(document.get("run", {}).get("paths", ())):
        yield ("run", "paths", index), name
    for section in ("directory", "egress"):
        for index, table in enumerate(document.get(section, ())):
            for name in _names(table.get("narrow_to", ())):
                yield (section, index, "narrow_to"), name


def _path_problem(name: str, properties: Mapping[str, Any]) -> tuple[str, str] | None:
    if name not in properties:
        known = listed(map(shown, properties)) or "none: [input] has no properties"
        return f"{shown(name)} is no property of [input]", f"the properties are {known}"
    match properties[name]:
        case {"type": "string"} | {"type": "array", "items": {"type": "string"}}:
            return None
        case _:
            found = f"the argument {shown(name)} is no text"
            return found, 'write its type = "string", or "array" with items.type = "string"'


def _check_directory(index: int, table: Mapping[str, Any]) -> Iterator[_Found]:
    for key, starts in (("host", ("/", "~/", "${")), ("guest", ("/", "${"))):
        path = table.get(key, "/")
        place = ("directory", index, key)
        if not path.startswith(starts) and path != "~":
            write = f'begin it with {", ".join(map(shown, starts))}, such as "${{workspace}}"'
            yield place, f"{shown(path)} is no absolute path", write
        if ".." in path.split("/"):
            yield place, f'{shown(path)} holds ".."', "write the path itself"
        if "${" in _VARIABLE.sub("", path):
            yield place, f'{shown(path)} has a "${{" without a name', 'write one such as "${docs}"'


def _check_egress(index: int, table: Mapping[str, Any]) -> Iterator[_Found]:
    allow = table["allow"]
    if allow != "${egress}":
        try:
            parse_rule(allow)
        except ValueError as problem:
            yield ("egress", index, "allow"), *found_and_write(problem)
    elif table.get("private"):
        found = 'given beside "${egress}", which has its private hosts from the operator'
        yield ("egress", index, "private"), found, "remove it"
    yield from _check_methods(index, table)
    credential = table.get("credential", {})
    if credential and not is_header(credential["header"]):
        place = ("egress", index, "credential", "header")
        found = f"{shown(credential['header'])} is no header that preopen sets"
        yield place, found, 'write one such as "Authorization"'
    template = credential.get("format", "{secret}")
    if template.count("{secret}") != 1 or not template.isprintable() or not template.isascii():
        place = ("egress", index, "credential", "format")
        found = f"{shown(template)} has no one place for the secret"
        yield place, found, 'write "Bearer {secret}"'


def _check_methods(index: int, table: Mapping[str, Any]) -> Iterator[_Found]:
    if table.get("methods") == ["*"]:
        return
    for number, method in enumerate(table.get("methods", ())):
        if not _METHOD.fullmatch(method) or method in {"CONNECT", "TRACE"}:
            found = f"{shown(method)} is no method that preopen passes on"
            yield ("egress", index, "methods", number), found, 'write one such as "GET" or "POST"'


def _check_environment(table: Mapping[str, Any]) -> Iterator[_Found]:
    for name, value in table.items():
        source = value if isinstance(value, str) else value["from"]
        if not _ENVIRONMENT_NAME.fullmatch(name):
            write = "write letters, digits and _, not a digit first"
            yield ("environment", name), "no name of a variable", write
        if not isinstance(value, str) and not _ENVIRONMENT_NAME.fullmatch(source):
            write = 'write one such as "LANG"'
            yield ("environment", name, "from"), f"{shown(source)} is no name of a variable", write


def _check_schemas(document: Mapping[str, Any], file: str) -> Iterator[Fault]:
    written = document.get("input", {}).get("additionalProperties", False)
    if written is not False:
        key, found = "input.additionalProperties", f"found {shown(written)}"
        write = "remove it: an argument that no property names is always refused"
        yield Fault(place=file, key=key, found=found, write=write)
    yield from check_tool_schema(_input_schema(document), file, "input")
    if "output" in document:
        yield from check_tool_schema(document["output"], file, "output")
