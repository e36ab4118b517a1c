"""`preopen call` asks at the terminal, and only there: stdin and stdout are the call's own."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from protocol.consents import LEVELS, decide_all, make_grounds
from served import Site

PROMPT = b"yes (this call), always or no? "
# What is typed → whether the call runs, and what the receipt says of it.
TYPED = {
    b"yes\n": (True, "once (terminal)"),
    b"always\n": (True, "always (terminal)"),
    b"no\n": (False, "no (terminal)"),
    b"\x04": (False, "no answer (terminal)"),
    b"what?\nhm\n\n": (False, "no answer (terminal)"),
}
NAMES = ["yes", "always", "no", "closed", "perhaps"]


@pytest.fixture
def site(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Make a site with a tool of each level, all of which ask."""
    monkeypatch.setenv("PREOPEN_TEST_CACHE", str(cache_folder))
    site = make_grounds(tmp_path)
    decide_all(site, "ask")
    return site


def words_of(site: Site, level: str) -> list[str]:
    """Return the command line of one call with its receipt."""
    flags = ["--without", "write", "--args", '{"words": ["args", "it", "ran"]}', "--receipt"]
    return [*site.command("call", level), *flags]


def call_at_terminal(site: Site, level: str, typed: bytes) -> tuple[int, str]:
    """Make a call with a controlling terminal, type, and return exit code and what it showed."""
    pid, controller = pty.fork()
    if pid == 0:
        try:
            command = words_of(site, level)
            os.execve(command[0], command, site.env)  # noqa: S606 - no shell is wanted
        finally:
            os._exit(127)
    shown, lines = b"", typed.splitlines(keepends=True)
    while True:
        try:
            more = os.read(controller, 4096)
        except OSError:  # EIO: the last process has closed the terminal
            break
        shown += more
        if shown.count(PROMPT) and lines and shown.endswith(PROMPT):
            os.write(controller, lines.pop(0))
    os.close(controller)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("typed", TYPED, ids=NAMES)
def test_person_at_the_terminal_decides_over_the_call(site: Site, level: str, typed: bytes) -> None:
    """Issue: level by answer at the terminal; anything else is asked again, and is no yes."""
    runs, consent = TYPED[typed]
    code, shown = call_at_terminal(site, level, typed)

    assert (code == 0, consent in shown) == (runs, True), shown
    assert f'May "{level}"' in shown


def test_question_at_the_terminal_names_what_the_call_would_touch(site: Site) -> None:
    """Issue: the person sees what this very call would touch."""
    _, shown = call_at_terminal(site, "execute", b"no\n")

    assert "run code from the arguments" in shown
    assert "it, ran" in shown or '"it", "ran"' in shown


def test_call_without_a_terminal_is_denied_with_the_command_that_allows_it(site: Site) -> None:
    """Issue: no channel means deny; and "always" from the shell is the way."""

    def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            env=site.env,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
            timeout=50,
        )

    denied = run(words_of(site, "execute"))
    decided = run([*site.command("decide", "execute", "always"), "--without", "write"])
    allowed = run(words_of(site, "execute"))
    forgotten = run([*site.command("decide", "execute", "forget")])
    again = run(words_of(site, "execute"))

    assert (denied.returncode, denied.stdout) == (1, "")
    assert "there is no terminal to ask at" in denied.stderr
    assert "preopen decide execute always --workspace" in denied.stderr
    assert (decided.returncode, forgotten.returncode) == (0, 0)
    assert (allowed.returncode, "yes (decisions.toml)" in allowed.stderr) == (0, True)
    assert again.returncode == 1


@pytest.mark.parametrize("level", LEVELS)
def test_shell_runs_what_is_allowed_and_refuses_what_is_denied_unasked(
    site: Site, level: str
) -> None:
    """Issue: level by decision by channel: where nobody is to be asked, no terminal is wanted."""
    codes = []
    for decision in ("allow", "deny"):
        decide_all(site, decision)
        done = subprocess.run(
            words_of(site, level),
            env=site.env,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
            timeout=50,
        )
        assert b"May " not in done.stderr
        codes.append(done.returncode)

    assert codes == [0, 3]
