"""`[limits]`: what every call is held to. Granted beside withheld, over both kinds of binary."""

import json
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from preopen.capability import CEILINGS
from preopen.cells.pool import Pool
from preopen.policy.policy import Policy
from preopen.serving.invocation import Answer
from preopen.serving.loading import load_registry
from preopen.trust.lock import AllOfThisRun
from promises.harness import Guest, build, call, call_tool, manifest, offer, probe, said, table

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

WRITES = table("[directory]", host="${workspace}", access="write")
MODULE = '(module {body} (func (export "_start") {code}))'
COMPONENT = """(component
  (core module $m {body} (func (export "run") (result i32) {code} (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $out)))"""
DEEP = """(func $down (param i32)
  (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))"""


def guest(folder: Path, kind: str, body: str = "", code: str = "") -> Guest:
    """Return a command of this kind that holds `body` and runs `code`."""
    text = {"module": MODULE, "component": COMPONENT}[kind]
    return build(folder, text.format(body=body, code=code))


async def run(pool: Pool, policy: Policy, kind: str, *words: str, **limits: str | int) -> Answer:
    """Return the answer of the probe, with a folder to write in, under these limits."""
    text = manifest(probe(kind), *words, rest=WRITES + table("limits", **limits))
    return await call(pool, policy, text)


@keeps("limits.wall_time", "granted")
async def test_guest_that_is_quick_enough_ends_well(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: `wall_time`."""
    assert "sleep 5: done\n" == said(await run(pool, policy, kind, "sleep", "5", wall_time="5s"))


@keeps("limits.wall_time", "withheld")
async def test_guest_that_sleeps_too_long_is_ended(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §3: SIGKILL is the deadline, in a host call as well."""
    answer = await run(pool, policy, kind, "sleep", "900", wall_time="200ms")

    assert "TimedOut" == answer.receipt.outcome
    assert 'wall_time = "200ms"' in said(answer)


@keeps("limits.cpu_time", "granted")
async def test_guest_that_sleeps_uses_no_cpu_time(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: `cpu_time` counts the processor's time, not the clock's."""
    answer = await run(pool, policy, kind, "sleep", "1100", cpu_time="1s")

    assert "Returned" == answer.receipt.outcome


@keeps("limits.cpu_time", "withheld")
async def test_guest_that_spins_is_ended(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: TimedOut, naming cpu."""
    answer = await run(pool, policy, kind, "spin", "", cpu_time="1s", wall_time="40s")

    assert 'cpu_time = "1s"' in said(answer)


@keeps("limits.memory", "granted")
async def test_memory_within_its_limit_is_given(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: `memory`."""
    assert "grow 40: done 40\n" == said(await run(pool, policy, kind, "grow", "40", memory="64MiB"))


@keeps("limits.memory", "withheld")
async def test_memory_past_its_limit_is_refused(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: by the Store's limits, and by RLIMIT_DATA behind them."""
    answer = await run(pool, policy, kind, "grow", "40", memory="16MiB")

    assert "grow 40: done" not in said(answer)


@pytest.mark.parametrize(
    ("stack", "outcome"),
    [
        pytest.param("2MiB", "Returned", marks=keeps("limits.stack", "granted")),
        pytest.param("512KiB", "Trapped", marks=keeps("limits.stack", "withheld")),
    ],
)
async def test_stack_is_as_deep_as_its_limit(
    pool: Pool, policy: Policy, tmp_path: Path, kind: str, *, stack: str, outcome: str
) -> None:
    """Design §5: one engine per value."""
    deep = guest(tmp_path, kind, DEEP, "(call $down (i32.const 40000))")
    answer = await call(pool, policy, manifest(deep, rest=table("limits", stack=stack)))

    assert outcome == answer.receipt.outcome


@pytest.mark.parametrize(
    ("elements", "outcome"),
    [
        pytest.param(1000, "Returned", marks=keeps("limits.table_elements", "granted")),
        pytest.param(999, "Trapped", marks=keeps("limits.table_elements", "withheld")),
    ],
)
async def test_table_is_as_long_as_its_limit(
    pool: Pool, policy: Policy, tmp_path: Path, kind: str, *, elements: int, outcome: str
) -> None:
    """Design §5: Store limits."""
    long = guest(tmp_path, kind, "(table 1000 funcref)")
    text = manifest(long, rest=table("limits", table_elements=elements))

    assert outcome == (await call(pool, policy, text)).receipt.outcome


@pytest.mark.parametrize(
    ("tables", "outcome"),
    [
        pytest.param(2, "Returned", marks=keeps("limits.tables", "granted")),
        pytest.param(1, "Trapped", marks=keeps("limits.tables", "withheld")),
    ],
)
async def test_tables_are_as_many_as_their_limit(
    pool: Pool, policy: Policy, tmp_path: Path, kind: str, *, tables: int, outcome: str
) -> None:
    """Design §5: Store limits."""
    two = guest(tmp_path, kind, "(table 1 funcref) (table 1 funcref)")
    text = manifest(two, rest=table("limits", tables=tables))

    assert outcome == (await call(pool, policy, text)).receipt.outcome


@pytest.mark.parametrize(
    ("instances", "outcome"),
    [
        pytest.param(2, "Returned", marks=keeps("limits.instances", "granted")),
        pytest.param(1, "Trapped", marks=keeps("limits.instances", "withheld")),
    ],
)
async def test_instances_are_as_many_as_their_limit(
    pool: Pool, policy: Policy, tmp_path: Path, instances: int, outcome: str
) -> None:
    """Design §5: Store limits. A component has several instances; a module is one."""
    one_more = "(core module $n) (core instance (instantiate $n)) (core module $m"
    two = build(tmp_path, COMPONENT.format(body="", code="").replace("(core module $m", one_more))
    text = manifest(two, rest=table("limits", instances=instances))

    assert outcome == (await call(pool, policy, text)).receipt.outcome


@keeps("limits.output", "granted")
async def test_output_up_to_its_limit_is_whole(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: `output`."""
    answer = await run(pool, policy, kind, "print", "swordfish", output=1000)

    assert "swordfishprint swordfish: done\n" == said(answer)


@keeps("limits.output", "withheld")
async def test_output_past_its_limit_ends_the_call(pool: Pool, policy: Policy, kind: str) -> None:
    """Design §5: counted in the cell, and capped in the server, which trusts no cell."""
    answer = await run(pool, policy, kind, "print", "swordfish", output=5)

    assert "OutputOverflow" == answer.receipt.outcome
    assert "swordfish" not in said(answer)


@pytest.mark.parametrize(
    ("size", "whole"),
    [
        pytest.param(1000, True, marks=keeps("limits.stderr", "granted")),
        pytest.param(100, False, marks=keeps("limits.stderr", "withheld")),
    ],
)
async def test_stderr_is_as_long_as_its_limit(
    pool: Pool, policy: Policy, kind: str, size: int, *, whole: bool
) -> None:
    """Design §5: cut in the cell, and capped in the server."""
    answer = await run(pool, policy, kind, "warn", "a" * 500, "exit", "2", stderr=size)

    _, _, stderr = said(answer).partition("\n\nprobe failed: ")  # behind what stdout held
    assert "aaa" in stderr
    assert whole == ("a" * 500 in stderr)


@pytest.mark.parametrize(
    ("size", "done"),
    [
        pytest.param("1MiB", True, marks=keeps("limits.file_size", "granted")),
        pytest.param(8, False, marks=keeps("limits.file_size", "withheld")),
    ],
)
async def test_file_is_as_long_as_its_limit(
    pool: Pool, policy: Policy, kind: str, size: str | int, *, done: bool
) -> None:
    """Design §5: the guest's own error, EFBIG."""
    answer = await run(pool, policy, kind, "write", "new.txt", file_size=size)

    assert done == ("write new.txt: done" in said(answer))


@pytest.mark.parametrize(
    ("most", "enough"),
    [
        pytest.param(400, True, marks=keeps("limits.open_files", "granted")),
        pytest.param(64, False, marks=keeps("limits.open_files", "withheld")),
    ],
)
async def test_open_files_are_as_many_as_their_limit(
    pool: Pool, policy: Policy, kind: str, most: int, *, enough: bool
) -> None:
    """Design §5: RLIMIT_NOFILE; the guest sees an error of its own."""
    answer = await run(pool, policy, kind, "open", "a.txt", open_files=most)
    opened = int(said(answer).split()[3])

    assert enough == (opened > 100)


async def second_call(pool: Pool, policy: Policy, **limits: int) -> Answer:
    """Return the answer of a call that comes while another of its tool runs."""
    rest = table("limits", **limits)
    slow = manifest(probe("module"), "sleep", "1500", rest=rest)
    quick = manifest(probe("module"), "env", "X", rest=rest)
    await pool.prepare(offer(slow, policy).source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, pool, policy, slow)
        while not pool.permits.running:
            await anyio.lowlevel.checkpoint()
        answer = await call(pool, policy, quick)
        tasks.cancel_scope.cancel()
    return answer


@pytest.mark.parametrize(
    ("concurrency", "outcome"),
    [
        pytest.param(2, "Returned", marks=keeps("limits.concurrency", "granted")),
        pytest.param(1, "Busy", marks=keeps("limits.concurrency", "withheld")),
    ],
)
async def test_calls_at_once_are_as_many_as_their_limit(
    pool: Pool, policy: Policy, concurrency: int, outcome: str
) -> None:
    """Design §5: Busy, with when to retry."""
    answer = await second_call(pool, policy, concurrency=concurrency, queue=0)

    assert outcome == answer.receipt.outcome


@pytest.mark.parametrize(
    ("queue", "outcome"),
    [
        pytest.param(1, "Returned", marks=keeps("limits.queue", "granted")),
        pytest.param(0, "Busy", marks=keeps("limits.queue", "withheld")),
    ],
)
async def test_calls_that_wait_are_as_many_as_their_limit(
    pool: Pool, policy: Policy, queue: int, outcome: str
) -> None:
    """Design §5: Busy, with when to retry."""
    answer = await second_call(pool, policy, concurrency=1, queue=queue)

    assert outcome == answer.receipt.outcome


@pytest.mark.parametrize(
    ("rate", "outcome"),
    [
        pytest.param(2, "Returned", marks=keeps("limits.rate", "granted")),
        pytest.param(1, "Busy", marks=keeps("limits.rate", "withheld")),
    ],
)
async def test_calls_in_a_minute_are_as_many_as_their_rate(
    pool: Pool, policy: Policy, kind: str, rate: int, outcome: str
) -> None:
    """Issue: Busy at once, with when to retry."""
    text = manifest(probe(kind), "env", "X", rest=table("limits", rate=rate))
    # The pool is shared by all tests, and the rate is a tool's.
    text = text.replace('"probe"', f'"{kind}-{rate}-a-minute"', 1)
    assert "Returned" == (await call(pool, policy, text)).receipt.outcome
    answer = await call(pool, policy, text)

    assert outcome == answer.receipt.outcome
    assert ("`rate = 2` under [limits] in probe.toml" in said(answer)) == (outcome == "Busy")


@pytest.mark.parametrize(
    ("fuel", "outcome"),
    [
        pytest.param(100_000, "Returned", marks=keeps("limits.fuel", "granted")),
        pytest.param(10_000, "OutOfFuel", marks=keeps("limits.fuel", "withheld")),
    ],
)
async def test_guest_goes_as_far_as_its_fuel(
    pool: Pool, policy: Policy, tmp_path: Path, kind: str, *, fuel: int, outcome: str
) -> None:
    """Issue: fuel, under its own compiled profile; the receipt says what was used."""
    goes = guest(tmp_path, kind, DEEP, "(call $down (i32.const 3000))")
    answer = await call(pool, policy, manifest(goes, rest=table("limits", fuel=fuel)))

    assert outcome == answer.receipt.outcome
    assert answer.receipt.usage.fuel_used is not None
    assert (answer.receipt.usage.fuel_used == fuel) == (outcome == "OutOfFuel")


@pytest.mark.parametrize(
    ("key", "body", "limit"),
    [
        ("memory", "(memory 3)", "64KiB"),
        ("table_elements", "(table 1000 funcref)", 999),
        ("tables", "(table 1 funcref) (table 1 funcref)", 1),
    ],
)
async def test_guest_that_a_store_refuses_is_told_which_limit_to_raise(
    pool: Pool, policy: Policy, tmp_path: Path, kind: str, *, key: str, body: str, limit: str | int
) -> None:
    """Issue: each end names the limit, its value and the key; in wasmtime's words of today."""
    refused = guest(tmp_path, kind, body)
    answer = await call(pool, policy, manifest(refused, rest=table("limits", **{key: limit})))

    assert f"That is its limit, {key} = {json.dumps(limit)}." in said(answer)
    assert f"write `{key} = " in said(answer)


async def test_limit_that_the_policy_lowered_is_named_with_that_value(
    pool: Pool, policy: Policy, kind: str
) -> None:
    """Ours: the value that the call was held to, and not what the manifest would have had."""
    low = replace(policy, ceilings={**CEILINGS, "stack": 512 << 10})
    said_first = said(await call(pool, policy, manifest(probe(kind), "recurse", "")))
    said_low = said(await call(pool, low, manifest(probe(kind), "recurse", "")))

    assert 'limit, stack = "1MiB"' in said_first
    assert 'limit, stack = "512KiB"' in said_low


async def test_file_that_grows_too_large_is_told_its_limit(pool: Pool, policy: Policy) -> None:
    """Issue: where a guest's own error tells the limit, the text says it; by the built-in tool."""
    write = load_registry(policy, AllOfThisRun()).tools["write"]
    held = replace(write.grants, limits=replace(write.grants.limits, file_size_bytes=8))
    tool = replace(write, grants=held)
    fits = await call_tool(pool, policy, tool, path="new.txt", content="12345678")
    larger = await call_tool(pool, policy, tool, path="new.txt", content="123456789")

    assert "Returned" == fits.receipt.outcome
    assert 'its limit, file_size = "8B". write is built in: to raise it' in said(larger)
