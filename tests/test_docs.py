"""The documents say what the code does: keys, numbers, examples, cited tests and files."""

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest

from preopen.capability import CEILINGS, DEFAULT_CELLS, LIMIT_KEYS, Limits
from preopen.cli.list import command as list_command
from preopen.dialect import KEYWORDS
from preopen.level import PermissionLevel
from preopen.outcome import Outcome
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.settings import load_policy
from preopen.selftest.asking import Section
from preopen.selftest.running import ROWS
from preopen.tool.limits import parse_limit
from preopen.tool.manifest import Manifest
from preopen.tool.parsing import parse_manifest
from preopen.tool.template import Rendered, render

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/preopen"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SHA = "ab" * 32
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each table row whose first cell is one piece of code."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"`[^`]+`", cells[0]):
            yield [cells[0].strip("`"), *cells[1:]]


def below(text: str, heading: str) -> str:
    """Return a section of a document, its own subsections included."""
    level = heading.partition(" ")[0]
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def toml_blocks(name: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", read(name), re.MULTILINE | re.DOTALL)


def manifests(name: str) -> list[str]:
    return [b.replace('"SHA256"', f'"{SHA}"') for b in toml_blocks(name) if "manifest = 1" in b]


def schema_keys(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield each key of one of our schemas as the documents write it."""
    for part in [schema, *schema.get("anyOf", ())]:
        for name, inner in part.get("properties", {}).items():
            yield f"{prefix}{name}"
            yield from schema_keys(inner, f"{prefix}{name}.")
        if isinstance(items := part.get("items"), dict):
            yield from schema_keys(items, f"{prefix.removesuffix('.')}[].")
        if isinstance(named := part.get("additionalProperties"), dict):
            yield f"{prefix}NAME"
            yield from schema_keys(named, f"{prefix}NAME.")


def keys_of(package: str, file: str) -> set[str]:
    """Return the keys of a schema of ours, without tables that only hold named keys."""
    schema = json.loads(files(package).joinpath(file).read_text(encoding="utf-8"))
    return set(schema_keys(schema))


def parents(keys: set[str]) -> set[str]:
    return {key.rpartition(".")[0] for key in keys}


def test_manifest_reference_names_every_key_and_no_other() -> None:
    """Issue: every manifest key of the schema is documented, and no unknown one is."""
    written = [
        row[0] for row in rows(read("docs/manifest.md")) if not row[0].startswith(("x-", '"'))
    ]
    assert len(written) == len(set(written))
    assert keys_of("preopen.tool", "manifest.schema.json") == set(written)


def test_tools_page_is_what_the_manifests_make_of_it() -> None:
    """Issue: the reference of the tools is made from the manifests."""
    made = subprocess.run(
        [sys.executable, "-c", "import tools_page; print(tools_page.page(), end='')"],
        cwd=ROOT / "docs",
        capture_output=True,
        check=True,
    )
    assert made.stdout.decode() == read("docs/tools.md"), "make docs"


def test_policy_reference_names_every_key_and_no_other() -> None:
    """Ours: the operator's file is documented like a manifest; tables stand by their keys."""
    keys = keys_of("preopen.policy", "preopen.schema.json")
    written = {row[0] for row in rows(below(read("docs/policy.md"), "## Keys"))}
    assert keys - parents(keys) | {"folders.NAME"} == written


def test_policy_reference_names_every_flag_and_no_other() -> None:
    """Ours: a flag that nobody documents is found by nobody."""
    flags = {name for option in list_command.params for name in option.opts}
    flags |= {"--spawn", "--require-wall"}
    written = {row[0].split(" ")[0] for row in rows(below(read("docs/policy.md"), "## Flags"))}
    assert flags - {"--json"} == written


def number(limit: str, text: str) -> int | None:
    return None if text in {"off", "none"} else parse_limit(limit, text)


def test_limits_are_documented_with_their_true_numbers() -> None:
    """Design §5: each has a default and a ceiling; a page with other numbers is worse than none."""
    for key, default, ceiling, *_ in rows(below(read("docs/manifest.md"), "## limits")):
        limit = key.removeprefix("limits.")
        assert CEILINGS.get(limit) == number(limit, ceiling), key
        if limit != "cpu_time":  # it follows wall_time
            assert getattr(Limits(), LIMIT_KEYS[limit]) == number(limit, default), key

    ceilings = {key: cell for key, _, cell, *_ in rows(below(read("docs/policy.md"), "## Keys"))}
    assert str(DEFAULT_CELLS) == ceilings.pop("limits.cells").strip("`")
    for key in [key for key in ceilings if key.startswith("limits.")]:
        limit = key.removeprefix("limits.")
        assert CEILINGS.get(limit) == number(limit, ceilings[key].strip('`"')), key


def test_schema_keywords_are_those_that_the_reference_lists() -> None:
    """Ours: an allow-list that nobody can look up is a riddle."""
    listed = re.search(r"allow-list[^`]*`x-`: `([^`]+)`", read("docs/manifest.md"))
    assert listed is not None
    assert set(listed[1].split()) == KEYWORDS


@pytest.mark.parametrize("name", ["docs/manifest.md", "docs/writing-a-tool.md"])
def test_manifest_examples_are_manifests(name: str) -> None:
    """Style rule 22: the manifest examples in docs run in the test suite."""
    texts = manifests(name)
    assert len(texts) >= 2
    for text in texts:
        assert isinstance(parse_manifest(text, "/tools/example.toml"), Manifest)


def test_templates_make_what_the_reference_says() -> None:
    """Ours: the one command line that the reference writes out."""
    said = re.search(
        r"Called with `([^`]+)` this tool is started with `([^`]+)`", read("docs/manifest.md")
    )
    assert said is not None
    text = next(text for text in manifests("docs/manifest.md") if 'name = "find-text"' in text)
    manifest = parse_manifest(text, "/tools/find-text.toml")
    rendered = render(manifest.run, {"limit": 100, **json.loads(said[1])})
    assert isinstance(rendered, Rendered)
    assert said[2].split() == list(rendered.argv)


def test_policy_examples_are_policies(tmp_path: Path) -> None:
    """Style rule 22: so do those of the operator's file; the folders that they name exist here."""
    home = tmp_path.resolve()
    texts = toml_blocks("docs/policy.md")
    assert texts
    for number, text in enumerate(texts):
        for folder in re.findall(r'"~/([^"]+)"', text):
            (home / folder).mkdir(parents=True, exist_ok=True)
        file = home / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        around = Surroundings(
            cwd=str(home / "src/app"),
            home=str(home),
            config_dir=str(home / "config"),
            state_dir=str(home / "state"),
            cache_dir=str(home / "cache"),
            environ={},
        )
        policy = load_policy(Flags(policy_file=str(file)), around)
        assert policy.workspace == str(home / "src/app")


def test_glossary_lists_the_closed_unions_whole() -> None:
    """Design §2: one word for one thing."""
    terms = {
        row.split("|")[1].strip(): row
        for row in read("docs/glossary.md").splitlines()
        if row.startswith("| **")
    }
    assert {kind.__name__ for kind in get_args(Outcome)} == set(
        re.findall(r"`(\w+)`", terms["**outcome**"])
    )
    assert [level.value for level in PermissionLevel] == re.findall(
        r"`([\w-]+)`", terms["**level**"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_cited_tests_exist(name: str) -> None:
    """Issue: every test that a document cites exists."""
    for file, test in re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", read(name)):
        assert (ROOT / file).is_file(), file
        if test:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
            assert test in {each.name for each in tree.body if isinstance(each, kinds)}, test


def test_each_answer_names_what_pins_it() -> None:
    """Design §4: no promise without a keeper; an answer that has none says so."""
    questions = read("docs/rationale.md").split("\n## The code\n")[0]
    for answer in re.split(r"^### ", questions, flags=re.MULTILINE)[1:]:
        assert answer.startswith("Why ")
        assert "\nPinned by " in answer, answer.splitlines()[0]


def test_each_claim_names_what_pins_it() -> None:
    """Issue: each claim of the threat model stands with the test or the row that pins it."""
    claims = below(read("docs/threat-model.md"), "## Claims").split("### Compiled binaries")[0]
    lines = [line for line in claims.splitlines() if line.startswith("* ")]
    assert lines
    for line in lines:
        assert re.search(r"`(tests/[\w/]+\.py::\w+|network/[\w-]+)`", line), line


def test_claims_about_the_network_name_every_row_and_no_other() -> None:
    """Ours: an attack that is fought is claimed to be stopped, and the other way about."""
    named = set(re.findall(r"`(network/[\w-]+)`", read("docs/threat-model.md")))

    assert named == {row.id for row in ROWS[Section.NETWORK]}


@pytest.mark.parametrize("name", NAMES)
def test_named_files_exist(name: str) -> None:
    """Ours: a file that was renamed is renamed in the documents."""
    for file in re.findall(r"`((?:[\w-]+/)*[\w.-]+\.(?:py|md|schema\.json))`", read(name)):
        found = [base / file for base in (ROOT, SOURCE) if (base / file).is_file()]
        in_a_room = list(SOURCE.rglob(file)) if "/" not in file else []
        assert found or in_a_room, file


def test_agents_page_names_every_module_and_only_what_exists() -> None:
    """Issue: every path in the table exists, and every module of src is in it."""
    text = read("AGENTS.md")
    modules = {row[0] for row in rows(text.split("Below `src/preopen`")[1])}
    there = {
        str(path.relative_to(SOURCE))
        for pattern in ("*.py", "*.schema.json")
        for path in SOURCE.rglob(pattern)
    }
    assert there == modules, "write or remove the row of each module that differs, in AGENTS.md"
    folders = below(text, "## Where things are").split("Below `src/preopen`")[0]
    for path in re.findall(r"`([\w/-]+)`", folders):
        assert (ROOT / path).exists(), path


def test_agents_page_names_only_targets_that_make_has() -> None:
    """Ours: a command on the first page works."""
    makefile = read("Makefile")
    for target in re.findall(r"`make (\w+)`", read("AGENTS.md")):
        assert f"\n{target}:" in makefile, target


@pytest.mark.parametrize("name", NAMES)
def test_no_document_names_a_path_of_this_machine(name: str) -> None:
    """Ours: a path that exists on one machine helps nobody on another."""
    for path in {str(ROOT), str(Path.home()), tempfile.gettempdir(), "/work"} - {"/"}:
        found = re.search(rf"(?<![\w~.$}}]){re.escape(path)}(?![\w-])", read(name))
        assert found is None, f"{name} names {path}"
