"""Entry point: the product's compiler with a part of its time and memory, for attacks on it."""

import time
from typing import Final

from preopen.sandbox import compiler

CPU_SECONDS: Final = 1  # it has used 0.1 when the binary comes, and a small one takes no more
MEMORY_BYTES: Final = 128 << 20


def main(arguments: list[str]) -> None:
    """Compile; `arguments` are the product's."""
    # A machine on which starting alone takes half a second has a second more for each: else a
    # small binary would end as a large one does.
    seconds = CPU_SECONDS + int(2 * time.process_time())
    compiler.main(arguments, cpu_seconds=seconds, memory_bytes=MEMORY_BYTES)
