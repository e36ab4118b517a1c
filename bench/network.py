"""One guest's GET through the gateway, beside the same by the host's HTTP client, in one run.

Usage: python -m bench.network [RUNS]
"""

import asyncio
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import httpx2

from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.pool import open_pool
from preopen.policy.network import NetworkPolicy, read_private
from preopen.policy.policy import Policy
from preopen.serving.invocation import Invoker, make_invoker
from preopen.serving.loading import load_tool
from preopen.serving.registry import Tool
from preopen.shipped import WASM, shipped
from preopen.tool.parsing import parse_manifest

SIZES: Final = {"1 KB": 1000, "10 MB": 10_000_000}
PAUSE_S: Final = 0.02  # between two calls: the next cell is warm again, as it is between an agent's
CHUNK: Final = 1 << 16


async def serve_web() -> None:
    """Serve `/BYTES` on a loopback port, and print the port: a process of its own, as webs are."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.split(b" ", 2)[1][1:])
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size)
        for start in range(0, size, CHUNK):
            writer.write(b"x" * min(CHUNK, size - start))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


@contextmanager
def web() -> Iterator[str]:
    """Start the web; the base URL."""
    command = [sys.executable, "-m", "bench.network", "web"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def policy_for(base: str, *, calls_per_cell: int = 1) -> Policy:
    """Return a policy that opens the web of this run."""
    rules, faults = read_private([(base, "bench", "")])
    assert not faults, faults
    return Policy(
        workspace=None,
        calls_per_cell={"courier": calls_per_cell},
        network=NetworkPolicy(private=rules),
    )


def courier(policy: Policy) -> Tool:
    """Return the tool that downloads one URL and says how much came."""
    binary = shipped(WASM) / "courier/courier.wasm"
    sha256 = hashlib.sha256(binary.read_bytes()).hexdigest()
    text = f"""
manifest = 1
[tool]
name = "courier"
title = "Courier"
description = "Downloads."
level = "read-only"
[binary]
path = "{binary}"
sha256 = "{sha256}"
[run]
args = ["get", "{{url}}"]
[input]
properties.url = {{ type = "string" }}
[[egress]]
allow = "${{egress}}"
narrow_to = "url"
"""
    return load_tool(parse_manifest(text, "/bench/courier.toml"), policy, ())


async def by_guest(invoke: Invoker, tool: Tool, url: str) -> int:
    """Download by the guest; the bytes that the gateway passed on."""

    async def hear(_text: str) -> None: ...

    answer = await invoke(tool, {"url": url}, hear)
    (request,) = answer.receipt.requests
    assert request.result == "200", answer
    return request.response_bytes


async def by_client(client: httpx2.AsyncClient, url: str) -> int:
    """Download by the host's client, over a connection of its own, as the guest's is."""
    return len((await client.get(url, headers={"connection": "close"})).content)


async def lap(runs: int, size: int, get: Callable[[], Awaitable[int]]) -> list[float]:
    """Return how long each of so many downloads took, in milliseconds."""
    laps = []
    for _ in range(runs):
        await anyio.sleep(PAUSE_S)
        started = time.perf_counter()
        assert await get() == size
        laps.append((time.perf_counter() - started) * 1000)
    return laps


async def main(runs: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, web() as base:
        cache = Cache(Path(folder, "cache"), Path(folder, "state", "cache.key"), compile_binary)
        launcher = ZygoteLauncher()
        launcher.start()
        async with (
            open_pool(launcher, cache, cells=4) as pool,
            httpx2.AsyncClient(trust_env=False) as client,
        ):
            policies = {
                "a guest, in a cell of its own": policy_for(base),
                "a guest, in its tool's cell": policy_for(base, calls_per_cell=100),
            }
            tool = courier(policy_for(base))
            invokers = {name: make_invoker(pool, policy) for name, policy in policies.items()}
            for name, size in SIZES.items():
                url = f"{base}/{size}"
                laps = {"the host's client": await lap(runs, size, partial(by_client, client, url))}
                for who, invoke in invokers.items():
                    await by_guest(invoke, tool, f"{base}/1")  # compiled and warm
                    laps[who] = await lap(runs, size, partial(by_guest, invoke, tool, url))
                say(name, size, laps)


def say(name: str, size: int, laps: dict[str, list[float]]) -> None:
    """Print one size's rows; the first one, the host's client, is the baseline."""
    print(f"\nGET of {name}, medians")
    base = statistics.median(next(iter(laps.values())))
    for who, times in laps.items():
        took = statistics.median(times)
        print(f"  {who:30} {took:8.2f} ms  {size / took / 1000:8.1f} MB/s  {took / base:5.2f}x")


if __name__ == "__main__":
    loop = {"use_uvloop": True}  # as `preopen serve` runs
    if sys.argv[1:] == ["web"]:
        anyio.run(serve_web, backend_options=loop)
    else:
        anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 50, backend_options=loop)
