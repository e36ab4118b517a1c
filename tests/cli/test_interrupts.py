"""Ctrl-C at a terminal while a verb starts: all of its group hear it, and are quiet."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cli.processes import descendants, wait_until_gone
from cli.workshop import PREOPEN, Workshop

VERBS = {"call": ("turn",), "serve": ("--stdio",)}
# Modules by which one can tell how far a start has come, in their order. The zygote is started
# before the last ones and has not read its own program then.
BOTH = ("click.utils", "preopen.errors", "anyio._core._tasks", "preopen.cells.launch")
MOMENTS = [("call", module) for module in (*BOTH, "asyncio.base_events")]
MOMENTS += [
    ("serve", module) for module in (*BOTH, "asyncio.base_events", "pydantic.version", "mcp.types")
]

# A verb, and each import at which Ctrl-C would raise KeyboardInterrupt in the middle of it.
WATCHED = """
import signal, sys
begun = False
def watch(event, details):
    global begun
    if event == "import":
        ends_at_once = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        begun = begun or ends_at_once
        if begun and not ends_at_once:
            sys.stderr.write(f"exposed: {details[0]}\\n")
sys.addaudithook(watch)
from preopen.cli.entry import main
main()
"""
ALL_THE_WAY = (
    ("call", "leave", "code=0", "--json"),
    ("learn", "peek", "path=a.txt"),
    ("serve", "--stdio"),
    ("list",),
    ("check", "--allow", "execute"),
    ("explain", "peek"),
)


@contextmanager
def starting(workshop: Workshop, verb: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a verb at the head of a group of its own, which says what it imports."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", *PREOPEN[1:], verb, *VERBS[verb], *workshop.flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("verb", "module"), MOMENTS)
def test_an_interruption_while_it_starts_is_quiet(
    workshop: Workshop, verb: str, module: str
) -> None:
    """Issue: none of our processes shows a traceback, and the exit code is 130."""
    with starting(workshop, verb) as process:
        assert process.stderr is not None
        seen = [name.strip() for name in _until(process.stderr, module)]
        assert seen[-1:] == [module]
        below = descendants(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, rest = process.communicate(timeout=30)
        said = [line for line in rest.split("\n") if not line.startswith("import time:")]
        assert (process.returncode, "".join(said)) == (130, "")
        wait_until_gone(below)


def _until(lines: Iterator[str], module: str) -> Iterator[str]:
    """Yield the modules that a process imports, up to this one."""
    for line in lines:
        name = line.rpartition("|")[2]
        yield name
        if name.strip() == module:
            return


@pytest.mark.parametrize("verb", VERBS)
def test_its_processes_are_out_of_the_terminals_reach(workshop: Workshop, verb: str) -> None:
    """Issue: a child that hears Ctrl-C before it can ignore it shows a traceback."""
    with starting(workshop, verb) as process:
        while not (below := descendants(process.pid)):
            assert process.poll() is None
        assert {os.getsid(pid) for pid in below}.isdisjoint({os.getsid(process.pid)})
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
        wait_until_gone(below)


@pytest.mark.parametrize("words", ALL_THE_WAY, ids=lambda words: words[0])
def test_no_import_is_exposed_to_an_interruption(
    workshop: Workshop, words: tuple[str, ...]
) -> None:
    """Issue: one in a lazy import between two loops ended `call` by the signal, or as a bug."""
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED, *workshop.line(*words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.returncode == 0
    assert [line for line in ran.stderr.split("\n") if line.startswith("exposed: ")] == []


def test_who_ignores_an_interruption_goes_on_ignoring_it(workshop: Workshop) -> None:
    """POSIX shells: a command in the background is started with SIGINT ignored, and stays so."""
    ignoring = ["sh", "-c", 'trap "" INT && exec "$0" "$@"']
    with subprocess.Popen(
        [*ignoring, sys.executable, "-X", "importtime", *PREOPEN[1:], "list", *workshop.flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert [name.strip() for name in _until(process.stderr, "click.utils")][-1] == "click.utils"
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "peek" in said
