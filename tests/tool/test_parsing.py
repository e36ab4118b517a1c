"""Manifest text → Manifest, or every fault with its place."""

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.capability import LIMIT_KEYS, Access, Limits
from preopen.document import MAX_FAULTS
from preopen.errors import ManifestError
from preopen.level import PermissionLevel
from preopen.tool.limits import RANGES, format_limit, parse_limit
from preopen.tool.manifest import Manifest
from preopen.tool.parsing import load_manifest, parse_manifest

FILE = "/tools/fetch.toml"
SHA = "ab" * 32
HEAD = f"""
manifest = 1
[tool]
name = "fetch"
title = "Fetch"
description = "Fetches\\na page."
level = "read-only"
[binary]
path = "../wasm/fetch.wasm"
sha256 = "{SHA.upper()}"
"""
INPUT = """
[input]
required = ["url"]
properties.url = { type = "string" }
properties.paths = { type = "array", items = { type = "string" } }
properties.count = { type = "integer", default = 3 }
"""
WHOLE = (
    HEAD
    + """
[run]
args = [["--count", "{count}"], "--", "{paths}"]
stdin = "{url}"
stdout = "json"
paths = ["url"]
exit_ok = [0, 1]
executes = true
"""
    + INPUT
    + """
[output]
type = "object"
[[directory]]
host = "${workspace}"
access = "write"
narrow_to = ["paths"]
[[directory]]
host = "~/x"
guest = "/x"
narrow_to = "url"
[[egress]]
allow = "${egress}"
narrow_to = "url"
[[egress]]
allow = "https://example.com"
methods = ["POST"]
private = true
credential = { header = "Authorization", format = "Bearer {secret}", secret = "TOKEN" }
[environment]
TZ = "UTC"
BASE = { from = "EXAMPLE_BASE" }
[limits]
wall_time = "2m"
cpu_time = "3s"
memory = "32MiB"
stack = "512KiB"
output = 1000
queue = 0
"""
)


def parse(text: str) -> Manifest:
    return parse_manifest(text, FILE)


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, FILE)
    assert all(fault.place == FILE for fault in caught.value.faults)
    return [str(fault).removeprefix(f"{FILE}: ") for fault in caught.value.faults]


def test_every_key_arrives_in_its_value() -> None:
    """Design §5: the whole of format 1."""
    manifest = parse(WHOLE)
    assert (manifest.name, manifest.title, manifest.level) == (
        "fetch",
        "Fetch",
        PermissionLevel.READ_ONLY,
    )
    assert manifest.description == "Fetches\na page."
    assert (manifest.binary_path, manifest.sha256) == ("/wasm/fetch.wasm", SHA)
    assert manifest.run.args == (("--count", "{count}"), "--", "{paths}")
    assert (manifest.run.stdin, manifest.run.stdout) == ("{url}", "json")
    assert manifest.run.exit_ok == (0, 1)
    assert manifest.run.executes
    assert manifest.path_arguments == ("paths", "url")
    assert manifest.output_schema == {"type": "object"}
    first, second = manifest.directories
    assert (first.host, first.guest, first.access) == ("${workspace}", "", Access.WRITE)
    assert (second.key, second.guest, second.access) == ("directory[1]", "/x", Access.READ)
    assert second.narrow_to == ("url",)
    listed, posted = manifest.egress
    assert (listed.methods, listed.private, listed.credential) == (("GET", "HEAD"), False, None)
    assert posted.private
    assert posted.credential == {
        "header": "Authorization",
        "format": "Bearer {secret}",
        "secret": "TOKEN",
    }
    timezone, base = manifest.environment
    assert (timezone.name, timezone.value, timezone.from_host) == ("TZ", "UTC", None)
    assert (base.key, base.value, base.from_host) == ("environment.BASE", None, "EXAMPLE_BASE")
    assert manifest.limits.wall_time_ms == 120_000
    assert manifest.asked_limits == {
        "wall_time": 120_000,
        "cpu_time": 3,
        "memory": 32 << 20,
        "stack": 512 << 10,
        "output": 1000,
        "queue": 0,
    }


def test_shortest_manifest_asks_for_nothing() -> None:
    """Ours: every default is the tight one."""
    manifest = parse(HEAD)
    assert manifest.input_schema == {"type": "object", "additionalProperties": False}
    assert (manifest.directories, manifest.egress, manifest.environment) == ((), (), ())
    assert (manifest.limits, manifest.asked_limits) == (Limits(), {})
    assert (manifest.run.stdin, manifest.run.stdout, manifest.run.args) == ("none", "text", ())
    assert not manifest.builtin


def test_flags_and_forbidden_are_accepted() -> None:
    """Design §5: args may be "flags"; a forbidden tool is valid, and never offered."""
    text = HEAD.replace("read-only", "forbidden") + '[run]\nargs = "flags"\n' + INPUT
    assert parse(text).run.args is None
    assert parse(text).level is PermissionLevel.FORBIDDEN


def test_syntax_error_names_the_line() -> None:
    """Ours: a person finds the place."""
    (fault,) = faults("manifest = 1\nname 2\n")
    assert fault.startswith("not TOML: ")
    assert "line 2" in fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff", "not UTF-8"),
        ("#\ud800", "not UTF-8"),
        ("#" * (300 << 10), "larger than 256 KiB"),
        ("x = " + "[" * 100_000, "nested too deeply"),
        ("x = " + "[" * 70 + "]" * 70, "nested too deeply"),
        (".".join("a" * 100_000) + " = 1", "a dotted key has more than 64 parts"),
        ('"\\"".' * 50_000 + "a = 1", "a dotted key has more than 64 parts"),
        ('a = """b""""\n' + "c." * 100_000 + "d = 1", "a dotted key has more than 64 parts"),
        (f"a = {{ {'b' * 9000} = 1, {'b' * 9000} = 2 }}", "Duplicate inline table key 'bbbb"),
        ("x = " + "9" * 5000, "not readable: an integer has thousands of digits; correct it"),
        ("x = 0x" + "f" * 5000, "x: an integer beyond 64 bits"),
        ("x = 2020-01-01", "x: 2020-01-01 is a date or time"),
        ("x = inf", "x: inf is no JSON number"),
        ('"a\u200b" = 1', "the key holds U+200B"),
    ],
)
def test_what_is_no_plain_document_is_refused(text: str | bytes, expected: str) -> None:
    """Ours: a manifest is untrusted; no text costs a stack, a minute or an uncaught exception."""
    assert expected in faults(text)[0]


@pytest.mark.parametrize("version", ["", "manifest = 2", "manifest = true", 'manifest = "1"'])
def test_other_format_is_said_first_and_alone(version: str) -> None:
    """Ours: keys of another format would only raise noise."""
    (fault,) = faults(version + "\n[surprise]\n")
    assert fault.startswith("manifest: ")
    assert 'write "manifest = 1"' in fault


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[run]", "[rum]", 'rum: unknown key; did you mean "run"?'),
        ("exit_ok", "exitok", 'run.exitok: unknown key; did you mean "exit_ok"?'),
        ("wall_time", "request", 'limits.request: unknown key; did you mean "requests"?'),
        ("wall_time", "fuel", 'limits.fuel: found "2m"; write an integer'),
        ('name = "fetch"\n', "", "tool.name: missing; write a string"),
        ('"fetch"', '"fe tch"', 'tool.name: "fe tch" is no tool name; write 1 to 64 letters'),
        ('"fetch"', "7", "tool.name: found 7; write a string"),
        ('"Fetch"', '"Fe\\ttch"', "tool.title: holds U+0009"),
        ("page", "pa\\u202ege", "tool.description: holds U+202E, which a reader cannot see"),
        ("page", "pa\u200bge", "tool.description: holds U+200B"),
        ("page", "pa\\u0000ge", "tool.description: holds U+0000"),
        ("page", "pa\\U000E0041ge", "tool.description: holds U+E0041"),
        ("page", "pa\\U000E0101ge", "tool.description: holds U+E0101"),
        ("read-only", "readonly", 'tool.level: found "readonly"; write one of "none", "read-only"'),
        (SHA.upper(), "ab", 'binary.sha256: "ab" is no sha256; write the 64 hexadecimal digits'),
        ('"json"', '"jsn"', 'run.stdout: "jsn" is none of the results; write "text"'),
        ('"json"', '"image/png"', 'output: promised, but run.stdout is "image/png"; write'),
        ("[0, 1]", "[256]", "run.exit_ok[0]: found 256; write at most 255"),
        ("[0, 1]", "[]", "run.exit_ok: found an array of 0 items; write 1 or more items"),
        ('["url"]\nexit', '["ulr"]\nexit', 'run.paths[0]: "ulr" is no property of [input]'),
        ('["url"]\nexit', '["count"]\nexit', 'run.paths[0]: the argument "count" is no text'),
        ('["paths"]', '"pahts"', 'directory[0].narrow_to: "pahts" is no property of [input]; the'),
        ('"${workspace}"', '"work"', 'directory[0].host: "work" is no absolute path; begin it'),
        ('"${workspace}"', '"/a/../b"', 'directory[0].host: "/a/../b" holds ".."'),
        ('"${workspace}"', '"${work"', 'directory[0].host: "${work" has a "${" without a name'),
        ('"/x"', '"x"', 'directory[1].guest: "x" is no absolute path'),
        ('"write"', '"rw"', 'directory[0].access: found "rw"; write one of "read", "write"'),
        (
            '"https://example.com"',
            '"example.com"',
            'egress[1].allow: "example.com" has no scheme; write "https://example.com"',
        ),
        ('["POST"]', '["get"]', 'egress[1].methods[0]: "get" is no method'),
        ('["POST"]', '["CONNECT"]', 'egress[1].methods[0]: "CONNECT" is no method'),
        ("Bearer {secret}", "Bearer", "egress[1].credential.format: "),
        ("TZ =", '"T Z" =', 'environment["T Z"]: no name of a variable'),
        ('"UTC"', "1", "environment.TZ: found 1; write a string or an object"),
        ("EXAMPLE_BASE", "EXAMPLE-BASE", "environment.BASE.from: "),
        ('"2m"', '"2"', "limits.wall_time: '2' is not understood; write a time such as"),
        ('"2m"', "2", "limits.wall_time: found 2; write a string"),
        ('"2m"', '"0s"', "limits.wall_time: '0s' is out of range; write 1ms to 1440m"),
        ('"3s"', '"3500ms"', "limits.cpu_time: '3500ms' is no whole number of seconds"),
        ('"32MiB"', '"32MB"', "limits.memory: '32MB' is not understood"),
        ('"32MiB"', '"1KiB"', "limits.memory: '1KiB' is out of range; write 64KiB to 64GiB"),
        ('"512KiB"', '"768KiB"', "limits.stack: '768KiB' is no stack size that preopen has; write"),
        ('"512KiB"', '"8MiB"', "limits.stack: '8MiB' is out of range; write 512KiB to 2MiB"),
        ("queue = 0", "queue = -1", "limits.queue: -1 is no count; write a plain number"),
        ("default = 3", 'default = "3"', 'input.properties.count.default: found "3"; write an int'),
        ("{count}", "{cuont}", 'run.args[0][1]: "{cuont}" is no property of [input]'),
        ("[input]", "[input]\nadditionalProperties = true", "input.additionalProperties: found t"),
        ("[input]", '[input]\ntype = "array"', 'input.type: found "array"'),
        ("[input]", "[input]\nproperties.p.pattern = '(a+)+'", "input.properties.p.pattern: could"),
        ("[output]", "[output]\nanyOf = []", "output.anyOf: "),
        (
            "[run]",
            '[run]\ninterface = "export"\nexport = "f"',
            'run.interface: interface = "export"',
        ),
        ("[run]", '[run]\ninterface = "export"', "run.export: missing; write the function that"),
        ("[run]", '[run]\nexport = "f"', 'run.export: given, but interface is "command"'),
    ],
)
def test_fault_names_the_key_the_thing_found_and_what_to_write(
    old: str, new: str, expected: str
) -> None:
    """Design §5 says each rule; style §4.1 says the form of the message."""
    assert old in WHOLE
    found = faults(WHOLE.replace(old, new, 1))
    assert any(fault.startswith(expected) for fault in found), found


def test_all_faults_of_the_values_come_at_once() -> None:
    """Ours: an author corrects a manifest once, not fault by fault."""
    text = WHOLE.replace('"fetch"', '"f!"').replace('"2m"', '"2"').replace("[0, 1]", "[1]")
    assert [fault.split(":")[0] for fault in faults(text)] == ["tool.name", "limits.wall_time"]


NAMES = json.dumps([f"n{number}" for number in range(900)])
PROPERTIES = "\n".join(f'[input.properties.p{number}]\ntype = "string"' for number in range(900))


@pytest.mark.parametrize(
    "part",
    [
        f'[[directory]]\nhost = "/"\nnarrow_to = {NAMES}',
        f"[run]\npaths = {NAMES}",
        f'[run]\nargs = ["{"{x}" * 9000}"]',
        f'[[egress]]\nallow = "https://a"\nmethods = {NAMES}',
        f'[limits]\nmemory = "{"x" * 90_000}"',
        f'[run]\nargs = "flags"\n[input.properties."{"a b" * 9000}"]',
    ],
    ids=["narrow_to", "paths", "args", "methods", "limits", "flags"],
)
def test_thousands_of_faults_make_a_short_message(part: str) -> None:
    """Ours: 100 KB of placeholders were answered with 400 MB, each listing every property."""
    found = faults(f"{HEAD}\n{part}\n{PROPERTIES}")

    assert 1 <= len(found) <= MAX_FAULTS
    assert max(map(len, found)) < 500


def test_a_pattern_in_a_message_stays_on_its_line() -> None:
    """Style rule 1: Python's reason repeats characters of the pattern, a newline among them."""
    (fault,) = faults(f"{HEAD}\n[input.properties.a]\npattern = '''(?\n)'''")

    assert fault.isprintable()
    assert fault.startswith("input.properties.a.pattern: is no regular expression: unknown ext")


def test_a_limit_that_holds_a_semicolon_is_found_whole() -> None:
    """Style rule 1: the thing found, and what to write, are told apart at the right place."""
    (fault,) = faults(f'{HEAD}\n[limits]\nmemory = "1; 2"')

    assert fault == (
        "limits.memory: '1; 2' is not understood; "
        'write bytes as a number, or a size such as "64MiB"'
    )


def test_manifest_is_read_from_a_file_and_its_binary_is_beside_it(tmp_path: Path) -> None:
    """Design §5: binary.path is relative to the manifest."""
    file = tmp_path / "tools" / "fetch.toml"
    file.parent.mkdir()
    file.write_text(WHOLE)
    manifest = load_manifest(file, builtin=True)
    assert manifest.file == str(file)
    assert manifest.binary_path == str(tmp_path / "wasm" / "fetch.wasm")
    assert manifest.builtin


def test_what_is_no_regular_readable_file_is_refused(tmp_path: Path) -> None:
    """Ours: a folder of manifests may hold a named pipe, and nobody may wait for its writer."""
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * (300 << 10))
    for name, expected in {
        "pipe.toml": "not a regular file",
        "absent.toml": "cannot be read: No such file",
        "long.toml": "larger than 256 KiB",
        "": "not a regular file",
        "a\0b": "cannot be read",
    }.items():
        with pytest.raises(ManifestError, match=expected):
            load_manifest(f"{tmp_path}/{name}")


def test_limit_keys_are_the_same_everywhere() -> None:
    """Ours: schema, ranges and Limits name the same limits, so that none is parsed and not kept."""
    schema = json.loads(files("preopen.tool").joinpath("manifest.schema.json").read_text())
    assert set(schema["properties"]["limits"]["properties"]) == set(LIMIT_KEYS) == set(RANGES)
    for key, (low, high) in RANGES.items():
        assert parse_limit(key, format_limit(key, low)) == low
        assert parse_limit(key, format_limit(key, high)) == high


keys = st.sampled_from(["tool", "binary", "run", "input", "limits", "name", "args", "type", "x"])
values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.just("{x}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def toml(value: Any) -> str:  # noqa: ANN401 - any value of TOML
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("\x7f", "\\u007f")


@given(
    st.sampled_from(["tool", "binary", "run", "input", "output", "directory", "egress", "limits"]),
    values,
)
def test_any_document_is_a_manifest_or_a_manifest_error(section: str, value: object) -> None:
    """Ours: any TOML text gives Manifest or ManifestError."""
    base = f"manifest = 1\n{section} = {toml(value)}\n"
    table = {"tool": "[tool]", "binary": "[binary]"}.get(section, "")
    head = HEAD.replace("manifest = 1", "")
    text = base + (head if not table else "")
    told = ["accepted"]
    try:
        parse(text)
    except ManifestError as error:
        told = [str(fault) for fault in error.faults]
    assert told
    assert all(text and text.isprintable() for text in told)


@given(st.text() | st.binary(max_size=200))
def test_any_text_is_a_manifest_error(text: str | bytes) -> None:
    """Ours: no text raises anything else."""
    with pytest.raises(ManifestError):
        parse_manifest(text, FILE)


@given(
    st.sampled_from(["[tool]", "[binary]", "[run]", "[limits]", "[[directory]]", "[[egress]]"]),
    st.from_regex(r"[a-z_]{1,12}", fullmatch=True),
)
def test_unknown_key_is_never_accepted(section: str, key: str) -> None:
    """Design §5: an unknown key is an error."""
    schema = json.loads(files("preopen.tool").joinpath("manifest.schema.json").read_text())
    name = section.strip("[]")
    part = schema["properties"][name]
    if key in part.get("items", part)["properties"]:
        return
    found = faults(WHOLE.replace(section, f"{section}\n{key} = 1", 1))
    assert any(f"{key}: unknown key" in fault for fault in found)
