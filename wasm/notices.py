"""NOTICES.md: whose code is linked into the tools, under which licences, and their texts."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any, Final

TARGETS: Final = ("wasm32-wasip1", "wasm32-wasip2")
FILES: Final = ("LICEN[CS]E*", "COPYING*", "NOTICE*", "UNLICENSE*")
HEAD: Final = """\
# Notices

Crates that are linked into the tools of this folder, with their licences. Written by `build.py`.
"""


def write(wasm: Path, *, environment: dict[str, str]) -> None:
    """Write NOTICES.md beside the workspace, where it is not that already."""
    packages = linked(wasm, environment)
    texts: dict[str, str] = {}  # a licence's text, and the heading under which it stands
    rows = [HEAD, "| crate | version | licence | texts |", "| --- | --- | --- | --- |"]
    for package in packages:
        found = [heading(texts, package["name"], file) for file in licence_files(package)]
        marks = ", ".join(dict.fromkeys(found)) or "none in the crate"
        rows.append(
            f"| {package['name']} | {package['version']} | {package['license']} | {marks} |"
        )
    sections = [f"\n## {mark}\n\n```text\n{text}\n```" for text, mark in texts.items()]
    new = "\n".join([*rows, *sections]) + "\n"
    file = wasm / "NOTICES.md"
    if not file.exists() or file.read_text(encoding="utf-8") != new:
        file.write_text(new, encoding="utf-8")
        print(f"wasm/NOTICES.md: {len(packages)} crates, CHANGED")


def linked(wasm: Path, environment: dict[str, str]) -> list[dict[str, Any]]:
    """Return the packages that the tools link, without our own and those that only build."""
    found: dict[str, dict[str, Any]] = {}
    for target in TARGETS:
        command = ("cargo", "metadata", "--format-version=1", "--locked", "--filter-platform")
        done = subprocess.run(
            [*command, target], cwd=wasm, env=environment, check=True, capture_output=True
        )
        metadata = json.loads(done.stdout)
        packages = {package["id"]: package for package in metadata["packages"]}
        for package_id in reachable(metadata):
            if packages[package_id]["source"]:
                found[package_id] = packages[package_id]
    return sorted(found.values(), key=lambda package: (package["name"], package["version"]))


def reachable(metadata: dict[str, Any]) -> set[str]:
    """Return the ids that normal dependencies lead to; proc macros are not linked."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    macros = {
        package["id"]
        for package in metadata["packages"]
        if any("proc-macro" in target["kind"] for target in package["targets"])
    }
    seen: set[str] = set()
    todo = list(metadata["workspace_members"])
    while todo:
        package_id = todo.pop()
        if package_id in seen or package_id in macros:
            continue
        seen.add(package_id)
        todo += [
            dependency["pkg"]
            for dependency in nodes[package_id]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
    return seen


def licence_files(package: dict[str, Any]) -> list[Path]:
    """Return the licence files in a package's own folder."""
    folder = Path(package["manifest_path"]).parent
    files = {file for pattern in FILES for file in folder.glob(pattern) if file.is_file()}
    return sorted(files)


def heading(texts: dict[str, str], crate: str, file: Path) -> str:
    """Return the heading of a file's text; the same text stands only once."""
    text = file.read_text(encoding="utf-8", errors="replace").strip().replace("\r\n", "\n")
    if text not in texts:
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        texts[text] = f"{crate} {file.name} {digest}"
    return texts[text]
