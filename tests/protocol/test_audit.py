"""The audit log of a whole server: what a client's calls leave, and what a kill leaves."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import mcp_types as wire
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from preopen.trust.audit_verify import verify
from processes import children_of, gone
from served import Site, make_site

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site that serves the probe, with an operator's file of its own."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = make_site(tmp_path)
    site.add("module", kind="module")
    return site


def state_of(site: Site) -> Path:
    return Path(site.env["XDG_STATE_HOME"]) / "preopen"


def require(site: Site) -> None:
    """Have the operator's file say that no call may go unrecorded."""
    folder = Path(site.env["XDG_CONFIG_HOME"]) / "preopen"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preopen.toml").write_text('preopen = 1\naudit = "required"\n')


def records(site: Site) -> list[dict[str, Any]]:
    [file] = (state_of(site) / "audit").glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_calls_of_a_client_are_on_record_and_the_servers_end_is(site: Site) -> None:
    """Issue: one file per server process, one record per call, with the client that asked."""
    who = wire.Implementation(name="a tester", version="3")
    with anyio.fail_after(50):
        async with Client(site.parameters(), client_info=who) as client:
            await client.call_tool("module", {"words": ["read", "a.txt"]})
            await client.call_tool("module", {"word": "misspelt"})
            running = verify(state_of(site))
            [server] = [
                pid
                for pid in children_of(os.getpid())
                if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            ]
        await gone({server})
    start, good, bad, end = records(site)

    assert ((), ["running"]) == (running.faults, [each.state for each in running.files])
    assert (server, "end") == (start["pid"], end["kind"])
    assert ("a tester", "3") == (good["client"], good["client_version"])
    assert ["Returned", "InvalidArguments"] == [good["outcome"], bad["outcome"]]
    assert [f"read {site.work}"] == good["grants"]
    assert ((), ["ended"]) == (
        verify(state_of(site)).faults,
        [each.state for each in verify(state_of(site)).files],
    )


async def test_server_that_is_killed_in_a_call_leaves_the_calls_beginning(site: Site) -> None:
    """Issue: kill -9 in the middle; where every call must be recorded, this one is."""
    require(site)
    with anyio.fail_after(50), site.serving() as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for message in (
            {
                "id": 1,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "raw", "version": "0"},
                },
            },
            {"method": "notifications/initialized"},
            {
                "id": 2,
                "method": "tools/call",
                "params": {"name": "module", "arguments": {"words": ["spin", ""]}},
            },
        ):
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        server.stdin.flush()
        server.stdout.readline()
        while not any(each["kind"] == "begin" for each in records(site)):
            await anyio.sleep(0.01)
        server.send_signal(signal.SIGKILL)
        await anyio.to_thread.run_sync(server.wait)
    report = verify(state_of(site))

    assert ((), ["stopped"]) == (report.faults, [each.state for each in report.files])
    assert ["start", "begin"] == [each["kind"] for each in records(site)]


async def test_server_whose_log_cannot_be_written_says_so_once_and_runs_nothing(
    site: Site, tmp_path: Path
) -> None:
    """Issue: a loud line on stderr once; with "required" calls are refused."""
    require(site)
    state_of(site).mkdir(parents=True, mode=0o700, exist_ok=True)
    state_of(site).chmod(0o700)
    (state_of(site) / "audit").write_text("in the way")
    told = tmp_path / "told.txt"
    parameters: StdioServerParameters = site.parameters()
    with anyio.fail_after(50), told.open("w") as stderr:
        async with Client(stdio_client(parameters, errlog=stderr)) as client:
            results = [
                await client.call_tool("module", {"words": ["read", "a.txt"]}) for _ in range(3)
            ]
    lines = [line for line in told.read_text().splitlines() if "preopen: audit:" in line]

    assert [True, True, True] == [result.is_error for result in results]
    assert "the audit log cannot be written" in str(results[0].content)
    assert 1 == len(lines)
    assert "no call runs" in lines[0]
    assert str(state_of(site) / "audit") in lines[0]
