"""wasi:http in a cell: each request is asked for, and what is not approved goes nowhere."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime import component

from door import PAGE, Door
from lab import ROOT, Lab, courier, open_lab
from preopen.capability import Mount
from preopen.cells.job import Binding
from preopen.outcome import Returned, Trapped
from preopen.sandbox import http_gate
from preopen.wire.frames import Ask, Verdict
from preopen.wire.starters import GATE_SHA256
from sandbox.entries import entry_of

pytestmark = pytest.mark.anyio


@contextmanager
def nothing() -> Iterator[tuple[Mount, ...]]:
    """Open no folder: the whole grant of a tool that has none."""
    yield ()


async def send(lab: Lab, door: Door, *words: str, name: str = "courier") -> list[dict[str, Any]]:
    """Return what the courier says, a value for each line."""
    run = await lab.run(courier(name), *words, attend=door.attend)
    assert isinstance(run.outcome, Returned), run
    return [json.loads(line) for line in run.outcome.stdout.decode().splitlines()]


async def test_approved_request_reaches_the_gateway_under_its_ticket(lab: Lab) -> None:
    """Design §9: with a ticket the gate sends to the gateway, and the ticket is the path."""
    door = Door()

    (answer,) = await send(lab, door, "get", "https://example.com/a?b=c")

    assert answer["status"] == 200
    assert [Ask(method="GET", scheme="HTTPS", authority="example.com", path="/a?b=c")] == door.asks
    (head,) = door.heads
    assert head.startswith(b"GET /ticket HTTP/1.1\r\n")


async def test_denied_request_connects_nowhere_and_the_guest_hears_why(lab: Lab) -> None:
    """Design §9: a denial is an error-code of `handle` itself."""
    door = Door(verdict=Verdict(error="HTTP-request-denied"))

    (answer,) = await send(lab, door, "get", "https://example.com/")

    assert answer == {"error": "HTTP-request-denied"}
    assert door.heads == []


async def test_parts_are_asked_for_as_the_guest_wrote_them(lab: Lab) -> None:
    """Design §9: no URL is parsed on this side; methods are told as they go out."""
    door = Door(verdict=Verdict(error="HTTP-request-denied"))

    await send(lab, door, "send", "other:get", "-", "user@EXAMPLE.com:80", "/%2e/é#x")
    await send(lab, door, "send", "CONNECT", "ftp", "[::1]", "-")

    assert door.asks == [
        Ask(method="get", scheme=None, authority="user@EXAMPLE.com:80", path="/%2e/é#x"),
        Ask(method="CONNECT", scheme="ftp", authority="[::1]", path=None),
    ]


async def test_thousand_denials_leave_room_for_what_is_allowed(zygote_lab: Lab) -> None:
    """Measured: requests that were denied and kept ended a cell with a MemoryError."""
    door = Door(verdict=Verdict(error="HTTP-request-denied"))

    answers = await send(zygote_lab, door, "deny", "1000", "https://example.com/")

    assert len(door.asks) == 1000
    assert answers == [{"HTTP-request-denied": 1000}]


async def test_request_that_the_gate_has_no_room_for_ends_its_guest_and_goes_nowhere(
    zygote_lab: Lab,
) -> None:
    """Ours: a method may be as long as a guest likes; the gate traps, and nothing is sent."""
    door = Door()

    words = ("send", "M" * 300_000, "https", "example.com", "/")
    run = await zygote_lab.run(courier(), *words, attend=door.attend)

    assert isinstance(run.outcome, Trapped), run
    assert (door.asks, door.heads) == ([], [])


async def test_call_without_rules_can_make_no_socket_and_asks_all_the_same(lab: Lab) -> None:
    """Design §5: a tool whose egress comes out empty is offered, and a request is a Denial."""
    door = Door(verdict=Verdict(error="HTTP-request-denied"), opens=False)

    (answer,) = await send(lab, door, "get", "https://example.com/")

    assert answer == {"error": "HTTP-request-denied"}
    assert len(door.asks) == 1


async def test_ticket_without_a_port_leads_nowhere(lab: Lab) -> None:
    """Ours: where the wall is closed a wrong verdict opens nothing."""
    (answer,) = await send(lab, Door(opens=False), "get", "https://example.com/")

    assert "error" in answer


async def test_many_requests_of_one_guest_are_in_flight_at_once(zygote_lab: Lab) -> None:
    """Issue: 100 requests in flight; the gate asks for each in turn and holds none up."""
    door = Door()

    answers = await send(zygote_lab, door, "many", "https://example.com/", "30")

    assert len(door.heads) == len(door.asks) == 30
    assert all("error" not in answer for answer in answers)


async def test_cell_that_serves_several_calls_keeps_its_gateway(zygote_lab: Lab) -> None:
    """Design §3: a tool-bound cell is walled once, to one port."""
    door = Door()
    binding = Binding(identity="one tool", calls=3, open_whole=nothing)

    for _ in range(3):
        run = await zygote_lab.run(
            courier(), "get", "http://a.example/", attend=door.attend, binding=binding
        )
        assert isinstance(run.outcome, Returned), run

    assert len(set(door.ports)) == 1
    assert len(door.heads) == 3


@asynccontextmanager
async def neighbour() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve a page on this machine's loopback, as what a guest must not reach: URL and requests."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(PAGE)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", heads


@pytest.mark.parametrize("lacks", ["", "namespaces", "landlock landlock-tcp"])
async def test_past_the_gate_the_wall_alone_stops_a_request(
    lacks: str, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: with the interposer off the wall alone must stop it: namespace, else Landlock."""
    entry = entry_of(tmp_path, monkeypatch, "sandbox.entries", f"past_the_gate({lacks!r})")
    async with neighbour() as (url, heads), open_lab(cache_folder, entry=entry) as lab:
        answers = await send(lab, door := Door(), "get", url, "http://localhost:1/")

    assert all("error" in answer for answer in answers), answers
    assert (heads, door.asks) == ([], [])


async def test_past_the_gate_and_without_both_walls_the_neighbour_is_reached(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the control of the one above: the neighbour answers whoever gets there."""
    lacks = "past_the_gate('namespaces landlock landlock-tcp')"
    entry = entry_of(tmp_path, monkeypatch, "sandbox.entries", lacks)
    async with neighbour() as (url, heads), open_lab(cache_folder, entry=entry) as lab:
        (answer,) = await send(lab, Door(), "get", url)

    assert answer["status"] == 200
    assert len(heads) == 1


async def test_cells_with_a_network_have_one_each(zygote_lab: Lab) -> None:
    """Design §3: a cell that may need the network makes its namespace ahead of need."""
    door = Door(verdict=Verdict(error="HTTP-request-denied"))
    await send(zygote_lab, door, "get", "https://example.com/")
    if "namespaces" not in zygote_lab.runs[0].walls:
        pytest.skip("this machine keeps user namespaces closed")

    cells = await zygote_lab.pool.network._launch(2)
    for cell in cells:
        await cell.listen()
    networks = {str(Path(f"/proc/{cell.pid}/ns/net").readlink()) for cell in cells}
    networks.add(str(Path("/proc/self/ns/net").readlink()))
    for cell in cells:
        cell.close()

    assert len(networks) == 3


def test_gate_that_is_shipped_is_the_one_that_its_source_makes() -> None:
    """Ours: the gate alone is linked to wasmtime's own wasi:http; nobody reviews its bytes."""
    source = ROOT / "wasm" / "http_gate" / "http_gate.wat"

    made = bytes(wasmtime.wat2wasm(source.read_text()))

    assert made == source.with_suffix(".wasm").read_bytes()
    assert hashlib.sha256(made).hexdigest() == GATE_SHA256


async def test_without_namespaces_the_gateway_is_a_port_of_this_loopback(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design §3: the weaker wall: a loopback port, Landlock's rule for it, and the receipt."""
    entry = entry_of(tmp_path, monkeypatch, "sandbox.entries", "lacking('zygote', 'namespaces')")
    async with open_lab(cache_folder, entry=entry) as lab:
        (answer,) = await send(lab, door := Door(), "get", "https://example.com/")

    assert answer["status"] == 200
    assert len(door.heads) == 1
    (run,) = lab.runs
    assert "namespaces" not in run.walls
    assert any(each.startswith("namespaces: ") for each in run.walls_missing)


HANDLER = "wasi:http/outgoing-handler"
VERSIONS = ("courier.oldest", "courier.newest", "courier.both")


@pytest.mark.parametrize("name", VERSIONS)
async def test_guest_of_any_version_is_asked_for(zygote_lab: Lab, name: str) -> None:
    """Issue: the oldest version, one newer than wasmtime's own, a component with two versions."""
    denied = Door(verdict=Verdict(error="HTTP-request-denied"))
    approved = Door()

    (no,) = await send(zygote_lab, denied, "get", "http://a.example/", name=name)
    (yes,) = await send(zygote_lab, approved, "get", "http://a.example/", name=name)

    assert no == {"error": "HTTP-request-denied"}
    assert (len(denied.asks), denied.heads) == (1, [])
    assert yes["status"] == 200
    assert (len(approved.asks), len(approved.heads)) == (1, 1)


@pytest.mark.parametrize("name", VERSIONS)
async def test_guest_of_any_version_is_stopped_by_the_wall_past_the_gate(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Issue: each also with the interposer off, where the wall alone must stop it."""
    entry = entry_of(tmp_path, monkeypatch, "sandbox.entries", "past_the_gate()")
    async with neighbour() as (url, heads), open_lab(cache_folder, entry=entry) as lab:
        (answer,) = await send(lab, door := Door(), "get", url, name=name)

    assert "error" in answer
    assert (heads, door.asks) == ([], [])


def is_wasmtimes(patch: int) -> bool:
    """Return whether wasmtime's own linker defines this very version: nothing may shadow it."""
    linker = component.Linker(wasmtime.Engine())
    linker.add_wasip2()
    linker.add_wasi_http()
    try:
        with linker.root() as root, root.add_instance(f"{HANDLER}@0.2.{patch}") as instance:
            instance.add_func("handle", lambda *_: None)
    except wasmtime.WasmtimeError:
        return True
    return False


def test_no_version_of_wasmtimes_is_newer_than_what_is_interposed() -> None:
    """Ours: an import that no definition matches gets the newest, which must be ours."""
    newest = [patch for patch in range(200) if is_wasmtimes(patch)]

    assert newest
    assert max(newest) < max(http_gate.VERSIONS)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("HTTP-request-denied", "HTTP-request-denied"),
        ("HTTP-request-URI-invalid", "HTTP-request-URI-invalid"),
        ("HTTP-request-URI-too-long", "HTTP-request-URI-too-long"),
        ("HTTP-request-method-invalid", "HTTP-request-method-invalid"),
        ("connection-limit-reached", "connection-limit-reached"),
        ("DNS-timeout", "DNS-timeout"),
        ("DNS-error", "DNS-error"),
        ("TLS-alert-received", "HTTP-request-denied"),  # it would want a payload
        ("no such case", "HTTP-request-denied"),
        ("", "HTTP-request-denied"),
    ],
)
async def test_guest_hears_the_error_code_that_the_server_says(
    zygote_lab: Lab, said: str, heard: str
) -> None:
    """Issue: the gateway answers an error code; a name that did not resolve ended the cell."""
    door = Door(verdict=Verdict(error=said))

    first, second = await send(zygote_lab, door, "get", "http://a.example/", "http://b.example/")

    assert first == second == {"error": heard}


def test_every_error_code_of_the_gateways_is_one_that_the_gate_can_say() -> None:
    """Ours: the two are in different processes, and neither imports the other."""
    sources = [
        (ROOT / "src/preopen/egress" / name).read_text() for name in ("gateway.py", "url.py")
    ]
    said = set(
        re.findall(r'"((?:HTTP|DNS|connection|destination|TLS)-[A-Za-z-]+)"', "".join(sources))
    )

    assert said == http_gate._WITHOUT_PAYLOAD | {http_gate._DNS_ERROR}
