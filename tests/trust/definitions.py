"""Definitions of tools for the tests of this room: one that uses every key of a manifest."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from preopen.level import PermissionLevel
from preopen.tool.binary import BinaryFacts, BinaryKind, Import
from preopen.tool.manifest import Manifest
from preopen.tool.parsing import parse_manifest
from preopen.trust.fingerprint import Definition, define

FILE = "/tools/weather.toml"
SHA256 = "ab" * 32
FACTS = BinaryFacts(
    kind=BinaryKind.COMPONENT,
    imports=(Import(interface="wasi:http/types@0.2.9"), Import(interface="wasi:cli/stdin@0.2.9")),
    exports=("wasi:cli/run@0.2.9",),
)
SMALL = f"""
manifest = 1
[tool]
name = "weather"
title = "Weather"
description = "Says how it will be."
level = "dangerous"
[binary]
path = "weather.wasm"
sha256 = "{SHA256}"
"""
WHOLE = (
    SMALL
    + """
[run]
interface = "command"
args = ["--at", "{place}", "{map}"]
stdin = "none"
stdout = "json"
paths = ["map"]
exit_ok = [0, 3]
executes = true
[input]
required = ["place"]
properties.place = { type = "string", maxLength = 80 }
properties.map = { type = "string" }
properties.url = { type = "string" }
[output]
type = "object"
properties.degrees = { type = "number" }
[[directory]]
host = "${workspace}/maps"
guest = "/maps"
access = "write"
narrow_to = "map"
[[egress]]
allow = "https://api.example.com"
methods = ["GET"]
narrow_to = "url"
private = false
credential = { header = "Authorization", format = "Bearer {secret}", secret = "API" }
[environment]
STYLE = "plain"
LANG = { from = "LANG" }
[limits]
wall_time = "5s"
cpu_time = "5s"
memory = "32MiB"
stack = "1MiB"
table_elements = 1000
tables = 2
instances = 3
output = "1MiB"
stderr = "1KiB"
file_size = "1MiB"
open_files = 20
concurrency = 2
queue = 5
request_bytes = "1KiB"
response_bytes = "1MiB"
requests = 2
rate = 10
fuel = 1000000
"""
)


def read(text: str = WHOLE, file: str = FILE) -> Manifest:
    """Return the manifest of a text."""
    return parse_manifest(text, file)


def defined(text: str = WHOLE, file: str = FILE, facts: BinaryFacts = FACTS) -> Definition:
    """Return the definition of a manifest's text."""
    return define(read(text, file), facts)


def edited(before: Definition, edit: Callable[[dict[str, Any]], None]) -> Definition:
    """Return a definition whose document was changed, whatever a parser would say of it."""
    document = copy.deepcopy(dict(before.document))
    edit(document)
    return made(document, sha256=before.sha256, imports=before.imports, level=before.level)


def made(
    document: Mapping[str, Any],
    *,
    sha256: str = SHA256,
    imports: tuple[str, ...] = (),
    level: PermissionLevel = PermissionLevel.DANGEROUS,
) -> Definition:
    """Return a definition of these values."""
    return Definition(
        document=document, sha256=sha256, kind="component", imports=imports, level=level
    )


def named(name: str, more: str = "") -> Definition:
    """Return the definition of a small tool of that name."""
    return defined(SMALL.replace('"weather"', f'"{name}"') + more)
