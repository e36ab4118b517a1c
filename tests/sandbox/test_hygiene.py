"""What the zygote and a cell that waits hold of the server's and of calls: nothing (issue 5.3)."""

import json
import os
import pty
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from lab import Lab, mounted, open_lab, probe, wat
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.start import ENVIRONMENT

pytestmark = pytest.mark.anyio

# Never whole in this file: the zygote would be the poorer for it, and its search no better.
SECRET = ("the-secret-that-", "nobody-but-this-call-has")
CONTROL = ("the-words-that-", "a-loaded-binary-has")
LOADED = '(module (memory (export "memory") 1) (data (i32.const 0) "{}") (func (export "_start")))'


@dataclass(slots=True)
class Telling:
    """A lab whose zygote and waiting cells tell what they hold."""

    lab: Lab
    folder: Path

    async def zygote(self) -> dict[str, Any]:
        """Return what the zygote holds."""
        launcher = self.lab.pool.launcher
        assert isinstance(launcher, ZygoteLauncher)
        assert launcher._zygote is not None
        return await self.told_by(launcher._zygote.process.pid)

    async def new_cell(self) -> dict[str, Any]:
        """Return what a cell holds that was forked just now, and waits for its call."""
        cells = await self.lab.pool.plain._launch(3)  # its siblings are forked before and after it
        try:
            report = await self.told_by(cells[1].pid)
            with anyio.fail_after(20):  # the last thing that it opens; before, it is still at work
                while "statm" not in beside_streams(report):
                    report = await self.told_by(cells[1].pid)
            return report
        finally:
            for cell in cells:
                cell.close()

    async def told_by(self, pid: int) -> dict[str, Any]:
        """Ask one process, and return what it says."""
        file = self.folder / f"{pid}.json"
        file.unlink(missing_ok=True)
        with anyio.fail_after(30):
            while not file.exists():
                os.kill(pid, signal.SIGUSR1)  # again: a fork forgets what came in the middle of it
                with anyio.move_on_after(3):
                    while not file.exists():
                        await anyio.sleep(0.01)
        report: dict[str, Any] = json.loads(file.read_bytes())
        return report


@asynccontextmanager
async def open_telling(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Telling]:
    """Open a lab by an entry point of its own, which knows this test's folder."""
    name = f"telling_entry_{tmp_path.name}"
    text = "from pathlib import Path\nfrom sandbox.telling import telling_entry\n"
    (tmp_path / f"{name}.py").write_text(f"{text}main = telling_entry(Path({str(tmp_path)!r}))\n")
    (tmp_path / "markers.json").write_text(json.dumps({"secret": SECRET, "control": CONTROL}))
    monkeypatch.syspath_prepend(tmp_path)
    async with open_lab(cache_folder, "zygote") as lab:
        assert isinstance(lab.pool.launcher, ZygoteLauncher)
        lab.pool.launcher.entry = name
        yield Telling(lab, tmp_path)


@contextmanager
def much_open(tmp_path: Path) -> Iterator[set[str]]:
    """Hold what a server may hold, all of it inheritable; yield how `/proc` names it."""
    (tmp_path / "open").write_text("a file of the server")
    reading, writing = os.pipe()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        (tmp_path / "open").open() as file,
        open(reading, "rb") as pipe,  # noqa: PTH123 - a descriptor
        open(writing, "wb") as end,  # noqa: PTH123 - a descriptor
    ):
        numbers = [each.fileno() for each in (listener, file, pipe, end)]
        for number in numbers:
            os.set_inheritable(number, True)
        yield {str(Path("/proc/self/fd", str(number)).readlink()) for number in numbers}


def beside_streams(report: dict[str, Any]) -> list[str]:
    """Return the kinds of what is open but for standard input, output and error."""
    return sorted(
        "compiled" if link.endswith(".cwasm") else Path(link).name.partition(":[")[0]
        for number, link in report["descriptors"].items()
        if int(number) > 2
    )


def compiled(report: dict[str, Any]) -> set[str]:
    """Return which descriptors are of compiled binaries; wasmtime keeps them, one for each."""
    return {n for n, link in report["descriptors"].items() if link.endswith(".cwasm")}


async def test_zygote_holds_its_channel_and_its_cells_alone(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: "no socket of the server but its own", whatever the server has open."""
    with much_open(tmp_path) as open_here:
        async with open_telling(cache_folder, tmp_path, monkeypatch) as telling:
            await telling.lab.say("module", "args", "")
            report = await telling.zygote()
            with anyio.fail_after(20):  # while it makes a cell it holds both ends of that one's
                while beside_streams(report).count("socket") > 1:
                    report = await telling.zygote()

    assert open_here & set(report["descriptors"].values()) == set()
    assert [report["descriptors"][number] for number in "01"] == ["/dev/null"] * 2
    assert {"socket", "anon_inode", "compiled"} == set(beside_streams(report)), report
    assert {"anon_inode:[pidfd]"} == {
        link for link in report["descriptors"].values() if link.startswith("anon")
    }
    assert compiled(report) & set(report["writable"]) == set()


async def test_new_cell_holds_its_channel_alone(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: no cell can reach another's request or answer; calls are under way beside it."""
    with much_open(tmp_path):
        async with (
            open_telling(cache_folder, tmp_path, monkeypatch) as telling,
            anyio.create_task_group() as calls,
        ):
            for _ in range(3):
                calls.start_soon(telling.lab.run, probe("module"), "stdin", "", "sleep", "60000")
            report = await telling.new_cell()
            calls.cancel_scope.cancel()

    assert [report["descriptors"][number] for number in "01"] == ["/dev/null"] * 2
    kinds = [kind for kind in beside_streams(report) if kind != "compiled"]
    assert ["socket", "statm"] == kinds, report
    assert compiled(report) & set(report["writable"]) == set()
    read = {n: text for n, text in report["readable"].items() if n not in compiled(report)}
    assert set("".join(read.values())) <= set("0123456789 \n"), read  # its own size


async def test_terminal_of_the_server_is_open_for_writing_only(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a terminal on standard error is open both ways: what is typed there is in reach."""
    controller, terminal = pty.openpty()
    kept = os.dup(2)
    try:
        os.dup2(terminal, 2)
        async with open_telling(cache_folder, tmp_path, monkeypatch) as telling:
            await telling.lab.say("module", "args", "")
            reports = [await telling.zygote(), await telling.new_cell()]
            name = os.ttyname(terminal)
    finally:
        os.dup2(kept, 2)
        for descriptor in (controller, terminal, kept):
            os.close(descriptor)

    assert [report["descriptors"]["2"] for report in reports] == [name, name]
    assert [report["stderr_writes_only"] for report in reports] == [True, True]


async def test_zygote_and_cells_are_closed_to_their_own_user(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: not dumpable, `gc.freeze()` before forking; a cell starts so, before its wall."""
    async with open_telling(cache_folder, tmp_path, monkeypatch) as telling:
        await telling.lab.say("module", "args", "")
        reports = [await telling.zygote(), await telling.new_cell()]

    for report in reports:
        assert report["dumpable"] == 0
        assert report["frozen"] > 1000
        assert report["environment"] == [f"{k}={v}" for k, v in ENVIRONMENT.items()]


async def test_secrets_of_a_call_are_in_no_other_process(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Issue: nothing secret in the zygote's memory, and nothing of a call in the next one's cell.

    The control is in both: the data of a binary, which the zygote loads.
    """
    secret = "".join(SECRET)
    monkeypatch.setenv("PREOPEN_TEST_SECRET", secret)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/a.txt").write_text(secret)
    async with open_telling(cache_folder, tmp_path, monkeypatch) as telling:
        await telling.lab.run(wat(LOADED.format("".join(CONTROL))))
        with mounted(tmp_path / "work") as mount:
            said = await telling.lab.say(
                *(kind, "read", "a.txt", "args", secret, "stdin", "", "env", "KEY"),
                mounts=(mount,),
                env={"KEY": secret},
                stdin=secret.encode(),
            )
        reports = [await telling.zygote(), await telling.new_cell()]

    assert "\n".join(said).count(secret) >= 4
    assert [report["found"] for report in reports] == [{"secret": False, "control": True}] * 2
