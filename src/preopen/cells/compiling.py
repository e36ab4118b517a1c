"""Has one binary compiled by a short process of its own, and returns the compiled bytes."""

import os
import subprocess

import anyio

from preopen.cells.start import COMPILER, ENVIRONMENT, command_for
from preopen.errors import BinaryError, Fault
from preopen.wire.frames import Binary

COMPILE_SECONDS = 120
MAX_COMPILED = 512 << 20  # a 31 MB component compiles to 110 MB
_COMPILED = b"+"


async def compile_binary(binary: Binary, data: bytes, place: str) -> bytes:
    """Return the compiled form of `data`.

    Raises:
        BinaryError: the binary is not valid, or its compiler ended or took too long.

    """
    stack, fuel = str(binary.stack_bytes), "fuel" if binary.counts_fuel else ""
    command = command_for(COMPILER, str(os.getpid()), binary.kind, stack, fuel)
    try:
        with anyio.fail_after(COMPILE_SECONDS):
            out = await _run(command, data)
    except TimeoutError as error:
        raise _fault(place, f"compiling took longer than {COMPILE_SECONDS}s") from error
    if not out:
        raise _fault(
            place, "the compiler ended without an answer (out of memory, or a fault of its own)"
        )
    if out[:1] != _COMPILED:
        reason = out[1:].decode(errors="replace").strip().splitlines()
        raise _fault(place, "wasmtime cannot compile it: " + " ".join(reason)[:400])
    return out[1:]


def _fault(place: str, found: str) -> BinaryError:
    return BinaryError(
        Fault(place=place, found=found, write="rebuild the binary with a current toolchain")
    )


async def _run(command: list[str], data: bytes) -> bytes:
    process = await anyio.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
    )
    out = bytearray()
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - narrows: both are pipes
    try:
        async with process:
            try:
                await process.stdin.send(data)
                await process.stdin.aclose()
            except anyio.BrokenResourceError:
                pass  # it left early; what it said, or its silence, is the answer
            async for chunk in process.stdout:
                out += chunk
                if len(out) > MAX_COMPILED:
                    return b""
    finally:
        if process.returncode is None:
            process.kill()
    return bytes(out)
