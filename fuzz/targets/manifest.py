"""`tool/parsing.py`: any text is a manifest within the documented ranges, or a ManifestError."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fuzz.properties import expect_faults
from fuzz.target import Target
from preopen.capability import LIMIT_KEYS
from preopen.document import hidden_character, json_flaw
from preopen.errors import ManifestError
from preopen.outcome import Denial
from preopen.schema import MAX_SCHEMA_BYTES, compile_schema
from preopen.tool.limits import RANGES, STACKS
from preopen.tool.manifest import Interface, Manifest
from preopen.tool.parsing import parse_manifest
from preopen.tool.result import output_schema_on_wire
from preopen.tool.template import render

_PLACE: Final = "/tools/t.toml"
_MANIFESTS: Final = Path(__file__).parents[2] / "tool_manifests"


def check(data: bytes) -> None:
    """Hold what `data` says to the ranges of docs/manifest.md, and a refusal to Style rule 1."""
    try:
        manifest = parse_manifest(data, _PLACE)
    except ManifestError as error:
        expect_faults(error, _PLACE)
        _expect_keys(error)
        return
    assert manifest == parse_manifest(data.decode(), _PLACE)
    _expect_tool(manifest)
    _expect_asks(manifest)
    _expect_limits(manifest)
    _expect_schemas(manifest)
    assert not isinstance(render(manifest.run, {}), Denial)  # only a value can be refused


def _expect_keys(error: ManifestError) -> None:
    """Hold a fault without a key to be the only one: it is of the document as a whole."""
    keys = [fault.key for fault in error.faults]
    assert all(keys) or len(keys) == 1, keys


def _expect_tool(manifest: Manifest) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", manifest.name, re.ASCII)
    assert 1 <= len(manifest.title) <= 200  # noqa: PLR2004 - the documented range
    assert not hidden_character(manifest.title)
    assert 1 <= len(manifest.description) <= 8192  # noqa: PLR2004 - as above
    assert not hidden_character(manifest.description, allowed="\n\t")
    assert re.fullmatch(r"[0-9a-f]{64}", manifest.sha256)
    assert os.path.isabs(manifest.binary_path)  # noqa: PTH117 - a text, which nobody opens
    assert manifest.file == _PLACE
    assert manifest.run.interface is Interface.COMMAND
    assert manifest.run.export == ""
    assert manifest.run.exit_ok
    assert all(type(code) is int and 0 <= code <= 255 for code in manifest.run.exit_ok)  # noqa: PLR2004 - as above


def _expect_asks(manifest: Manifest) -> None:
    known = manifest.input_schema.get("properties", {})
    assert set(manifest.path_arguments) <= set(known)
    for ask in manifest.directories:
        assert ask.host.startswith(("/", "~/", "${")) or ask.host == "~"
        assert ask.guest == "" or ask.guest.startswith(("/", "${"))
        assert ".." not in (*ask.host.split("/"), *ask.guest.split("/"))
    for variable in manifest.environment:
        assert (variable.value is None) != (variable.from_host is None)
        for name in (variable.name, variable.from_host or "A"):
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)


def _expect_limits(manifest: Manifest) -> None:
    for key, number in manifest.asked_limits.items():
        low, high = RANGES[key]
        assert type(number) is int
        assert low <= number <= high
        assert getattr(manifest.limits, LIMIT_KEYS[key]) == number
    assert manifest.limits.stack_bytes in STACKS


def _expect_schemas(manifest: Manifest) -> None:
    """Hold the schemas to what is sent: an object, plain JSON, small, and they compile."""
    schemas: list[dict[str, Any]] = [dict(manifest.input_schema)]
    if manifest.output_schema is not None:
        assert manifest.run.stdout == "json"
        schemas.append(output_schema_on_wire(manifest.output_schema))
    assert manifest.input_schema["additionalProperties"] is False
    for schema in schemas:
        assert schema["type"] == "object"
        assert json_flaw(schema) == ""
        assert len(str(schema)) <= 2 * MAX_SCHEMA_BYTES
        compile_schema(schema, _PLACE, "schema").problems({})


def _seeds() -> Iterator[bytes]:
    yield from (file.read_bytes() for file in sorted(_MANIFESTS.glob("*.toml")))
    yield from (f"{LEAST}{part}".encode() for part in _PARTS)
    yield from (f"{LEAST}{part}".encode() for part in (*_floods(), *_wrong()))
    yield b"manifest = 2"
    yield b"manifest = true"
    yield b'"a.b" = 1979-05-27T07:32:00Z'


def _floods() -> Iterator[str]:
    """Small files with many faults or long words: what is said of them has an end."""
    many = json.dumps([f"n{number}" for number in range(200)])
    word = "x y;" * 100
    properties = "\n".join(f'p{number} = {{type = "string"}}' for number in range(200))
    inputs = f"[input.properties]\n{properties}\n"
    yield f'[[directory]]\nhost = "/"\nnarrow_to = {many}\n{inputs}'
    yield f"[run]\npaths = {many}\n{inputs}"
    yield f'[run]\nargs = ["{"{x}" * 400}"]\n{inputs}'
    yield f'[run]\nargs = "flags"\n[input.properties."{word}"]\n'
    yield f'[[egress]]\nallow = "https://a"\nmethods = {many}\n'
    yield f'[limits]\nmemory = "{word}"\nqueue = "; "\nwall_time = "5{" " * 400}s"\n'
    yield f"[input.properties.a]\nenum = {many}\ndefault = 3\n"
    yield f'[input.properties.a]\ndefault = "{word}"\nminLength = 900\n'
    yield f'[input.properties."{word}"]\n"{word}" = 1\n"$ref" = "#/{word}"\n'
    yield '[input.properties.a]\npattern = """(?\n)"""\n'
    yield f'[input.properties.a]\npattern = "(?P<{word}>)"\n'
    yield f'[tool."{word}"]\n'


def _wrong() -> Iterator[str]:
    """One file for each thing that only `parsing.py` and the dialect refuse."""
    yield '[run]\ninterface = "export"\n'
    yield '[run]\ninterface = "export"\nexport = "f"\n[output]\n'
    yield '[run]\nexport = "f"\nstdout = "nothing"\npaths = ["a"]\nargs = ["{", "{b}"]\n'
    yield '[[directory]]\nhost = "x/../${"\nguest = "y"\n'
    yield '[[egress]]\nallow = "a"\nmethods = ["TRACE"]\n[egress.credential]\nformat = "x"\n'
    yield '[environment]\n1a = "x"\nA = {from = "1"}\n[input]\nadditionalProperties = true\n'
    yield '[run]\nargs = ["{", "{b}"]\npaths = ["n"]\n[input.properties.n]\ntype = "number"\n'
    yield '[limits]\ncpu_time = "1500ms"\nmemory = "1B"\nqueue = "x"\nstack = "600KiB"\n'
    yield '[input]\ntype = "array"\noneOf = []\nrequired = "a"\n'
    yield '[input.properties.a]\n"$ref" = "#/properties/a"\nfoo = 1\npattern = "(?=a)"\n'
    yield '[input.properties.a]\ndefault = 1\nanyOf = [{type = "string", pattern = "(a|b)*c{2}"}]\n'
    yield "a" + ".a" * 70 + " = 1\n"


LEAST: Final = f"""\
manifest = 1
[tool]
name = "t"
title = "T"
description = "D"
level = "none"
[binary]
path = "t.wasm"
sha256 = "{"ab" * 32}"
"""
_PARTS: Final = (
    "",
    """
[run]
args = "flags"
stdin = "json"
exit_ok = [0, 1]
executes = true
""",
    """
[run]
args = ["{a}", ["--b", "{b}"], "{{c}}"]
stdin = "{a}"
paths = ["a"]
[input.properties.a]
type = "string"
[input.properties.b]
type = "integer"
default = 3
""",
    """
[run]
stdout = "json"
[output]
type = "array"
items = {type = "string", pattern = "^a+$"}
""",
    """
[run]
stdout = "image/png"
[environment]
TZ = "UTC"
HOME = {from = "HOME"}
""",
    """
[[directory]]
host = "${workspace}"
guest = "/w"
access = "write"
narrow_to = ["p"]
[input]
required = ["p"]
[input.properties]
p = {type = "array", items = {type = "string"}}
""",
    """
[[egress]]
allow = "https://a.example:443/x"
methods = ["GET"]
narrow_to = "u"
private = true
[egress.credential]
from = "TOKEN"
header = "authorization"
format = "Bearer {secret}"
""",
    """
[limits]
wall_time = "2s"
cpu_time = "1m"
memory = "64MiB"
stack = "512KiB"
table_elements = 5
tables = 1
instances = 2
output = "1MiB"
stderr = 4096
file_size = "1GiB"
open_files = 64
concurrency = 2
queue = 0
""",
    """
[input.properties.x]
anyOf = [{const = 1}, {enum = ["a"]}, {"$ref" = "#/$defs/y"}]
[input."$defs".y]
type = "object"
additionalProperties = false
""",
)

TARGET: Final = Target(
    name="manifest",
    check=check,
    seeds=_seeds,
    tokens=(
        *(
            b"[[directory]]\n",
            b"[[egress]]\n",
            b"[input.properties.a]\n",
            b"[run]\n",
            b"[output]\n",
        ),
        *(b"[limits]\n", b"[environment]\n", b"[tool]\n", b"[binary]\n", b'"""', b"'''", b"1e999"),
        *(b"nan", b"-inf", b"1979-05-27", b"9223372036854775808", b"\\u202E", b"\xe2\x80\xae"),
        *(b'type = "string"\n', b'type = "object"\n', b'pattern = "(a+)+$"\n', b'"$ref" = "#"\n'),
        *(
            b'stdout = "json"\n',
            b'args = "flags"\n',
            b"${workspace}",
            b"{a}",
            b"{",
            b"}",
            b"..",
            b"\0",
        ),
        *(b"default = ", b"const = ", b"anyOf = [", b"items = {", b"{}", b"[]", b"true", b"\r\n"),
        *(f'{key} = "1s"\n'.encode() for key in ("wall_time", "cpu_time")),
        *(f'{key} = "1MiB"\n'.encode() for key in ("memory", "stack", "output", "file_size")),
    ),
    max_bytes=8192,
)
