"""`preopen serve` and clients that keep to no rule, over pipes: it answers, lives, stays small."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST

from lab import KINDS
from preopen.serving.transports.framing import MAX_LINE_BYTES
from preopen.serving.transports.stdio import MAX_UNREAD_BYTES
from processes import children_of, cpu_seconds, gone
from protocol.hostile_lines import IDS, NOTIFICATIONS, REQUESTS, RESULT, TEXTS, Hostile
from served import WORKSPACE, Site, make_site
from serving.transports.lines import ENVELOPE, INITIALIZE, LineClient, call, request, text_of

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])

LINES = {
    f"{group}: {name}": hostile
    for group, table in {
        "text": TEXTS,
        "id": IDS,
        "request": REQUESTS,
        "notification": NOTIFICATIONS,
    }.items()
    for name, hostile in table.items()
}
# One line of the longest, its bytes once more, its text, and its value: nothing here keeps more.
LINE_BOUND = 4 * MAX_LINE_BYTES
ENDLESS = '[limits]\nwall_time = "15s"\nconcurrency = 2\n'
FEW = WORKSPACE + "[limits]\nconcurrency = 2\nqueue = 20\n"
LARGE = WORKSPACE.replace("read", "write") + '[limits]\nqueue = 200\noutput = "8MiB"\n'


@dataclass
class Attacked:
    """A server, the client that attacks it, and how large it was before."""

    server: "subprocess.Popen[bytes]"
    client: LineClient
    era: str
    before: int = 0
    calls: int = 0

    def grown(self) -> int:
        """Return how much more memory than at first the server has ever held, in bytes."""
        return memory(self.server.pid, "VmHWM") - self.before

    async def is_honest(self) -> None:
        """Call both kinds of binary and insist on the right answers."""
        for kind in KINDS:
            self.calls += 1
            word = f"<{self.calls}>"
            await self.ask(call(word, kind, era=self.era, words=["print", word]))
            answer = await self.client.read()
            assert answer["id"] == word, answer
            assert text_of(answer) == f"{word}print {word}: done\n"

    async def ask(self, *messages: dict[str, Any]) -> None:
        """Write messages, a line each."""
        await self.client.send(*messages)

    async def leaves(self) -> None:
        """Close the server's input; see it end well, and every process below it."""
        family = children_of(self.server.pid)
        assert family
        self.client.close_input()
        with anyio.fail_after(5):
            while self.server.poll() is None:
                await anyio.sleep(0.01)
        assert self.server.returncode == 0
        await gone(family)


def memory(pid: int, key: str) -> int:
    """Return a process's VmRSS (now) or VmHWM (ever), in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))


@asynccontextmanager
async def attacked(
    site: Site, era: str = "legacy", *, within: float = 18
) -> AsyncIterator[Attacked]:
    """Start a server and a client, which first makes honest calls.

    The server's stderr is a pipe that nobody reads, as some clients leave it.
    """
    with site.serving(stderr=subprocess.PIPE) as process, anyio.fail_after(within):
        assert process.stdin is not None
        assert process.stdout is not None
        # Descriptors of their own: the client closes one, Popen closes its own.
        client = LineClient(
            to_server=os.dup(process.stdin.fileno()), from_server=os.dup(process.stdout.fileno())
        )
        process.stdin.close()
        process.stdout.close()
        try:
            if era == "legacy":
                await client.open_legacy()
            found = Attacked(process, client, era)
            await found.is_honest()
            found.before = memory(process.pid, "VmHWM")
            yield found
        finally:
            for descriptor in (client.to_server, client.from_server):
                if descriptor >= 0:
                    os.close(descriptor)


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site that serves the probe as both kinds of binary, and where it never ends."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = make_site(tmp_path)
    for kind in KINDS:
        site.add(kind, kind=kind)
        site.add(f"few_{kind}", kind=kind, more=FEW)
    site.add("large", level="write", more=LARGE)
    site.add("endless", level="none", more=ENDLESS)
    return site


async def runs(server: int) -> set[int]:
    """Wait until a cell of the server burns CPU; return such cells."""
    while True:
        cells = children_of(server) - children_of(server, deep=False)
        if spinning := {pid for pid in cells if cpu_seconds(pid) >= 0.05}:
            return spinning
        await anyio.sleep(0.01)


def is_answer(message: dict[str, Any], hostile: Hostile) -> bool:
    """Return whether a message is the answer that a hostile line gets."""
    code = message["error"]["code"] if "error" in message else RESULT
    return (code, message["id"]) == (hostile.code, hostile.answers_to)


async def test_every_hostile_line_gets_its_answer_and_an_honest_call_its_own(site: Site) -> None:
    """Issue: garbage, depth, ids of every type, batches, odd params: what can be answered is."""
    wrong = {}
    async with attacked(site) as it:
        for name, hostile in LINES.items():
            await it.client.write(hostile.line + b"\n")
            if hostile.code is not None:
                answer = await it.client.read()
                if not is_answer(answer, hostile):
                    wrong[name] = answer
            await it.ask(request(name, "ping", {}))
            assert await it.client.read() == {"jsonrpc": "2.0", "id": name, "result": {}}
        await it.is_honest()
        assert it.grown() < LINE_BOUND
        await it.leaves()
    assert not wrong


@both_eras
async def test_a_server_that_met_every_hostile_line_at_once_leaves_with_its_children(
    site: Site, era: str
) -> None:
    """Issue: in either era, pipelined, with a call running; at EOF every child is gone."""
    async with attacked(site, era) as it:
        await it.ask(call("endless", "endless", era=era, words=["spin", ""]))
        await runs(it.server.pid)
        async with anyio.create_task_group() as tasks:
            lines = [hostile.line for hostile in LINES.values()]
            lines.append(json.dumps(request("last", "ping", {})).encode())
            tasks.start_soon(it.client.write, b"\n".join(lines) + b"\n")
            while (await it.client.read())["id"] != "last":
                pass
        assert it.grown() < LINE_BOUND
        await it.leaves()


@pytest.mark.parametrize("byte", [b"x", b'"', b"\xff"])
async def test_a_line_of_64_mb_is_refused_in_the_memory_of_16(site: Site, byte: bytes) -> None:
    """Issue: 64 MB lines; the bound is 16 MiB, and only that much is ever kept."""
    async with attacked(site) as it:
        await it.client.write(byte * (64 << 20) + b"\n")
        answer = await it.client.read()
        await it.is_honest()
        assert it.grown() < LINE_BOUND
        await it.leaves()
    assert answer["error"]["code"] == INVALID_REQUEST
    assert answer["id"] is None
    assert str(MAX_LINE_BYTES) in answer["error"]["message"]


@pytest.mark.parametrize("unit", ["[],", '"",', '{"a":0},', '"\\",",'])
async def test_a_line_of_many_small_values_is_refused_unread(site: Site, unit: str) -> None:
    """Ours: 16 MiB of "[]," took 900 MB, and half a minute in which even EOF went unheard."""
    values = unit * ((MAX_LINE_BYTES - 1000) // len(unit)) + "0"
    line = f'{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":[{values}]}}}}'
    assert len(line) <= MAX_LINE_BYTES
    async with attacked(site) as it:
        await it.client.write(line.encode() + b"\n")
        answer = await it.client.read()
        await it.is_honest()
        assert it.grown() < LINE_BOUND
        await it.leaves()
    assert answer["error"]["code"] == INVALID_REQUEST


@pytest.mark.timeout(90)
@pytest.mark.parametrize("reads", ["meanwhile", "afterwards"])
async def test_ten_thousand_calls_at_once_are_all_answered(site: Site, reads: str) -> None:
    """Issue: 10 000 calls at once, by a client that reads meanwhile, and by one that does not."""
    names = [f"few_{KINDS[number % 2]}" for number in range(10_000)]
    data = b"".join(
        json.dumps(call(number, name, words=["print", ""])).encode() + b"\n"
        for number, name in enumerate(names)
    )
    async with attacked(site, within=80) as it:
        async with anyio.create_task_group() as tasks:
            if reads == "meanwhile":
                tasks.start_soon(it.client.write, data)
            else:
                await it.client.write(data)
            answers = [await it.client.read() for _ in names]
        await it.is_honest()
        assert it.grown() < LINE_BOUND
        await it.leaves()
    ends = Counter(a["result"]["_meta"]["preopen/receipt"]["outcome"] for a in answers)
    assert {answer["id"] for answer in answers} == set(range(10_000))
    assert set(ends) == {"Returned", "Busy"}, ends
    assert ends["Returned"] >= 2 * (2 + 20)  # whom two lines let run and wait


@both_eras
async def test_the_id_of_a_running_call_names_no_second_one(site: Site, era: str) -> None:
    """Ours: JSON-RPC leaves it open; the second caller would take the first one's answer."""
    meta = {"_meta": ENVELOPE} if era != "legacy" else {}
    async with attacked(site, era) as it:
        await it.ask(call(7, "endless", era=era, words=["spin", ""]))
        spinning = await runs(it.server.pid)
        refused = []
        for number in (7, "7"):
            await it.ask(call(number, "module", era=era, words=["print", "x"]))
            refused.append(await it.client.read())
        await it.ask(
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        )
        await gone(spinning)  # so the cancel reached the first
        await it.ask(request("again", "tools/list", meta))
        assert "result" in await it.client.read()
        await it.ask(call(7, "module", era=era, words=["print", "x"]))
        reused = await it.client.read()
        await it.leaves()
    assert [answer["id"] for answer in refused] == [7, "7"]
    assert [answer["error"]["code"] for answer in refused] == [INVALID_REQUEST] * 2
    assert reused["id"] == 7
    assert text_of(reused) == "xprint x: done\n"


async def test_an_answered_id_may_be_used_again(site: Site) -> None:
    """Ours: a client that counts from 0 for each of its own sessions is served."""
    async with attacked(site) as it:
        for word in ("one", "two", "three"):
            await it.ask(call(1, "module", words=["print", word]))
            assert text_of(await it.client.read()).startswith(word)
        await it.leaves()


@pytest.mark.parametrize(
    "id_text", ["1.0", "true", "null", "[1]", '{"id":1}', '"one"', "-1", f"{2**70}"]
)
async def test_a_cancel_that_names_no_running_call_ends_none(site: Site, id_text: str) -> None:
    """Issue: cancels of unknown ids, of other types, and of finished calls."""
    cancel = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}\n'
    async with attacked(site) as it:
        await it.ask(call(0, "module", words=["print", "x"]))
        assert (await it.client.read())["id"] == 0
        await it.ask(call(1, "endless", words=["spin", ""]), call(2, "endless", words=["spin", ""]))
        await runs(it.server.pid)
        for each in (id_text, "0", "2"):
            await it.client.write((cancel % each).encode())
        # Were 1 ended, too, it would be answered, or its cell gone: one still spins.
        await it.is_honest()
        await runs(it.server.pid)
        await it.ask(call(1, "module", words=["print", "x"]))
        answer = await it.client.read()
        await it.leaves()
    assert (answer["id"], answer["error"]["code"]) == (1, INVALID_REQUEST)  # for 1 still runs


@both_eras
async def test_half_a_line_before_the_end_of_input_is_nothing(site: Site, era: str) -> None:
    """Issue: half a line and then EOF; the half is not run, whatever it would have been."""
    half = json.dumps(call(1, "endless", era=era, words=["spin", ""]))
    async with attacked(site, era) as it:
        await it.client.write(half.encode())
        await it.leaves()
        assert await it.client.read_all() == []


async def test_a_client_that_stops_reading_is_waited_for_in_bounded_memory(site: Site) -> None:
    """Issue: calls taken before run to their end, and what passes the bound is an error each."""
    big, count = 4 << 20, 60
    (site.work / "big.txt").write_text("x" * big)
    marks = site.work / "marks"
    marks.touch()
    async with attacked(site) as it:
        words = ["append", "marks", "read", "big.txt"]
        await it.ask(*(call(number, "large", words=words) for number in range(count)))
        while marks.stat().st_size < count:
            await anyio.sleep(0.01)
        # What lies unread, the buffer moved once while it grew, and what the calls that ended last
        # had in their hands: four of them, each with its bytes, its text and its line.
        assert it.grown() < 2 * MAX_UNREAD_BYTES + 4 * 3 * big
        answers = [await it.client.read() for _ in range(count)]
        await it.is_honest()
        await it.leaves()
    assert {answer["id"] for answer in answers} == set(range(count))
    lost = [answer["error"] for answer in answers if "error" in answer]
    assert {(each["code"], "lie unread" in each["message"]) for each in lost} == {
        (INTERNAL_ERROR, True)
    }
    kept = [answer for answer in answers if "result" in answer]
    assert len(kept) >= MAX_UNREAD_BYTES // big - 1
    assert all(len(text_of(answer)) > big for answer in kept)


@pytest.mark.parametrize("end", ["EOF", "hung up"])
async def test_a_client_that_never_reads_again_does_not_keep_the_server(
    site: Site, end: str
) -> None:
    """Issue: it leaves with every child, with answers unread and calls running."""
    (site.work / "big.txt").write_text("x" * (4 << 20))
    async with attacked(site) as it:
        await it.ask(call("endless", "endless", words=["spin", ""]))
        await it.ask(*(call(n, "large", words=["read", "big.txt"]) for n in range(20)))
        await runs(it.server.pid)
        if end == "hung up":
            it.client.close_output()
        await it.leaves()


@both_eras
async def test_a_log_that_nobody_reads_does_not_stop_the_server(site: Site, era: str) -> None:
    """Ours: each such line is a warning on stderr, a pipe that was full after some hundred."""
    async with attacked(site, era) as it:
        await it.client.write(b'{"jsonrpc":"2.0","id":1,"result":5}\n' * 5000)
        await it.is_honest()
        await it.leaves()
        assert it.server.stderr is not None
        told = it.server.stderr.read()
    assert told.count(b"not valid JSON-RPC") > 100


@both_eras
async def test_calls_before_the_handshake_are_answered(site: Site, era: str) -> None:
    """Issue: in the older era with an error; the newer one has no handshake to wait for."""
    with site.serving(stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        first = call(1, "module", era=era, words=["print", "x"])
        process.stdin.write(json.dumps(first).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
    assert answer["id"] == 1
    assert ("error" in answer) == (era == "legacy")


async def test_many_handshakes_are_answered_and_change_nothing(site: Site) -> None:
    """Issue: many initialize requests, some while a call runs."""
    async with attacked(site) as it:
        await it.ask(call("endless", "endless", words=["spin", ""]))
        await runs(it.server.pid)
        await it.ask(*(request(number, "initialize", INITIALIZE) for number in range(500)))
        answers = [await it.client.read() for _ in range(500)]
        await it.is_honest()
        assert it.grown() < LINE_BOUND
        await it.leaves()
    assert [answer["id"] for answer in answers] == list(range(500))
    assert all("result" in answer for answer in answers)
