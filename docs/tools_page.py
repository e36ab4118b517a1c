"""Writes docs/tools.md from the manifests of the built-in tools: `make docs`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from preopen.capability import LIMIT_KEYS, Limits
from preopen.tool.limits import format_limit
from preopen.tool.manifest import DirectoryAsk, EgressAsk, Manifest
from preopen.tool.parsing import load_manifest

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "tools.md"
USEFULNESS: Final = ROOT / "bench" / "usefulness" / "table.md"

INTRODUCTION: Final = """\
# The built-in tools

Made from `tool_manifests/` by `make docs`; change those instead.

**Paths** are relative to the workspace, or absolute, or begin with `~/`; results name them relative to the workspace.
The reading tools also see the folders that the operator named (`--folder`), by their absolute paths.
`..` and symbolic links are followed inside of what is granted and nowhere else.
Names are compared byte by byte: a name in another Unicode normal form is another name.

**Results** are short, for a model pays for every token; what was left out is said, and how to get it.
No match and an empty file are good results. What went wrong is an error of one sentence that says what to do.

**Ignored files** are those that `.gitignore`, `.ignore` and `.git/info/exclude` name, in the folder itself and in those above it, as far as the workspace reaches.

**The network** is closed until you open a host: `--egress https://docs.python.org`, or `hosts` under `[egress]` in `preopen.toml`.
A call reaches the scheme, host and port of the URL that it names, and no other; private addresses need `--egress-private`.

**Writing** is atomic: beside, to the disk, and renamed over the old file.
A symbolic link is written through to its target, and a file with several hard links is rewritten in place, which the result says.
A file's mode stays what it was; where its owner or group could not, the result says so.
"""
MEASURED: Final = """\
## Measured

Twenty tasks of a coding agent on a real code base, each done with these tools through a client and with `grep`, `find`, `sed -n`, `cat -n` and the like in a shell: calls, output tokens, and whether the answer was right (`make usefulness`).
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page as it should be."""
    files = sorted((ROOT / "tool_manifests").glob("*.toml"))
    parts = [INTRODUCTION, *(_tool(load_manifest(file, builtin=True)) for file in files)]
    parts += [MEASURED, USEFULNESS.read_text(encoding="utf-8")]
    return "\n".join(parts)


def _tool(manifest: Manifest) -> str:
    lines = [
        f"## {manifest.name}",
        "",
        f"{' '.join(manifest.description.split())}",
        "",
        f"Level `{manifest.level.value}`. {' '.join(_reach(manifest))}",
        "",
        "| argument | is | |",
        "| --- | --- | --- |",
        *_arguments(manifest.input_schema),
    ]
    limits = list(_limits(manifest))
    if limits:
        lines += ["", f"Limits beside the default ones: {', '.join(limits)}."]
    return "\n".join([*lines, ""])


def _reach(manifest: Manifest) -> Iterator[str]:
    for ask in manifest.directories:
        yield _directory(ask)
    for request in manifest.egress:
        yield _egress(request)


def _egress(ask: EgressAsk) -> str:
    where = {"${egress}": "the hosts that the operator lists"}[ask.allow]
    methods = "any method" if "*" in ask.methods else " and ".join(ask.methods)
    return f"Asks {where} by {methods}, cut down to what `{ask.narrow_to}` names."


def _directory(ask: DirectoryAsk) -> str:
    where = {"${workspace}": "the workspace", "${folders}": "the named folders"}[ask.host]
    verb = "Writes in" if ask.access == "write" else "Reads"
    narrowed = " and ".join(f"`{name}`" for name in ask.narrow_to)
    return f"{verb} {where}" + (f", cut down to what {narrowed} names." if narrowed else ".")


def _arguments(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    for name, each in schema["properties"].items():
        must = "required" if name in required else ""
        if "default" in each:
            must = f"default `{each['default']}`"
        yield f"| `{name}` | {_type(each)} | {'; '.join(filter(None, [must, _said(each)]))} |"


def _said(schema: Mapping[str, Any]) -> str:
    inner = schema.get("items", {}).get("properties", {})
    parts = [schema.get("description", ""), *(f"`{name}`" for name in inner)]
    return " ".join(part for part in parts if part).replace("|", "\\|")


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "any value"))
    if kind == "array":
        return f"array of {schema['items']['type']}s"
    if "maximum" in schema:
        return f"{kind}, {schema['minimum']} to {schema['maximum']}"
    return f"{kind}, from {schema['minimum']}" if "minimum" in schema else kind


def _limits(manifest: Manifest) -> Iterator[str]:
    for key, value in manifest.asked_limits.items():
        if value != getattr(Limits(), LIMIT_KEYS[key]):
            yield f"`{key}` {format_limit(key, value)}"


if __name__ == "__main__":
    main()
