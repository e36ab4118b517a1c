"""How a call is put and read back: `[run]`, `[input]`, `[output]`. Granted beside withheld."""

from pathlib import Path

import pytest

from preopen.cells.pool import Pool
from preopen.errors import ManifestError
from preopen.level import PermissionLevel
from preopen.policy.policy import Policy
from promises.harness import build, call, manifest, offer, probe, said, table

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

FOLDER = table("[directory]", host="${workspace}")
# A command that prints what it holds, and nothing else.
PRINTS = """(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\08\\00\\00\\00{length}\\00\\00\\00{text}")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 4096)))))"""
NO_COMMAND = {
    "module": '(module (func (export "run")))',
    "component": "(component)",
}


def printing(folder: Path, text: str, **run: str) -> str:
    """Return the manifest of a command that prints this text."""
    escaped = text.replace('"', '\\"')
    return manifest(build(folder, PRINTS.format(length=f"\\{len(text):02x}", text=escaped)), **run)


@keeps("run.interface", "granted")
async def test_command_is_called_as_one(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: `command` is `wasi:cli/run` or `_start`."""
    answer = await call(pool, policy, manifest(probe(kind), "env", "X", interface="command"))

    assert "Returned" == answer.receipt.outcome


@keeps("run.interface", "withheld")
async def test_binary_without_a_command_is_refused(
    policy: Policy, tmp_path: Path, kind: str
) -> None:
    """Design §5: the interface that is asked for is there, or the tool is not offered."""
    with pytest.raises(ManifestError, match=r"run\.interface"):
        offer(manifest(build(tmp_path, NO_COMMAND[kind]), interface="command"), policy)


@keeps("run.export", "granted")
async def test_export_is_understood_and_comes_later(policy: Policy) -> None:
    """Ours: a key of the format that no release serves yet is refused by name, not as unknown."""
    with pytest.raises(ManifestError) as refused:
        offer(manifest(probe("component"), interface="export", export="read-file"), policy)

    assert ["run.interface"] == [fault.key for fault in refused.value.faults]


@keeps("run.export", "withheld")
async def test_export_is_not_called(policy: Policy) -> None:
    """Ours: until typed exports are served, a manifest that asks for one offers nothing."""
    with pytest.raises(ManifestError, match="later release"):
        offer(manifest(probe("component"), interface="export", export="read-file"), policy)


@keeps("run.args", "granted")
async def test_template_puts_an_argument_into_the_call(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design §5: `{x}` is replaced inside one element and never splits it."""
    text = manifest(probe(kind), "args", "--", "{word}", arguments="word")
    answer = await call(pool, policy, text, word="-a b'c")

    assert "args --: done probe|args|--|-a b'c\n-a b'c : InvalidInput\n" == said(answer)


@keeps("run.args", "withheld")
async def test_argument_without_a_template_stays_outside(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design §5: the guest gets what the templates say, no more."""
    text = manifest(probe(kind), "args", "", arguments="word")
    answer = await call(pool, policy, text, word="swordfish")

    assert "swordfish" not in said(answer)


@keeps("run.args", "withheld")
async def test_argument_never_becomes_an_option(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: a leading "-" is refused unless the manifest wrote "--" before it."""
    text = manifest(probe(kind), "args", "{word}", arguments="word")
    answer = await call(pool, policy, text, word="--delete")

    assert ("Denied", "none") == (answer.receipt.outcome, answer.receipt.cell)


@keeps("run.args", "withheld")
async def test_placeholder_of_no_argument_is_refused(policy: Policy) -> None:
    """Design §5: an unknown placeholder is a ManifestError."""
    with pytest.raises(ManifestError, match=r"run\.args"):
        offer(manifest(probe("module"), "args", "{nobody}"), policy)


@keeps("run.stdin", "granted")
async def test_stdin_holds_what_its_template_says(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: a template such as "{code}"."""
    text = manifest(probe(kind), "stdin", "", stdin="{code}", arguments="code")
    answer = await call(pool, policy, text, code="swordfish")

    assert "stdin : done swordfish\n" == said(answer)


@keeps("run.stdin", "withheld")
async def test_stdin_is_empty_by_default(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: `stdin = "none"`."""
    text = manifest(probe(kind), "stdin", "", arguments="code")
    answer = await call(pool, policy, text, code="swordfish")

    assert "stdin : done\n" == said(answer)


@keeps("run.stdout", "granted")
async def test_json_that_was_promised_is_structured(
    pool: Pool, policy: Policy, tmp_path: Path
) -> None:
    """Design §5: an object becomes `structuredContent`."""
    answer = await call(pool, policy, printing(tmp_path, '{"n":1}', stdout="json"))

    assert {"n": 1} == answer.reply.structured


@pytest.mark.parametrize("promised", ["json", "envelope", "image/png"])
@keeps("run.stdout", "withheld")
async def test_result_that_is_not_what_was_promised_stays_inside(
    pool: Pool, policy: Policy, tmp_path: Path, promised: str
) -> None:
    """Design §5: anything else is InvalidResult."""
    answer = await call(pool, policy, printing(tmp_path, "swordfish", stdout=promised))

    assert "InvalidResult" == answer.receipt.outcome
    assert "swordfish" not in said(answer)


@keeps("run.paths", "granted")
async def test_path_inside_the_grant_is_resolved(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: the template gets the path relative to the first directory."""
    text = manifest(probe(kind), "read", "{path}", arguments="path", rest=FOLDER, paths=["path"])
    answer = await call(pool, policy, text, path=f"{policy.workspace}/sub/../a.txt")

    assert "read a.txt: done this is a|\n" == said(answer)


@keeps("run.paths", "withheld")
async def test_path_outside_of_the_grant_is_denied(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: a Denial before a cell is touched."""
    text = manifest(probe(kind), "read", "{path}", arguments="path", rest=FOLDER, paths=["path"])
    answer = await call(pool, policy, text, path="../secret.txt")

    assert ("Denied", "none") == (answer.receipt.outcome, answer.receipt.cell)


@keeps("run.exit_ok", "granted")
async def test_exit_code_that_is_listed_is_no_error(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: such as grep's 1 for "no match"."""
    answer = await call(pool, policy, manifest(probe(kind), "exit", "1", exit_ok=[0, 1]))

    assert ("Returned", False) == (answer.receipt.outcome, answer.reply.is_error)


@keeps("run.exit_ok", "withheld")
async def test_exit_code_that_is_not_listed_is_an_error(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Design §5: 0 alone by default."""
    answer = await call(pool, policy, manifest(probe(kind), "exit", "1"))

    assert ("Exited", True) == (answer.receipt.outcome, answer.reply.is_error)


@keeps("run.executes", "granted")
async def test_interpreter_is_offered_as_one() -> None:
    """Design §5: `execute` for tools that run code from their arguments."""
    policy = Policy(workspace=None, max_level=PermissionLevel.EXECUTE)
    tool = offer(manifest(probe("module"), level="execute", executes=True), policy)

    assert (True, PermissionLevel.EXECUTE) == (tool.grants.executes, tool.level)


@keeps("run.executes", "withheld")
async def test_interpreter_above_the_operator_s_level_is_refused(policy: Policy) -> None:
    """Design §5: above the ceiling of `--allow` it is not offered; the default is `write`."""
    with pytest.raises(ManifestError, match="runs code from the arguments"):
        offer(manifest(probe("module"), level="execute", executes=True), policy)


@keeps("input", "granted")
async def test_arguments_that_fit_are_called_with(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: JSON Schema of the arguments."""
    text = manifest(probe(kind), "env", "{name}", arguments="name")

    assert "env X: done (unset)\n" == said(await call(pool, policy, text, name="X"))


@pytest.mark.parametrize("arguments", [{"name": 5}, {"name": "X", "more": "Y"}])
@keeps("input", "withheld")
async def test_arguments_that_do_not_fit_start_no_guest(
    pool: Pool, policy: Policy, arguments: dict[str, object]
) -> None:
    """Design §5: `additionalProperties = false` is implied."""
    text = manifest(probe("module"), "env", "{name}", arguments="name")
    answer = await call(pool, policy, text, **arguments)

    assert ("InvalidArguments", "none") == (answer.receipt.outcome, answer.receipt.cell)


OUTPUT = table("output", type="object") + table("output.properties.n", type="integer")


@keeps("output", "granted")
async def test_result_that_fits_its_schema_leaves(
    pool: Pool, policy: Policy, tmp_path: Path
) -> None:
    """Design §5: JSON Schema of a json result."""
    answer = await call(pool, policy, printing(tmp_path, '{"n":1}', stdout="json", rest=OUTPUT))

    assert {"n": 1} == answer.reply.structured


@keeps("output", "withheld")
async def test_result_that_does_not_fit_stays_inside(
    pool: Pool, policy: Policy, tmp_path: Path
) -> None:
    """Design §5: checked before it leaves."""
    answer = await call(pool, policy, printing(tmp_path, '{"n":"x"}', stdout="json", rest=OUTPUT))

    assert "InvalidResult" == answer.receipt.outcome
    assert answer.reply.structured is None
