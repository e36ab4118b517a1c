"""Three servers at once on one user's folder: calls, approvals, answers, reloads."""

import subprocess
import tomllib
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from protocol.consents import WORDS, Person, consent_of, ran
from served import Site, make_site
from serving.hearing import ERAS, Ear, hearing

pytestmark = pytest.mark.anyio
TOOLS = tuple(f"tool-{number}" for number in range(6))


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site whose tools nobody has approved, and each of which asks."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = replace(make_site(tmp_path), approves=False)
    for name in TOOLS:
        site.add(name, level="execute", more="", run="executes = true")
    return site


async def shell(site: Site, verb: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a verb with the site's flags."""
    return await run(site, site.command(verb, *words))


async def run(site: Site, command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command beside the servers, without a terminal."""
    return await anyio.to_thread.run_sync(
        partial(
            subprocess.run,
            command,
            env=site.env,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    )


async def approve(site: Site, *names: str) -> None:
    """Approve tools by a process of its own."""
    done = await shell(site, "approve", *names)
    assert done.returncode == 0, done.stderr


async def call_all(ear: Ear, said: list[str]) -> None:
    """Call every tool twice, whatever the others do meanwhile."""
    for name in (*TOOLS, *TOOLS):
        result = await ear.client.call_tool(name, WORDS)
        assert ran(result)
        said.append(consent_of(result))


async def test_three_servers_lose_no_approval_no_answer_and_no_record(site: Site) -> None:
    """Issue: three servers at once, with calls, approvals and reloads: nothing lost or broken."""
    people = [Person("always") for _ in range(3)]
    said: list[str] = []
    with anyio.fail_after(100):
        async with AsyncExitStack() as stack:
            ears = []
            for era, person in zip((*ERAS, ERAS[0]), people, strict=True):
                ears.append(
                    await stack.enter_async_context(hearing(site.parameters(), era, person))
                )
            assert not set(TOOLS) & await ears[0].names()
            async with anyio.create_task_group() as tasks:
                for first in range(0, len(TOOLS), 2):
                    tasks.start_soon(approve, site, *TOOLS[first : first + 2])
                for ear in ears:
                    tasks.start_soon(ear.until_offered, *TOOLS)
            async with anyio.create_task_group() as tasks:
                for ear in ears:
                    tasks.start_soon(call_all, ear, said)
            # One tool changes: it waits at every server, and another approval brings it back.
            file = site.tools / f"{TOOLS[0]}.toml"
            file.write_text(file.read_text().replace("Tries what", "Does what"))
            for ear in ears:
                await ear.until_gone(TOOLS[0])
            diff = await shell(site, "diff", TOOLS[0])
            await approve(site, TOOLS[0])
            for ear in ears:
                await ear.until_offered(TOOLS[0])
            people[1].answer = "no"
            changed = await ears[1].client.call_tool(TOOLS[0], WORDS)
        verified = await run(site, [*site.command("audit")[:4], "--verify"])

    assert len(said) == 36
    assert set(said) <= {"always (elicitation)", "always (input-required)", "yes (decisions.toml)"}
    config = site.top / "config" / "preopen"
    kept = tomllib.loads((config / "decisions.toml").read_text())["always"]
    assert sorted(each["tool"] for each in kept) == sorted(TOOLS)
    locked = tomllib.loads((config / "preopen.lock").read_text())
    assert set(TOOLS) <= {str(name) for name in names_in(locked)}
    assert "Does what its arguments say." in diff.stdout
    assert not ran(changed)  # "always" was said of another definition
    assert verified.returncode == 0, verified.stdout
    assert not [file.name for file in config.iterdir() if file.name.endswith(".part")]


def names_in(document: object) -> list[str]:
    """Return every key of nested tables."""
    if not isinstance(document, dict):
        return []
    return [*document, *(name for value in document.values() for name in names_in(value))]
