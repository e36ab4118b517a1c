"""An Ask that asks the person at the terminal, for `preopen call`."""

import contextlib
from functools import partial
from typing import Final, TextIO

import anyio.to_thread

from preopen.cli.printing import safe
from preopen.trust.consent import Channel, Question, Said, Say, Unasked, question_text

_TERMINAL: Final = "/dev/tty"
# A session is this one call: there is nothing between once and always.
_KEYS: Final = {
    "y": Say.ONCE,
    "yes": Say.ONCE,
    "once": Say.ONCE,
    "always": Say.ALWAYS,
    "n": Say.NO,
    "no": Say.NO,
}
_TRIES: Final = 3


async def ask_at_terminal(question: Question) -> Said | Unasked:
    """Ask at the controlling terminal: standard input may hold the arguments, stdout the result."""
    with contextlib.ExitStack() as opened:
        try:
            # Twice: Python opens nothing for both that cannot seek.
            reading = opened.enter_context(open(_TERMINAL))  # noqa: PTH123, ASYNC230 - at once
            writing = opened.enter_context(open(_TERMINAL, "w"))  # noqa: PTH123, ASYNC230 - at once
        except OSError:
            return Unasked(why="there is no terminal to ask at")
        ask = partial(_ask, question, reading, writing)
        return await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)


def _ask(question: Question, reading: TextIO, writing: TextIO) -> Said | Unasked:
    print(safe(question_text(question)), file=writing)
    for _ in range(_TRIES):
        print("yes (this call), always or no? ", end="", file=writing, flush=True)
        line = reading.readline()
        if not line:
            break
        if (said := _KEYS.get(line.strip().lower())) is not None:
            return Said(say=said, channel=Channel.TERMINAL)
    return Unasked(why="the question was left without an answer", channel=Channel.TERMINAL)
