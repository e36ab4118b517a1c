"""What a cell said, or how it ended without a word, as an Outcome. Pure.

A cell is untrusted: what it says is cut to the call's limits before it counts.
"""

import signal

from preopen.capability import Limits
from preopen.cells.handle import End
from preopen.cells.job import Job
from preopen.outcome import (
    CellLost,
    Exited,
    Outcome,
    OutOfFuel,
    OutputOverflow,
    Returned,
    TimedOut,
    Trapped,
    Usage,
)
from preopen.units import format_size
from preopen.wire.frames import Answer

NO_WALL = 71  # sandbox/zygote.py: the cell could not prepare its wall
NOT_LOADED = 65  # sandbox/cell.py: the cell could not load a compiled binary
_STDERR_NOTE = 64  # bytes that the cell may add to say that earlier stderr was cut
# It was compiled for another machine or by another wasmtime, and has our MAC all the same.
UNLOADABLE = (
    "the compiled binary could not be loaded; stderr of the server says why, and what was compiled"
    " elsewhere is compiled anew once preopen's cache folder is removed"
)


def read_answer(answer: Answer, job: Job) -> Outcome:
    """Return the outcome that an answer says."""
    limits = job.limits
    stdout = answer.stdout[: limits.output_bytes]
    stderr = answer.stderr[: limits.stderr_bytes + _STDERR_NOTE]
    if answer.end == "overflow" or len(answer.stdout) > limits.output_bytes:
        return OutputOverflow(limit_bytes=limits.output_bytes, stdout=stdout, stderr=stderr)
    if answer.end == "refused":
        return CellLost(reason=f"the wall could not be put up: {answer.reason[:300]}")
    if answer.end == "out_of_fuel" and limits.fuel is not None:
        return OutOfFuel(limit=limits.fuel, stdout=stdout, stderr=stderr)
    if answer.end in ("trapped", "out_of_fuel"):
        return Trapped(reason=answer.reason[:500], stdout=stdout, stderr=stderr)
    if answer.exit_code in job.exit_ok:
        return Returned(stdout=stdout, stderr=stderr, exit_code=answer.exit_code)
    return Exited(exit_code=answer.exit_code, stdout=stdout, stderr=stderr)


def read_usage(answer: Answer, limits: Limits, wall_time_ms: float) -> Usage:
    """Return what an answer says that the call used; of fuel never more than there was."""
    fuel_used = answer.fuel_used
    if limits.fuel is None:
        fuel_used = None
    elif fuel_used is not None:
        fuel_used = min(max(fuel_used, 0), limits.fuel)
    return Usage(
        wall_time_ms=wall_time_ms,
        cpu_time_ms=answer.cpu_ms,
        peak_memory_bytes=answer.peak_memory_bytes,
        memory_of=answer.memory_of,
        fuel_used=fuel_used,
    )


def read_end(end: End, limits: Limits) -> Outcome:
    """Return the outcome of a cell that ended, or was ended, without an answer."""
    cpu_ms = limits.cpu_seconds * 1000
    if end.signal == signal.SIGXCPU or (end.signal == signal.SIGKILL and end.cpu_ms >= cpu_ms):
        return TimedOut(limit="cpu_time", limit_ms=cpu_ms)
    if end.signal == signal.SIGABRT:
        memory = format_size(limits.memory_bytes)
        return Trapped(reason=f"out of memory: the cell reached memory = {memory} and was aborted")
    if end.signal:
        return CellLost(reason=f"the cell was ended by {signal.Signals(end.signal).name}")
    if end.status is not None and end.status >> 8 == NO_WALL:
        return CellLost(reason="the cell could not prepare its wall; stderr of the server says why")
    if end.status is not None and end.status >> 8 == NOT_LOADED:
        return CellLost(reason=UNLOADABLE, may_pass=False)
    return CellLost(reason="the cell ended without an answer")
