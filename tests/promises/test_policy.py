"""`preopen.toml`: the operator's ceiling, from its text to what is offered and reached."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from lacking import write_entry
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.pool import Pool, open_pool
from preopen.cells.start import ZYGOTE
from preopen.errors import ManifestError, PolicyError, PreopenError
from preopen.level import PermissionLevel
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.loading import find_manifests, load_registry
from preopen.trust.lock import AllOfThisRun
from promises.harness import LostError, call, call_tool, manifest, offer, probe, said, table

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

READS = table("[directory]", host="${workspace}")
WRITES = table("[directory]", host="${workspace}", access="write")
LIMITS: dict[str, tuple[str | int, str | int]] = {  # what a manifest asks, and a lower ceiling
    "wall_time": ("20s", "19s"),
    "cpu_time": ("20s", "19s"),
    "memory": ("20MiB", "19MiB"),
    "stack": ("2MiB", "1MiB"),
    "table_elements": (20, 19),
    "tables": (20, 19),
    "instances": (20, 19),
    "output": (20, 19),
    "stderr": (20, 19),
    "file_size": (20, 19),
    "open_files": (20, 19),
    "concurrency": (2, 1),
    "queue": (20, 19),
    "rate": (20, 19),
    "fuel": (20, 19),
    "request_bytes": (20, 19),
    "response_bytes": (20, 19),
    "requests": (20, 19),
}


@pytest.fixture
def top(tree: Path) -> Path:
    """Make folders beside the workspace `work`: one to name, a home, one of manifests."""
    (tree.parent / "docs").mkdir()
    (tree.parent / "docs" / "d.txt").write_text("this is d\n")
    (tree.parent / "home").mkdir()
    (tree.parent / "tools").mkdir()
    (tree.parent / "tools" / "mine.toml").write_text(manifest(probe("module")))
    return tree.parent


def read(top: Path, text: str = "", *, workspace: str = "work") -> Policy:
    """Return the policy that `preopen.toml` says, started in the workspace."""
    file = top / "preopen.toml"
    path = json.dumps(str(top / workspace))
    file.write_text(text if "preopen =" in text else f"preopen = 1\nworkspace = {path}\n{text}")
    folders = {f"{name}_dir": str(top / ".own" / name) for name in ("config", "state", "cache")}
    around = Surroundings(cwd=str(top / "work"), home=str(top / "home"), environ={}, **folders)
    return load_policy(Flags(policy_file=str(file)), around)


@keeps("policy:preopen", "granted")
@keeps("policy:workspace", "granted")
async def test_workspace_is_what_tools_read(pool: Pool, top: Path, kind: str) -> None:
    """Design §6: `workspace`, which `${workspace}` stands for."""
    policy = read(top, workspace="docs")
    answer = await call(pool, policy, manifest(probe(kind), "read", "d.txt", rest=READS))

    assert "read d.txt: done this is d|\n" == said(answer)


@keeps("policy:preopen", "withheld")
async def test_another_format_of_the_operator_s_file_is_not_read(top: Path) -> None:
    """Design §6: unknown is an error."""
    with pytest.raises(PolicyError, match="preopen"):
        read(top, "preopen = 2\n")


@keeps("policy:workspace", "withheld")
async def test_folder_outside_of_the_workspace_is_refused(top: Path) -> None:
    """Design §5: it is dangerous, and the ceiling is `write` unless the operator says otherwise."""
    outside = table("[directory]", host=str(top / "docs"))
    with pytest.raises(ManifestError, match="outside of the workspace"):
        offer(manifest(probe("module"), level="dangerous", rest=outside), read(top))


@keeps("policy:workspace", "withheld")
async def test_home_folder_is_no_workspace(top: Path) -> None:
    """Design §6: never `/` or the home folder itself."""
    with pytest.raises(PreopenError, match="home folder"):
        offer(manifest(probe("module"), rest=READS), read(top, workspace="home"))


@keeps("policy:max_level", "granted")
async def test_tool_at_the_ceiling_is_offered(top: Path) -> None:
    """Design §6: `max_level`."""
    tool = offer(manifest(probe("module"), rest=WRITES), read(top, 'max_level = "write"'))

    assert tool.level is PermissionLevel.WRITE


@keeps("policy:max_level", "withheld")
async def test_tool_above_the_ceiling_is_refused(top: Path) -> None:
    """Design §6: tools above it are not offered."""
    with pytest.raises(ManifestError, match="--allow write"):
        offer(manifest(probe("module"), rest=WRITES), read(top, 'max_level = "read-only"'))


def served(policy: Policy) -> set[str]:
    """Return the names of the tools that are served, preopen's own left out."""
    found = [each for each in find_manifests(policy) if each.file.stem == "mine"]
    return set(load_registry(policy, AllOfThisRun(), found).tools)


@keeps("policy:tools.folders", "granted")
@keeps("policy:tools.without", "granted")
async def test_tool_of_a_listed_folder_is_served(top: Path) -> None:
    """Design §6: `tools.folders`; `without` names others."""
    text = table("tools", folders=[str(top / "tools")], without=["another"])

    assert {"probe"} == served(read(top, text))


@keeps("policy:tools.folders", "withheld")
async def test_tool_of_another_folder_is_not_served(top: Path) -> None:
    """Design §6: only what the operator listed is looked into."""
    assert set() == served(read(top))


@keeps("policy:tools.without", "withheld")
async def test_tool_that_the_operator_left_out_is_not_served(top: Path) -> None:
    """Design §6: `tools.without`."""
    text = table("tools", folders=[str(top / "tools")], without=["probe"])

    assert set() == served(read(top, text))


NAMED = table("[directory]", host="${workspace}") + table("[directory]", host="${docs}")


@pytest.mark.parametrize("written", ["{}", "{{ path = {} }}"])
@keeps("policy:folders", "granted")
@keeps("policy:folders.*.path", "granted")
async def test_named_folder_is_read(pool: Pool, top: Path, kind: str, written: str) -> None:
    """Design §6: `${docs}` in a manifest."""
    docs = top / "docs"
    policy = read(top, f"[folders]\ndocs = {written.format(json.dumps(str(docs)))}\n")
    answer = await call(pool, policy, manifest(probe(kind), "read", f"{docs}/d.txt", rest=NAMED))

    assert f"read {docs}/d.txt: done this is d|\n" == said(answer)


@keeps("policy:folders", "withheld")
async def test_folder_that_nobody_named_is_refused(top: Path) -> None:
    """Design §5: an undefined variable is a Refusal."""
    with pytest.raises(ManifestError, match=r"docs\} is not defined"):
        offer(manifest(probe("module"), rest=NAMED), read(top))


@keeps("policy:folders.*.path", "withheld")
async def test_named_folder_opens_nothing_beside_it(top: Path) -> None:
    """Design §5: the folder of that path, and no other."""
    beside = table("[directory]", host=str(top / "home"))
    policy = read(top, f"[folders]\ndocs = {{ path = {json.dumps(str(top / 'docs'))} }}\n")
    with pytest.raises(ManifestError, match="outside of the workspace"):
        offer(manifest(probe("module"), level="dangerous", rest=beside), policy)


DOCS_TO_WRITE = table("[directory]", host="${docs}", access="write")


def with_docs(top: Path, access: str) -> Policy:
    """Return the policy that opens `docs` with this access."""
    path = json.dumps(str(top / "docs"))
    folder = f'[folders]\ndocs = {{ path = {path}, access = "{access}" }}\n'
    return read(top, folder + table("decide", **{"write-in-folders": "allow"}))


@keeps("policy:folders.*.access", "granted")
async def test_named_folder_to_write_is_written(pool: Pool, top: Path, kind: str) -> None:
    """Design §6: `access = "write"`."""
    text = manifest(probe(kind), "write", "new.txt", rest=DOCS_TO_WRITE)
    answer = await call(pool, with_docs(top, "write"), text)

    assert "write new.txt: done\n" == said(answer)


@keeps("policy:folders.*.access", "withheld")
async def test_named_folder_to_read_is_never_written(top: Path) -> None:
    """Design §6: to read by default; a tool that asks to write is refused."""
    with pytest.raises(ManifestError):
        offer(manifest(probe("module"), rest=DOCS_TO_WRITE), with_docs(top, "read"))


SUBFOLDER = table("[directory]", host="${workspace}/${part}")


@keeps("policy:variables", "granted")
async def test_variable_is_expanded(pool: Pool, top: Path, kind: str) -> None:
    """Design §5: `${NAME}` comes from `preopen.toml`."""
    policy = read(top, table("variables", part="sub"))
    answer = await call(pool, policy, manifest(probe(kind), "ls", ".", rest=SUBFOLDER))

    assert "ls .: done c.txt\n" == said(answer)


@keeps("policy:variables", "withheld")
async def test_variable_that_nobody_defined_is_refused(top: Path) -> None:
    """Design §5: nothing comes from the environment; an undefined one is a Refusal."""
    with pytest.raises(ManifestError, match=r"part\} is not defined"):
        offer(manifest(probe("module"), rest=SUBFOLDER), read(top))


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=keeps(f"policy:limits.{key}", "granted")) for key in LIMITS]
)
async def test_limit_at_its_ceiling_is_given(top: Path, key: str) -> None:
    """Design §5: a tool may ask up to the ceiling."""
    asked, _ = LIMITS[key]
    text = manifest(probe("module"), rest=table("limits", **{key: asked}))

    assert offer(text, read(top, table("limits", **{key: asked}))).name == "probe"


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=keeps(f"policy:limits.{key}", "withheld")) for key in LIMITS]
)
async def test_limit_above_its_ceiling_is_refused(top: Path, key: str) -> None:
    """Design §5: asking above the ceiling is a Refusal."""
    asked, ceiling = LIMITS[key]
    text = manifest(probe("module"), rest=table("limits", **{key: asked}))
    with pytest.raises(ManifestError, match=rf"limits\.{key}"):
        offer(text, read(top, table("limits", **{key: ceiling})))


@pytest.mark.parametrize(
    ("cells", "outcome"),
    [
        pytest.param(2, "Returned", marks=keeps("policy:limits.cells", "granted")),
        pytest.param(1, "Busy", marks=keeps("policy:limits.cells", "withheld")),
    ],
)
async def test_calls_over_all_tools_are_as_many_as_their_limit(
    pool: Pool, top: Path, cells: int, outcome: str
) -> None:
    """Design §6: cells = total at once."""
    policy = read(top, table("limits", cells=cells))
    rest = table("limits", queue=0)
    slow = manifest(probe("module"), "sleep", "1500", rest=rest)
    quick = manifest(probe("module"), "env", "X", rest=rest).replace('"probe"', '"other"')
    async with (
        open_pool(ZygoteLauncher(), pool.cache, cells=policy.cells, spares=1) as small,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(call, small, policy, slow)
        while not small.permits.running:
            await anyio.lowlevel.checkpoint()
        answer = await call(small, policy, quick)
        tasks.cancel_scope.cancel()

    assert outcome == answer.receipt.outcome
    assert ("`cells = 2` under [limits] in preopen.toml" in said(answer)) == (outcome == "Busy")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        pytest.param(
            "[cells.probe]\ncalls_per_cell = 2\n",
            "tool",
            marks=keeps("policy:cells.*.calls_per_cell", "granted"),
        ),
        pytest.param("", "call", marks=keeps("policy:cells.*.calls_per_cell", "withheld")),
    ],
)
async def test_cell_serves_as_many_calls_as_the_operator_says(
    pool: Pool, top: Path, kind: str, text: str, cell: str
) -> None:
    """Design §3: nothing becomes tool-bound by being hot; the receipt says which."""
    policy = read(top, text)
    tool = offer(manifest(probe(kind), "env", "X"), policy)
    cells = [(await call_tool(pool, policy, tool)).receipt.cell for _ in range(2)]

    assert [cell, cell] == cells


@asynccontextmanager
async def without_landlock(
    pool: Pool, policy: Policy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pool]:
    """Open a pool on a machine that lacks Landlock; each layer that the policy requires counts."""
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    entry = write_entry(folder, ZYGOTE, "landlock", switch=folder)
    launcher = ZygoteLauncher(entry=entry, required=policy.required_layers)
    async with open_pool(launcher, pool.cache, cells=4, spares=0) as own:
        yield own


@keeps("policy:wall.require", "granted")
async def test_layer_that_is_required_and_there_lets_tools_run(
    pool: Pool, top: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: `--require-wall LAYER`; another layer may be missing."""
    policy = read(top, table("wall", require=["seccomp", "namespaces"]))
    async with without_landlock(pool, policy, top, monkeypatch) as own:
        answer = await call(own, policy, manifest(probe(kind), "env", "X"))

    assert "Returned" == answer.receipt.outcome


@keeps("policy:wall.require", "withheld")
async def test_no_tool_runs_without_a_layer_that_is_required(
    pool: Pool, top: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: `--require-wall LAYER`; every process that cells come from is asked."""
    policy = read(top, table("wall", require=["seccomp", "landlock"]))
    lost = ""
    async with without_landlock(pool, policy, top, monkeypatch) as own:
        try:
            await call(own, policy, manifest(probe(kind), "env", "X"))
        except LostError as error:
            lost = str(error)

    assert "requires layers of the wall that this machine lacks: landlock (" in lost
