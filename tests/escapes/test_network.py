"""A credential's secret: its server gets it, and nobody else in the house or in the call."""

import base64
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from lab import open_lab
from preopen.cells.launch import ZygoteLauncher
from preopen.cells.pool import Pool
from preopen.cells.start import ENVIRONMENT
from preopen.egress.rule import Secret
from preopen.policy.policy import Policy
from preopen.serving.invocation import Answer
from preopen.serving.listing import describe
from preopen.serving.results import to_result
from promises.harness import call_tool, offer
from promises.network import asking, lines, operator
from sandbox.entries import entry_of
from sandbox.telling import MARKERS
from web import Arrived, Web, serving

pytestmark = pytest.mark.anyio

# Never whole in a file: what looks for them would find itself.
HALVES = ("correct-horse-", "battery-staple-of-this-call")
CONTROL = ("courier: not ", "understood: ")  # of the binary, which the zygote loads
SECRET = "".join(HALVES)

Heard: TypeAlias = Callable[[], str]


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Heard:
    """Return what gives all that this process and those it started wrote or logged."""
    caplog.set_level(logging.DEBUG)
    return lambda: "".join((*capfd.readouterr(), caplog.text))


def echo(arrived: Arrived) -> bytes:
    """Repeat a login in each way that a careless server does."""
    login = " ".join(arrived.values("Authorization"))
    parts = [login, base64.b64encode(login.encode()).decode(), login.replace("-", "%2D")]
    return "|".join(parts).encode()


def echo_in_header(arrived: Arrived) -> tuple[str, ...]:
    """Repeat a login in a header."""
    return (f"X-You-Sent: {' '.join(arrived.values('Authorization'))}",)


@asynccontextmanager
async def searched(cache: Path, folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """Open a pool whose networked cells look for the secret in themselves."""
    patch.setenv("TOKEN", SECRET)
    (folder / MARKERS).write_text(json.dumps({"secret": HALVES, "control": CONTROL}))
    entry = entry_of(folder, patch, "escapes.searching", f"searching_entry(Path({str(folder)!r}))")
    async with open_lab(cache, entry=entry) as lab:
        yield lab.pool


async def told_by_zygote(pool: Pool, folder: Path) -> dict[str, Any]:
    """Return what the zygote of cells with a network says that it holds."""
    launcher = pool.network.launcher
    assert isinstance(launcher, ZygoteLauncher)
    assert launcher._zygote is not None
    pid = launcher._zygote.process.pid
    file = folder / f"{pid}.json"
    with anyio.fail_after(30):
        while not file.exists():
            os.kill(pid, signal.SIGUSR1)  # again: a fork forgets what came in the middle of it
            with anyio.move_on_after(3):
                while not file.exists():
                    await anyio.sleep(0.01)
    report: dict[str, Any] = json.loads(file.read_bytes())
    return report


def told_by_cells(folder: Path) -> list[dict[str, bool]]:
    """Return what cells found in themselves, a line for each request that a guest asked for."""
    return [json.loads(line) for line in (folder / "cells").read_text().splitlines()]


def with_secret(folder: Path, web: Web) -> Policy:
    """Return the policy that has the secret and opens the server."""
    named = {"EXAMPLE": {"environment": "TOKEN"}}
    return operator(
        folder,
        private=[web.origin],
        secrets=named,
        environ=os.environ,
        egress={"record_paths": True},
    )


async def login(pool: Pool, policy: Policy, web: Web, words: Sequence[str]) -> tuple[str, Answer]:
    """Return all that a client sees of a tool with the credential, and the answer of a call."""
    credential = {"header": "Authorization", "format": "Bearer {secret}", "secret": "EXAMPLE"}
    text = asking(*words, allow=web.origin, credential=credential)
    tool = offer(text, policy)
    assert isinstance(tool.secrets["EXAMPLE"], Secret)
    answer = await call_tool(pool, policy, tool)
    shown = describe(tool).model_dump_json() + json.dumps(to_result(answer))
    return shown + repr((tool, answer, policy.network)), answer


async def test_secret_is_with_its_server_and_nowhere_else(
    cache_folder: Path,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heard: Heard,
) -> None:
    """Issue: in no receipt, log, stderr, environment or memory of a zygote or cell, in no answer.

    The second ask comes when the first answer, an echo, has been read: whatever came is there.
    """
    async with (
        serving(echo, headers=echo_in_header) as web,
        searched(cache_folder, tmp_path, monkeypatch) as pool,
    ):
        policy = with_secret(tree, web)
        shown, answer = await login(
            pool, policy, web, ["get", f"{web.origin}/1", f"{web.origin}/2"]
        )
        zygote = await told_by_zygote(pool, tmp_path)

    assert [[f"Bearer {SECRET}"]] * 2 == [each.values("Authorization") for each in web.arrived]
    assert ["200", "200"] == [request.result for request in answer.receipt.requests]
    assert [f"Bearer {'*' * len(SECRET)}|"] * 2 == [
        line["body"][: len(SECRET) + 8] for line in lines(answer)
    ]
    encoded = base64.b64encode(SECRET.encode()).decode()[:24]
    for text in (shown, heard()):
        assert [] == [each for each in (SECRET, *HALVES, encoded) if each in text]
    assert [f"{name}={value}" for name, value in ENVIRONMENT.items()] == zygote["environment"]
    assert {"secret": False, "control": True} == zygote["found"]
    assert [{"secret": False, "control": True}] * 2 == told_by_cells(tmp_path)


async def test_search_finds_a_secret_that_a_guest_holds(
    cache_folder: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the control of the one above: the same words, told to a guest, are found."""
    async with serving() as web, searched(cache_folder, tmp_path, monkeypatch) as pool:
        text = asking("get", f"{web.origin}/{SECRET}", allow=web.origin)
        policy = with_secret(tree, web)
        await call_tool(pool, policy, offer(text, policy))

    assert [f"/{SECRET}"] == web.targets
    assert [{"secret": True, "control": True}] == told_by_cells(tmp_path)


async def test_login_that_fails_says_nothing_of_its_secret(
    cache_folder: Path,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heard: Heard,
) -> None:
    """Issue: never in a message: libraries repeat headers in theirs, and a server may break off."""

    async def break_off(arrived: Arrived) -> None:
        raise anyio.BrokenResourceError(arrived.target)

    async with (
        serving(before=break_off) as web,
        searched(cache_folder, tmp_path, monkeypatch) as pool,
    ):
        shown, answer = await login(pool, with_secret(tree, web), web, ["get", web.origin])

    assert [[f"Bearer {SECRET}"]] == [each.values("Authorization") for each in web.arrived]
    assert ["connection_terminated"] == [request.result for request in answer.receipt.requests]
    for text in (shown, heard()):
        assert [] == [each for each in (SECRET, *HALVES) if each in text]
    assert [{"secret": False, "control": True}] == told_by_cells(tmp_path)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("name", ["httpcore2.http11", "httpcore2.http2", "h2", "hpack.hpack"])
def test_library_that_logs_headers_is_silent_whatever_the_log_takes(name: str) -> None:
    """Issue: in no log line; hpack writes each field that it sends, httpcore2 each that it gets."""
    assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    assert logging.getLogger("preopen").isEnabledFor(logging.DEBUG)
