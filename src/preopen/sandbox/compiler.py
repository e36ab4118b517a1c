"""Compiles one binary and leaves: a process of its own, behind a wall, for a binary is untrusted.

Reads the binary from stdin and writes its compiled form to stdout; stdout is a file that the server
opened, for the compiler may open none. The exit code says how it ended, stderr why.
"""

import errno
import os
import resource
import sys

from preopen.sandbox.engine import WasmtimeError, compile_binary, make_engine
from preopen.sandbox.process import end_with_parent, ignore_signals
from preopen.sandbox.wall import Layer, Sockets, Wall, WallError, probe_layers

# The largest guest that we know of, CPython as a component of 31 MB, takes 8 s on two cores and
# 410 MB. Hostile ones know no end: one function of 7 MB, the longest that wasmtime accepts, took
# 2.5 GB and 24 s, loops in loops of 130 KB all memory that there was.
CPU_SECONDS = 60
MEMORY_BYTES = 2 << 30
FILE_BYTES = 512 << 20  # of the compiled form; those 31 MB become 110. A memfd counts, too
OPEN_FILES = 64
# At a first start all tools are compiled, on every CPU, while an agent already calls. A third of a
# call's weight: with less a busy machine would let a large binary run out of its time.
NICER_BY = 5


def main(
    arguments: list[str], *, cpu_seconds: int = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES
) -> None:
    """Compile: `arguments` are the server's pid, the binary's kind, the stack, "fuel" or "".

    The bounds are lower ones for the self-test, whose attacks are to be short.
    """
    server, kind, stack_bytes, fuel = (
        int(arguments[0]),
        arguments[1],
        int(arguments[2]),
        arguments[3],
    )
    end_with_parent(server)
    ignore_signals()
    os.nice(NICER_BY)
    engine = make_engine(stack_bytes, counts_fuel=fuel == "fuel")  # it looks at what the wall hides
    try:
        put_up_wall(server, cpu_seconds=cpu_seconds, memory_bytes=memory_bytes)
    except WallError as error:
        leave(os.EX_OSERR, str(error))
    try:
        compiled = compile_binary(engine, kind, sys.stdin.buffer.read())
    except WasmtimeError as error:
        leave(os.EX_DATAERR, str(error))
    except MemoryError:
        leave(os.EX_DATAERR, f"it takes more than {memory_bytes >> 20}MiB of memory")
    try:
        write(compiled)
    except OSError as error:
        if error.errno == errno.EFBIG:
            leave(os.EX_DATAERR, f"its compiled form is larger than {FILE_BYTES >> 20}MiB")
        leave(os.EX_IOERR, str(error.strerror))
    leave(os.EX_OK, "")


def put_up_wall(
    server: int, *, cpu_seconds: int = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES
) -> tuple[str, ...]:
    """Close everything but the descriptors that are open and threads; return the layers' names.

    Before a byte of the binary is read, and before wasmtime's threads: they inherit it.

    Raises:
        WallError: a layer that this machine has failed.

    """
    missing = {layer for layer, why in probe_layers().items() if why}
    if Layer.RLIMITS in missing:  # elsewhere than on Linux, where nothing else bounds it
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wall = Wall.prepare(missing, server)
    wall.raise_((), sockets=Sockets.NONE)
    wall.limit(
        cpu_seconds=cpu_seconds,
        memory_bytes=memory_bytes,
        file_size_bytes=FILE_BYTES,
        open_files=OPEN_FILES,
    )
    return tuple(layer.value for layer in wall.layers)


def write(compiled: bytes) -> None:
    """Write all of it to stdout; the kernel takes 2 GiB at once at most, and less if it likes."""
    rest = memoryview(compiled)
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]


def leave(code: int, reason: str) -> None:
    """End at once: the compiler's threads need no farewell."""
    os.write(sys.stderr.fileno(), reason.encode(errors="replace")[:4000])
    os._exit(code)
