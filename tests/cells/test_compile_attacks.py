"""Binaries made to harm whoever compiles them: what comes of each, and that no server notices.

The whole way: a manifest with that binary → the tool as a server offers it → its first call.
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from cells import bombs
from lab import Lab
from preopen.errors import PreopenError
from preopen.policy.policy import Policy
from preopen.selftest.bombs import nested_loops
from preopen.serving.invocation import Answer, make_invoker
from preopen.shipped import MANIFESTS, shipped
from processes import children_of
from promises.harness import build_bytes, manifest, offer, said
from served import Site, make_site

Make: TypeAlias = Callable[[], bytes]
pytestmark = pytest.mark.anyio
LIMITS = '[limits]\nwall_time = "1s"\nmemory = "64MiB"\n'
# Without the built-in tools, whose first compiling takes longer than that of all attacks.
ALONE = [word for file in shipped(MANIFESTS).glob("*.toml") for word in ("--without", file.stem)]
# Of the server's peak memory, in bytes: four times the largest binary here, of 10 MB, which a
# server reads and checks. A compiler takes 2 GiB meanwhile.
GROWTH = 40 << 20

# When the tool is loaded: its first call never comes.
REFUSED_UNREAD: dict[str, tuple[Make, str]] = {
    "a cut module": (lambda: bombs.truncated(bombs.command()), "4 bytes are announced and 3 are"),
    "a cut component": (
        lambda: bombs.truncated(bombs.good_component()),
        "49 bytes are announced and 48 are",
    ),
    "random bytes": (bombs.random_bytes, "no wasm binary"),
    "imports that do not exist": (
        bombs.unknown_imports,
        '"env" "gone", which preopen does not offer',
    ),
}
# By the compiler, or by its end.
REFUSED: dict[str, tuple[Make, str]] = {
    "a body of 10 MB": (bombs.long_body, "function body size count exceeds limit"),
    "random code": (bombs.random_code, "function and code section have inconsistent lengths"),
    "a type too many": (partial(bombs.many_types, 1_000_001), "types count exceeds limit"),
    "1000 nested components": (bombs.nested_components, "count exceeds limit of 1000"),
    "data that claim 100 MB": (bombs.claimed_data, "unexpected end-of-file"),
    "a branch table too long": (
        partial(bombs.branch_tables, 1, 100_000),
        "exceeds the implementation limit",
    ),
    "loops in loops": (partial(nested_loops, 5_000), "killed by SIGABRT: memory allocation of"),
}
# Large, and good.
WORKING: dict[str, Make] = {
    "a body of 256 KiB": partial(bombs.long_body, 256 << 10),
    "100 000 functions": bombs.many_functions,
    "1 000 000 types": bombs.many_types,
    "branch tables": bombs.branch_tables,
    "100 000 nested blocks": bombs.deep_blocks,
    "90 nested components": partial(bombs.nested_components, 90),
    "a name that claims 100 MB": bombs.claimed_names,
}
# Compiled well; the call's own limits end it.
ENDED: dict[str, tuple[Make, str, str]] = {
    "a start function that spins": (bombs.spinning_start, "TimedOut", "wall_time"),
    "a memory of 4 GiB": (partial(bombs.huge_memory, 0x00, 1 << 16), "Trapped", "memory limits"),
    "a memory of 64 GiB": (partial(bombs.huge_memory, 0x04, 1 << 20), "Trapped", "memory limits"),
    "a table of 2**32 - 1": (bombs.huge_table, "Trapped", "table limits"),
    "90 memories": (bombs.sparse_data, "Trapped", "memory count too high"),
}


async def called(lab: Lab, folder: Path, data: bytes) -> Answer:
    """Return the answer of the first call of a tool with this binary.

    Raises:
        PreopenError: the tool is refused when it is loaded.

    """
    policy = Policy(workspace=None)
    tool = offer(manifest(build_bytes(folder, data), level="none", rest=LIMITS), policy)
    return await make_invoker(lab.pool, policy)(tool, {}, hear)


async def hear(_progress: str) -> None:
    """Hear of progress, and do nothing about it."""


@pytest.mark.parametrize("attack", REFUSED_UNREAD)
async def test_attack_is_refused_when_its_tool_is_loaded(
    zygote_lab: Lab, tmp_path: Path, attack: str
) -> None:
    """Issue: a clear Refusal, here before anything is compiled."""
    make, found = REFUSED_UNREAD[attack]
    with pytest.raises(PreopenError, match=re.escape(found)) as refused:
        await called(zygote_lab, tmp_path, make())

    assert ".wasm" in str(refused.value)
    assert all(fault.write for fault in refused.value.faults[:1])
    assert len(refused.value.faults) < 10


@pytest.mark.parametrize("attack", REFUSED)
async def test_attack_on_the_compiler_is_that_binarys_refusal(
    zygote_lab: Lab, tmp_path: Path, attack: str
) -> None:
    """Issue: bounded time and memory, a clear Refusal, and never in the server."""
    make, found = REFUSED[attack]
    answer = await called(zygote_lab, tmp_path, make())

    assert answer.reply.is_error
    assert answer.receipt.outcome == "Uncompilable"
    assert answer.receipt.cell == "none"
    assert found in said(answer)
    assert "Try again" not in said(answer)
    assert "`preopen check probe.toml`" in said(answer)
    assert ".wasm: " in said(answer)
    assert "; rebuild it" in said(answer)


@pytest.mark.parametrize("attack", WORKING)
async def test_large_and_good_binary_works(zygote_lab: Lab, tmp_path: Path, attack: str) -> None:
    """Issue, the other side: the compiler's bounds leave room for what is only large."""
    answer = await called(zygote_lab, tmp_path, WORKING[attack]())

    assert answer.receipt.outcome == "Returned", said(answer)


@pytest.mark.parametrize("attack", ENDED)
async def test_binary_that_compiles_well_is_ended_by_its_calls_limits(
    zygote_lab: Lab, tmp_path: Path, attack: str
) -> None:
    """Issue: huge declared memories and tables, and a start function that spins."""
    make, outcome, found = ENDED[attack]
    answer = await called(zygote_lab, tmp_path, make())

    assert answer.receipt.outcome == outcome, said(answer)
    assert found in said(answer)


def attacks_by_tool() -> dict[str, Make]:
    """Return every binary of this file that gets as far as a call, by the name of its tool."""
    made: list[Make] = [make for make, _ in REFUSED.values()]
    made += [make for make, *_ in ENDED.values()]
    made += WORKING.values()
    return {f"attack{number}": make for number, make in enumerate(made)}


def peak_memory(pid: int) -> int:
    """Return the most bytes that a process ever had in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


async def test_server_neither_grows_nor_dies_and_answers_beside_all_attacks(
    tmp_path: Path,
) -> None:
    """Issue: never in the server. All attacks at once, and a good tool's call after each."""
    with anyio.fail_after(55):
        (tmp_path / "calm").mkdir()
        calm = make_site(tmp_path / "calm")
        calm.add("good", level="none", more="")
        async with Client(calm.parameters(*ALONE)) as client:
            await call_good(client)
            before = peak_memory(server_of(calm))

        (tmp_path / "attacked").mkdir()
        site = make_site(tmp_path / "attacked")
        site.add("good", level="none", more="")
        attacks = attacks_by_tool()
        for name, make in attacks.items():
            text = manifest(build_bytes(site.tools, make()), level="none", rest=LIMITS)
            (site.tools / f"{name}.toml").write_text(text.replace('"probe"', f'"{name}"'))
        answered: dict[str, CallToolResult] = {}

        async def attack(client: Client, name: str) -> None:
            answered[name] = await client.call_tool(name, {})
            await call_good(client)

        async with Client(site.parameters(*ALONE)) as client:
            async with anyio.create_task_group() as tasks:
                for name in attacks:
                    tasks.start_soon(attack, client, name)
            after = peak_memory(server_of(site))

        assert set(answered) == set(attacks)
        failed = [name for name, result in answered.items() if result.is_error]
        assert len(failed) == len(REFUSED) + len(ENDED)
        assert after - before < GROWTH, (before, after)

        # The next server remembers: it answers without a compiler.
        crashed = f"attack{list(REFUSED).index('loops in loops')}"
        async with Client(site.parameters(*ALONE)) as client:
            again = await client.call_tool(crashed, {})
            await call_good(client)
        assert "remembered from the first try" in text_of(again)


async def call_good(client: Client) -> None:
    """Call the tool that is no attack; it must work."""
    result = await client.call_tool("good", {"words": ["print", "good"]})
    assert not result.is_error, text_of(result)
    assert text_of(result).startswith("good")


def text_of(result: CallToolResult) -> str:
    """Return the text of an answer."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def server_of(site: Site) -> int:
    """Return the pid of the server of a site."""
    wanted = [b"serve", os.fsencode(site.tools)]
    (pid,) = [
        pid
        for pid in children_of(os.getpid(), deep=False)
        if all(w in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for w in wanted)
    ]
    return pid
