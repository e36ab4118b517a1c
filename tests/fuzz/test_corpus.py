import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wasmtime import wat2wasm

from fuzz import corpus
from fuzz.mutation import mutate
from fuzz.target import NAMES, load
from preopen.egress.addresses import Address
from preopen.egress.rule import EgressRule
from preopen.egress.rule import Target as Request
from preopen.level import PermissionLevel
from preopen.outcome import InvalidResult
from preopen.policy.policy import Policy
from preopen.policy.workspace_file import Beside, Held, narrow_beside
from preopen.serving.transports.framing import Line, LineSplitter
from preopen.tool.binary import BinaryFacts, read_facts
from preopen.tool.manifest import Manifest
from preopen.tool.parsing import parse_manifest
from preopen.tool.result import Check, Reply, TextBlock
from preopen.trust.audit_verify import Report
from preopen.trust.consent import Channel
from preopen.trust.lock import Lock, Pin, format_lock, parse_lock
from preopen.trust.standing import Always, Standing
from preopen.wire.frames import Reaped
from trust.definitions import made

WITH_IMPORT = bytes(wat2wasm('(module (import "a" "b" (func)))'))
REAPED = b'{"frame":"Reaped","cell":3,"status":9,"cpu_ms":1.5,"max_rss_bytes":0}'
REQUEST = b"https://a.example/x\nhttps://*.b.example\nhttps://xa.example/x\nGET\n\na.example\n/x"
LOCK = format_lock(Lock(pins={"t": Pin(definition=made({"tool": {"name": "t"}}), approved="")}))
LESS_LEVEL = LOCK.replace('"dangerous"', '"none"').encode()
ANSWER = b"""decisions = 1
[[always]]
tool = "t"
date = ""
subjects = ["a"]
why = []
granted = []
"""
ROOT = Path(__file__).parents[2]
MANIFEST = (ROOT / "tool_manifests" / "read.toml").read_bytes()
FILES = [pytest.param(n, f, id=f"{n}-{f.name}") for n in NAMES for f in corpus.files(n)]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_every_property_holds_for_a_kept_input(name: str, file: Path) -> None:
    """Issue: the corpus is kept, and replayed by make test; what was mended stays mended."""
    load(name).check(file.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_every_property_holds_for_a_seed(name: str) -> None:
    """Ours: a seed of each kind, so that real manifests are read as they are today."""
    target = load(name)
    for data in target.seeds():
        target.check(data)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(choice=st.integers(0, 10**6), seed=st.integers(0, 2**32), times=st.integers(1, 4))
@pytest.mark.parametrize("name", NAMES)
def test_every_property_holds_for_a_changed_input(
    name: str, choice: int, seed: int, times: int
) -> None:
    """Issue: any bytes: here those near the kept ones, where most readers get furthest."""
    target = load(name)
    kept = corpus.files(name)
    data = kept[choice % len(kept)].read_bytes()
    random = Random(seed)  # noqa: S311 - an input is no secret
    for _ in range(times):
        data = mutate(data, random, target.tokens)
    target.check(data)


@settings(max_examples=100)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@pytest.mark.parametrize("name", NAMES)
def test_every_property_holds_for_random_bytes(name: str, data: bytes) -> None:
    """Issue: any bytes, and any text."""
    load(name).check(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_corpus_stays_small_and_named_by_its_hashes(name: str) -> None:
    """Ours: it lies in every clone, and the same input found twice is one file."""
    kept = corpus.files(name)

    assert 0 < len(kept) <= corpus.MAX_FILES
    assert sum(file.stat().st_size for file in kept) <= corpus.MAX_TOTAL
    assert [] == [file.name for file in kept if file.name != corpus.name_of(file.read_bytes())]


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "fuzz", *map(str, words)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_that_a_crash_shows_runs_its_input_once(tmp_path: Path) -> None:
    """Issue: a failure can be seen again, with its property and without the engine."""
    kept = corpus.files("frames")[0]
    again = run("frames", "--replay", kept)
    absent = run("frames", "--replay", tmp_path / "absent")
    nobody = run("--replay", kept)

    assert (again.returncode, again.stdout) == (0, f"{kept}: every property of frames holds\n")
    assert absent.returncode == 1
    assert nobody.returncode == 2
    assert "need a target" in nobody.stderr


def test_an_input_that_reaches_nothing_new_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a corpus grows by what its inputs reach, not by what an engine writes."""
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    target = load("result")

    assert corpus.grow(target, [b"text\nab", b"text\nabc"]) == 1
    assert corpus.grow(target, [b"text\nabcd", b"image/png\nno"]) == 1
    assert corpus.read("result") == sorted([b"text\nab", b"image/png\nno"], key=corpus.name_of)


def read_without_last_import(data: bytes, place: str) -> BinaryFacts:
    facts = read_facts(data, place)
    return replace(facts, imports=facts.imports[:-1])


def decode_without_check(text: bytes, *_: object) -> Reaped:
    return Reaped(**{key: value for key, value in json.loads(text).items() if key != "frame"})


def splitter_of_stripped_lines(most: int) -> LineSplitter:
    class Stripping(LineSplitter):
        def feed(self, chunk: bytes) -> list[Line]:
            return super().feed(chunk.replace(b" ", b""))

    return Stripping(most)


def parse_with_spaced_name(text: bytes, file: str) -> Manifest:
    return replace(parse_manifest(text, file), name="a b")


def read_as_text(manifest: Manifest, stdout: bytes, check: Check) -> Reply | InvalidResult:
    del manifest, check
    return Reply(content=(TextBlock(text=stdout.decode("utf-8", "surrogateescape")),))


def match_by_end_of_host(rule: EgressRule, target: Request) -> bool:
    return target.host.endswith(rule.host.text)


def ask_alone(ask: EgressRule, ceiling: EgressRule) -> EgressRule:
    del ceiling
    return ask


def forbid_by_python_alone(address: Address, *, private: bool) -> str:
    return "" if private or address.is_global else "not global"


def parse_without_fingerprint(text: str, file: Path) -> Lock:
    document = tomllib.loads(text)
    for table in document["tools"].values():
        level = PermissionLevel(table["level"])
        table["fingerprint"] = made(json.loads(table["manifest"]), level=level).fingerprint
    return parse_lock(tomli_w.dumps(document), file)


def wait_for_nobody(*_: object) -> None:
    return


def read_no_answer(_file: Path) -> tuple[Always, ...]:
    return ()


class SaysYes(Standing):
    """Answers that are always yes."""

    def find(self, subjects: Iterable[str]) -> Channel | None:
        """Return a yes, whatever the file says."""
        del subjects
        return Channel.ALWAYS


def find_whole(_state_dir: Path) -> Report:
    return Report()


def hold_anything(*_: object) -> bool:
    return True


def narrow_and_open(policy: Policy, beside: Beside, held: Held) -> Policy:
    return replace(narrow_beside(policy, beside, held), cells=policy.cells + 1)


def narrow_and_forget(policy: Policy, beside: Beside, held: Held) -> Policy:
    del held
    return narrow_beside(policy, beside, {})


@pytest.mark.parametrize(
    ("name", "reader", "broken", "data"),
    [
        ("binary", "read_facts", read_without_last_import, WITH_IMPORT),
        ("frames", "decode", decode_without_check, REAPED.replace(b"1.5", b"NaN")),
        ("frames", "decode", decode_without_check, REAPED.replace(b"9", b"true")),
        ("transport", "LineSplitter", splitter_of_stripped_lines, b'{"method": 1}\n'),
        ("manifest", "parse_manifest", parse_with_spaced_name, MANIFEST),
        ("result", "read_reply", read_as_text, b"text\n\xff"),
        ("egress", "parse_host", str.upper, REQUEST),
        ("egress", "matches", match_by_end_of_host, REQUEST),
        ("egress", "intersect", ask_alone, REQUEST),
        ("lock", "parse_lock", parse_without_fingerprint, LESS_LEVEL),
        ("lock", "waiting", wait_for_nobody, LOCK.encode()),
        ("answers", "read_always", read_no_answer, ANSWER),
        ("answers", "Standing", SaysYes, b"decisions = 2"),
        ("audit", "verify", find_whole, b'["drop",2,1]'),
        ("audit", "verify", find_whole, b'["put",1,3]'),
        ("audit", "holds", hold_anything, b"{}"),
        ("workspace", "narrow_beside", narrow_and_open, b"preopen = 1"),
        (
            "workspace",
            "narrow_beside",
            narrow_and_forget,
            b'{"limits":{"cells":1}}\n{"limits":{"cells":5}}',
        ),
        ("egress", "forbidden", forbid_by_python_alone, b"\n\nhttp://[64:ff9b::7f00:1]"),
    ],
)
def test_a_reader_that_is_broken_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, reader: str, broken: object, data: bytes
) -> None:
    """Ours: properties that hold of any reader would hold nothing."""
    target = load(name)
    target.check(data)
    monkeypatch.setattr(f"fuzz.targets.{name}.{reader}", broken)

    with pytest.raises(AssertionError):
        target.check(data)
