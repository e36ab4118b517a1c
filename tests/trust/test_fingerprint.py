"""What one hash covers, and what it does not."""

from dataclasses import replace

import pytest

from preopen.level import PermissionLevel
from preopen.tool.binary import BinaryKind, Import
from preopen.trust.fingerprint import written_level
from trust.definitions import FACTS, SMALL, WHOLE, defined, made, read


def test_same_content_elsewhere_and_otherwise_written_has_the_same_fingerprint() -> None:
    """Issue: the manifest's place, the order of its keys and its comments are no part of it."""
    head, tool, rest = WHOLE.partition("[tool]")
    lines = rest.partition("[binary]")[0].strip().splitlines()
    turned = "\n".join([*reversed(lines), "[binary]", rest.partition("[binary]")[2]])
    other = f"# another day\n{head}{tool}\n{turned}"

    assert other != WHOLE
    assert defined(other, "/elsewhere/another.toml").fingerprint == defined().fingerprint


def test_values_that_python_calls_equal_are_told_apart() -> None:
    """Ours: 1, 1.0 and true are other values to a schema."""
    prints = {made({"odd": value}).fingerprint for value in (1, 1.0, True)}

    assert len(prints) == 3


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, kind=BinaryKind.MODULE),
        replace(FACTS, imports=FACTS.imports[:1]),
        replace(FACTS, imports=(*FACTS.imports, Import(interface="wasi:cli/stdout@0.2.9"))),
    ],
    ids=["kind", "an import gone", "an import more"],
)
def test_what_a_binary_is_and_imports_is_a_part_of_it(facts: object) -> None:
    """Issue: the hash is over imports as well."""
    assert defined(facts=facts).fingerprint != defined().fingerprint  # type: ignore[arg-type]  # of the table


def test_order_of_imports_is_no_part_of_it() -> None:
    """Ours: a linker's order means nothing, and the sha256 of the binary is in it anyway."""
    turned = replace(FACTS, imports=FACTS.imports[::-1])

    assert defined(facts=turned).fingerprint == defined().fingerprint


def test_level_is_a_part_of_it() -> None:
    """Issue: the derived level is pinned; what a later preopen derives higher is asked for."""
    whole = defined()

    assert replace(whole, level=PermissionLevel.NONE).fingerprint != whole.fingerprint


NONE, READS, WRITES = PermissionLevel.NONE, PermissionLevel.READ_ONLY, PermissionLevel.WRITE
EXECUTES, DANGEROUS = PermissionLevel.EXECUTE, PermissionLevel.DANGEROUS


@pytest.mark.parametrize(
    ("asks", "level"),
    [
        ("", NONE),
        ('[environment]\nA = "b"\n', NONE),
        ('[environment]\nA = { from = "A" }\n', READS),
        ('[[directory]]\nhost = "${workspace}"\n', READS),
        ('[[directory]]\nhost = "${workspace}/src"\naccess = "write"\n', WRITES),
        ('[[directory]]\nhost = "${folders}"\n', READS),
        ('[[directory]]\nhost = "${docs}"\n', DANGEROUS),
        ('[[directory]]\nhost = "${workspace}x"\n', DANGEROUS),
        ('[[directory]]\nhost = "${workspace}/${docs}"\n', DANGEROUS),
        ('[[directory]]\nhost = "/srv"\n', DANGEROUS),
        ('[[directory]]\nhost = "~"\n', DANGEROUS),
        ('[[egress]]\nallow = "${egress}"\n', READS),
        ('[[egress]]\nallow = "https://a.example"\nmethods = ["POST"]\n', WRITES),
        ('[[egress]]\nallow = "https://*"\n', DANGEROUS),
        ('[[egress]]\nallow = "http://a.example:80"\nprivate = true\n', DANGEROUS),
        ("[run]\nexecutes = true\n", EXECUTES),
    ],
)
def test_level_follows_from_the_asks_as_they_are_written(asks: str, level: PermissionLevel) -> None:
    """Issue: of no workspace and no policy; what may stand for any folder counts as dangerous."""
    assert level is written_level(read(SMALL + asks))
