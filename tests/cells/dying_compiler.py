"""A compiler of the tests' own, which ends as its binary says.

A binary is here a line of text: how to end, and a file that gets a byte at each start.
"""

import os
import signal
import sys
from pathlib import Path

from preopen.sandbox.compiler import put_up_wall
from preopen.sandbox.process import end_with_parent


def main(arguments: list[str]) -> None:
    """End as stdin says; `arguments` are those of the real one."""
    server = int(arguments[0])
    end_with_parent(server)
    how, file = sys.stdin.read().split(maxsplit=1)
    with Path(file).open("ab") as starts:
        starts.write(b".")
    match how:
        case "spin":
            put_up_wall(server, cpu_seconds=1)
            while True:
                pass
        case "hang":
            signal.pause()
        case "shout":
            sys.stderr.write("\x1b[31mred\n" * 100_000)
            os.kill(os.getpid(), signal.SIGABRT)
        case "nothing":
            os._exit(os.EX_OK)
        case code if code.isdigit():
            os._exit(int(code))
        case name:
            os.kill(os.getpid(), signal.Signals[name])
