"""What surrounds a guest: variables, arguments, stdin, other calls. Granted beside withheld."""

import os

import pytest

from lab import Lab

pytestmark = pytest.mark.anyio


async def test_granted_variable_reaches_the_guest(lab: Lab, kind: str) -> None:
    """Design §5: `[environment]` names what a guest sees."""
    said = await lab.say(kind, "env", "TZ", env={"TZ": "UTC"})

    assert ["env TZ: done UTC"] == said


async def test_environment_holds_nothing_that_was_not_granted(
    lab: Lab, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design §8: nothing inherited, ever."""
    monkeypatch.setitem(os.environ, "PREOPEN_TEST_SECRET", "swordfish")
    said = await lab.say(kind, "environ", "-")

    assert ["environ -: done"] == said


async def test_stdin_is_what_the_call_gave(lab: Lab, kind: str) -> None:
    """Design §5: a template such as "{code}" goes to stdin whole."""
    text = "Zeile\n" * 100_000
    said = await lab.say(kind, "stdin", "-", stdin=text.encode())

    assert "stdin -: done Zeile" == said[0]
    assert 100_001 == len(said)


async def test_stdin_without_one_is_empty(lab: Lab, kind: str) -> None:
    """Design §5: `stdin = "none"`; the server's own stdin is the client's, never a guest's."""
    assert ["stdin -: done"] == await lab.say(kind, "stdin", "-")


async def test_arguments_are_this_call_s_alone(lab: Lab, kind: str) -> None:
    """Ours: an argument with a space, a quote and a newline stays one; no call sees another's."""
    said = await lab.say(kind, "args", 'a b"\tc')
    again = await lab.say(kind, "args", "x")

    assert ['args a b"\tc: done probe|args|a b"\tc'] == said
    assert ["args x: done probe|args|x"] == again


async def test_each_call_draws_random_bytes_of_its_own(lab: Lab, kind: str) -> None:
    """Ours: a seed that cells inherited by fork would give every call the same keys and names."""
    drawn = [(await lab.say(kind, "random", "-"))[0] for _ in range(5)]

    assert 5 == len(set(drawn)), drawn
