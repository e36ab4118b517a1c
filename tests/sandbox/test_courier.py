"""The guest that sends requests, in the versions of wasi:http that an interposer must not miss."""

import runpy
from pathlib import Path

import pytest

from lab import ROOT
from preopen.tool.binary import BinaryKind, read_facts

COURIER = ROOT / "wasm/courier"


def http_imports(file: Path) -> set[str]:
    """Return what a component imports of wasi:http."""
    facts = read_facts(file.read_bytes(), file.name)
    assert facts.kind is BinaryKind.COMPONENT
    interfaces = {each.interface for each in facts.imports}
    return {name for name in interfaces if name.startswith("wasi:http/")}


@pytest.mark.parametrize(
    ("file", "imports"),
    [
        ("courier.wasm", {"types@0.2.4", "outgoing-handler@0.2.4"}),
        ("courier.oldest.wasm", {"types@0.2.0", "outgoing-handler@0.2.0"}),
        ("courier.newest.wasm", {"types@0.2.99", "outgoing-handler@0.2.99"}),
        (
            "courier.both.wasm",
            {"types@0.2.4", "outgoing-handler@0.2.4", "outgoing-handler@0.2.9"},
        ),
    ],
)
def test_courier_imports_what_its_name_says(file: str, imports: set[str]) -> None:
    """Design §9: the tests of the gate stand on these versions being what they say."""
    assert {f"wasi:http/{name}" for name in imports} == http_imports(COURIER / file)


def test_each_version_is_made_from_courier_itself() -> None:
    """Ours: a version that was forgotten when courier was built anew would test something else."""
    script = runpy.run_path(str(COURIER / "versions.py"))
    built = (COURIER / "courier.wasm").read_bytes()

    for name, version in script["VERSIONS"].items():
        made = script["at_version"](built, version)
        assert (COURIER / f"courier.{name}.wasm").read_bytes() == made
    assert (COURIER / "courier.both.wasm").read_bytes() == script["with_both"](built)
