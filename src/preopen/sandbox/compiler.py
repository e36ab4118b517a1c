"""Compiles one binary and leaves: a process of its own, for a binary is untrusted input.

Reads the binary from stdin; writes a status byte and the compiled bytes, or the reason, to stdout.
"""

import os
import resource
import sys

from preopen.sandbox.engine import WasmtimeError, compile_binary, make_engine
from preopen.sandbox.process import end_with_parent

CPU_SECONDS = 240  # a 31 MB component takes 8; the server's own deadline is shorter in wall time
DATA_BYTES = 4 << 30  # that component takes 410 MB
FILE_BYTES = (
    1 << 30
)  # wasmtime keeps the data segments of what it compiled in a memfd, which counts
COMPILED, REFUSED = b"+", b"-"


def main(arguments: list[str]) -> None:
    """Compile: `arguments` are the server's pid, the binary's kind, the stack, "fuel" or ""."""
    end_with_parent(int(arguments[0]))
    for name, value in (
        ("CPU", CPU_SECONDS),
        ("DATA", DATA_BYTES),
        ("FSIZE", FILE_BYTES),
        ("CORE", 0),
    ):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    data = sys.stdin.buffer.read()
    engine = make_engine(int(arguments[2]), counts_fuel=arguments[3] == "fuel")
    try:
        status, out = COMPILED, compile_binary(engine, arguments[1], data)
    except WasmtimeError as error:
        status, out = REFUSED, str(error).encode(errors="replace")[:4000]
    sys.stdout.buffer.write(status)
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
    os._exit(0)  # the compiler's threads need no farewell
