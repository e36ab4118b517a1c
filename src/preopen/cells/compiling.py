"""Has one binary compiled by a short process of its own, which writes it into an open file."""

import os
import signal
import subprocess
from typing import Final

import anyio

from preopen.cells.start import COMPILER, ENVIRONMENT, cannot_start, command_for
from preopen.document import printable
from preopen.errors import BinaryError, Fault, PlatformError
from preopen.wire.frames import Binary

# Half as long again as its CPU time, for a machine that is busy. It is the one wait that a person
# may have at a first call; `refusals.py` sees to it that a binary costs it once.
COMPILE_SECONDS = 90
_REASON_BYTES = 4000  # of what it says on stderr
_CHUNK = 256 << 10  # an event loop copies what it cannot send at once: not all of 128 MB
_REBUILD: Final = "rebuild it with a current toolchain"
_SMALLER: Final = "rebuild it with smaller functions, or split it"
# Sent by people, by shells to groups of processes, by a kernel without memory. One that fails
# gets others: its own limit of memory ends in an answer, that of CPU time in SIGXCPU.
_FROM_OUTSIDE: Final = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGKILL,
    signal.SIGQUIT,
    signal.SIGTERM,
}


async def compile_binary(
    binary: Binary,
    data: bytes,
    place: str,
    out: int,
    *,
    entry: str = COMPILER,
    seconds: float = COMPILE_SECONDS,
) -> None:
    """Have the compiled form of `data` written into the empty file that `out` is open on.

    Not a byte of it passes through this process.

    Raises:
        BinaryError: the binary is not valid, or its compiler ended or took too long: trying the
            same bytes again ends the same way.
        PlatformError: it is not the binary that failed.

    """
    stack, fuel = str(binary.stack_bytes), "fuel" if binary.counts_fuel else ""
    command = command_for(entry, str(os.getpid()), binary.kind, stack, fuel)
    try:
        with anyio.fail_after(seconds):
            code, said = await _run(command, data, out)
    except TimeoutError:
        raise _refuse(place, f"compiling took longer than {seconds}s", _SMALLER) from None
    if code != os.EX_OK or not os.fstat(out).st_size:
        raise _read_end(code, place, _line_of(said))


def _read_end(code: int, place: str, reason: str) -> BinaryError | PlatformError:
    """Return what an end without a compiled form means, and whose fault it is."""
    if code < 0:
        return _read_signal(signal.Signals(-code), place, reason)
    match code:
        case os.EX_DATAERR:
            return _refuse(place, f"wasmtime cannot compile it: {reason}", _REBUILD)
        case os.EX_OSERR:
            found = f"the compiler's wall could not be put up: {reason}"
            write = "try again; if it stays so, report it: this machine has that layer"
        case os.EX_IOERR:
            found = f"its compiled form could not be written: {reason}"
            write = "make room where the cache is"
        case 1:  # a Python exception, before it saw the binary
            found = f"the compiler failed at its own work: {reason[-200:]}"
            write = "try again; if it stays so, install preopen anew"
        case _:
            found = f"the compiler ended without an answer (exit code {code}) {reason}"
            return _refuse(place, found, _REBUILD)
    return PlatformError(Fault(place=place, found=found, write=write))


def _line_of(said: str) -> str:
    """Return what the compiler said as one line that may stand in a message."""
    lines = [line for line in said.splitlines() if not line.startswith("note: ")]  # Rust's advice
    return printable(" ".join(" ".join(lines).split())[:400])


def _read_signal(by: signal.Signals, place: str, reason: str) -> BinaryError | PlatformError:
    if by in _FROM_OUTSIDE:
        found = f"its compiler was ended from outside, by {by.name}"
        write = "try again"
        if by is signal.SIGKILL:
            write = "try again; if it stays so, the machine may have no memory left for it"
        return PlatformError(Fault(place=place, found=found, write=write))
    if by is signal.SIGXCPU:
        return _refuse(place, "compiling took more CPU time than a compiler may have", _SMALLER)
    why = f": {reason}" if reason else ""
    return _refuse(place, f"its compiler was killed by {by.name}{why}", _SMALLER)


def _refuse(place: str, found: str, write: str) -> BinaryError:
    return BinaryError(Fault(place=place, found=found, write=write))


async def _run(command: list[str], data: bytes, out: int) -> tuple[int, str]:
    """Return how the process ended, negative for a signal, and what it said on stderr."""
    try:
        process = await anyio.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise cannot_start(error) from error
    said = b""
    assert process.stdin is not None and process.stderr is not None  # noqa: S101, PT018 - narrows: both are pipes
    try:
        async with process:
            try:
                for start in range(0, len(data), _CHUNK):
                    await process.stdin.send(data[start : start + _CHUNK])
                await process.stdin.aclose()
            except anyio.BrokenResourceError:
                pass  # it left early; how it ended is the answer
            async for chunk in process.stderr:
                said = (said + chunk)[:_REASON_BYTES]
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    return code, said.decode(errors="replace")
