"""The compiler's wall, tried from inside by native code in its place, and seen from outside."""

import json
import os
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from preopen.cells.start import COMPILER, ENVIRONMENT, command_for
from preopen.layer import Layer
from preopen.sandbox.compiler import NICER_BY
from sandbox.wall_lab import run

REFUSED = {
    "read a file": "EACCES",
    "list the root": "EACCES",
    "write a file": "EACCES",
    "change a file's mode": "EPERM",
    "connect to the server": "EPERM",
    "make a Unix socket": "EPERM",
    "start a process": "EPERM",
    "signal the server": "EPERM",
    "read the server's memory": "EACCES",
    "take 128 MiB of memory": "ENOMEM",
    "write more than its compiled form": "EFBIG",
    "open 100 descriptors": "EMFILE",
}
# What wasmtime needs: it compiles in threads, and keeps what it compiled in a memfd.
ALLOWED = ("start a thread", "make a memfd", "write its compiled form")


@cache
def tried(side: str) -> dict[str, Any]:
    """Return the layers that were up, and what came of each attempt."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as out,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        (Path(folder) / "there").touch()
        port = str(listener.getsockname()[1])
        done = subprocess.run(
            command_for("sandbox.native_compiler", str(os.getpid()), side, port, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            env=ENVIRONMENT,
            check=True,
            timeout=50,
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("attempt", REFUSED)
def test_the_walled_compiler_cannot(attempt: str) -> None:
    """Issue: it runs under a wall and rlimits of its own, without network and with no directory."""
    assert tried("walled")["outcomes"][attempt] == REFUSED[attempt]


@pytest.mark.parametrize("attempt", REFUSED)
def test_the_same_code_without_the_wall_can(attempt: str) -> None:
    """Issue: each attempt has a positive control."""
    assert tried("bare")["outcomes"][attempt] == "done"


@pytest.mark.parametrize("attempt", ALLOWED)
def test_the_walled_compiler_can_still(attempt: str) -> None:
    """Ours: what compiling needs is not walled off."""
    assert tried("walled")["outcomes"][attempt] == "done"


def test_where_there_is_no_wall_its_limits_bind_it_all_the_same() -> None:
    """Design §3: elsewhere than on Linux rlimits where they exist, and no wall."""
    said = tried("elsewhere")

    assert said["layers"] == []
    assert said["outcomes"]["take 128 MiB of memory"] == "ENOMEM"
    assert said["outcomes"]["write more than its compiled form"] == "EFBIG"
    assert said["outcomes"]["read a file"] == "done"


def test_every_layer_that_this_machine_has_is_up() -> None:
    """Issue: reduced to what this kernel has, never to less."""
    lacking = run([], as_user=False)["lacking"]

    assert tried("walled")["layers"] == [layer for layer in Layer if layer not in lacking]


def test_the_real_compiler_is_walled_before_it_reads_and_before_it_has_threads() -> None:
    """Issue: the wall stands before a byte of the binary is looked at."""
    with subprocess.Popen(
        command_for(COMPILER, str(os.getpid()), "module", str(1 << 20), ""),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    ) as compiler:
        assert compiler.stdin is not None
        try:
            # More than a pipe holds: that it was taken shows that the compiler is reading.
            compiler.stdin.write(bytes(4 << 20))
            lines = Path(f"/proc/{compiler.pid}/status").read_text().splitlines()
            nice = os.getpriority(os.PRIO_PROCESS, compiler.pid)
        finally:
            compiler.kill()
            compiler.stdin.close()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapBnd"], 16) == int(status["CapPrm"], 16) == 0
    assert status["Threads"].strip() == "1"
    assert nice == min(os.getpriority(os.PRIO_PROCESS, 0) + NICER_BY, 19)
