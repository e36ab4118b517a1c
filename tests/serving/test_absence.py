"""What is on record of a call of a tool that is not offered, and what its client is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import anyio
import mcp_types as wire
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from preopen.level import PermissionLevel
from preopen.outcome import JsonValue
from preopen.policy.auditing import AuditMode
from preopen.policy.decisions import Decision, Decisions
from preopen.policy.policy import Policy
from preopen.serving.absence import why_absent
from preopen.serving.current import Current
from preopen.serving.loading import load_registry
from preopen.serving.recording import Recorder
from preopen.serving.server import INSTRUCTIONS, make_server
from preopen.trust.audit import AuditLog
from preopen.trust.audit_verify import verify
from preopen.trust.lock import Lock
from served import Site, make_site

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
VALUE = "hush-hush-hush"
UNLIMITED = Policy(workspace=None)
BARRED = Policy(workspace=None, barred=frozenset({"hash"}), workspace_file="/w/preopen.toml")
DENIED = Decisions(tools={"hash": Decision.DENY})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = make_site(tmp_path)
    site.add("mine")
    return site


def current(site: Site, policy: Policy = UNLIMITED) -> Current:
    """Serve the built-in tools under a policy; of the user's, `mine` waits for approval."""
    made = replace(policy, workspace=str(site.work), tool_folders=(str(site.tools),))

    async def never(*_: object) -> NoReturn:
        pytest.fail("a tool that is not offered was invoked")

    return Current(policy=made, registry=load_registry(made, Lock()), invoke=never)


def recorder(site: Site, mode: AuditMode = AuditMode.ON, *, keeps_values: bool = False) -> Recorder:
    log = AuditLog(state_dir=site.top / "state", keeps_values=keeps_values)
    return Recorder(log=log, mode=mode)


def records(site: Site) -> list[dict[str, Any]]:
    """Return what is on record but for the beginnings of files."""
    files = sorted((site.top / "state" / "audit").glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [each for each in lines if each["kind"] != "start"]


async def refused(
    served: Current, made: Recorder, name: str, era: str = "2026-07-28", **arguments: JsonValue
) -> str:
    """Return what a client is told that calls a tool which is not offered."""
    server = make_server(lambda: served, instructions=INSTRUCTIONS, recorder=made)
    who = wire.Implementation(name="prober", version="7")
    with anyio.fail_after(5):
        async with Client(server, mode=era, client_info=who) as client:
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, arguments)
    assert wire.INVALID_PARAMS == caught.value.code
    return str(caught.value)


@both_eras
async def test_call_of_a_tool_that_is_not_offered_is_on_record_with_who_called(
    site: Site, era: str
) -> None:
    """Issue: an agent that probes for tools is seen: client, name as it was said, and why."""
    await refused(current(site), recorder(site), "de\nlete", era, path=VALUE)
    [record] = records(site)

    assert ("call", "NotOffered") == (record["kind"], record["outcome"])
    assert ("prober", "7", "de\nlete") == (
        record["client"],
        record["client_version"],
        record["tool"],
    )
    assert ("", "") == (record["level"], record["sha256"])
    assert ["there is no tool of this name"] == [each["reason"] for each in record["denials"]]
    assert {"path": len(VALUE) + 2} == record["arguments"]
    assert VALUE not in json.dumps(record)


async def test_values_are_on_record_where_they_are_kept(site: Site) -> None:
    """Issue: nothing of the arguments' values unless `audit_values`."""
    await refused(current(site), recorder(site, keeps_values=True), "delete", path=VALUE)
    [record] = records(site)

    assert {"path": f'"{VALUE}"'} == record["values"]


async def test_name_as_long_as_a_message_is_cut(site: Site) -> None:
    """Ours: a record of a call that ran nothing is no larger for what its client made up."""
    await refused(current(site), recorder(site), "x" * 100_000)
    [file] = (site.top / "state" / "audit").glob("*.jsonl")
    _, line = file.read_bytes().splitlines()

    assert "x" * 128 == json.loads(line)["tool"]
    assert len(line) < 1500


@pytest.mark.parametrize(
    ("name", "policy", "why"),
    [
        ("hash", Policy(workspace=None, max_level=PermissionLevel.NONE), "not offered: "),
        ("hash", Policy(workspace=None, decisions=(DENIED,)), "not offered: "),
        ("mine", UNLIMITED, "quarantined: it is new"),
        ("hash", Policy(workspace=None, without=frozenset({"hash"})), "left out by --without"),
        ("hash", BARRED, "left out by /w/preopen.toml"),
    ],
)
async def test_record_says_why_the_tool_is_not_offered(
    site: Site, name: str, policy: Policy, why: str
) -> None:
    """Issue: above the level, denied by [decide], quarantined, left out by either file."""
    told = await refused(current(site, policy), recorder(site), name)
    [record] = records(site)
    [denial] = record["denials"]

    assert why in denial["reason"]
    assert name == record["tool"]
    assert denial["reason"] not in told


def test_reason_of_a_refused_tool_names_place_and_way_out(site: Site) -> None:
    """Ours: what a denial says names the place, the thing found, and what to write."""
    served = current(site, Policy(workspace=None, max_level=PermissionLevel.NONE))
    denial = why_absent(served, "hash")
    [tool] = [each for each in served.registry.refused if each.name == "hash"]

    assert tool.faults[0].place in denial.reason
    assert tool.faults[0].write == denial.allow != ""


@pytest.mark.parametrize("mode", list(AuditMode))
async def test_refusal_stands_where_it_cannot_be_recorded(
    site: Site, mode: AuditMode, caplog: pytest.LogCaptureFixture
) -> None:
    """Issue: where every call must be recorded the answer is still the refusal."""
    (site.top / "state").mkdir(mode=0o755)
    made = recorder(site, mode)

    assert "there is no tool 'delete'" in await refused(current(site), made, "delete")
    assert 1 == sum("preopen: audit: " in each.getMessage() for each in caplog.records)
    (site.top / "state").chmod(0o700)
    await refused(current(site), made, "again")
    assert ["missed", "call"] == [each["kind"] for each in records(site)]


async def test_flood_of_such_calls_is_a_whole_log(site: Site) -> None:
    """Issue: a client may send thousands; files rotate, and every record is in one of them."""
    log = AuditLog(state_dir=site.top / "state", keeps_values=False, max_bytes=20_000)
    made = Recorder(log=log, mode=AuditMode.REQUIRED)
    server = make_server(lambda: served, instructions=INSTRUCTIONS, recorder=made)
    served = current(site)
    with anyio.fail_after(15):
        async with Client(server) as client:
            for number in range(100):
                with pytest.raises(MCPError):
                    await client.call_tool(f"tool-{number}", {})
    made.close()
    names = [each["tool"] for each in records(site) if each["kind"] == "call"]

    assert [f"tool-{number}" for number in range(100)] == names
    assert () == verify(site.top / "state").faults
    assert len(list((site.top / "state" / "audit").glob("*.jsonl"))) > 2
