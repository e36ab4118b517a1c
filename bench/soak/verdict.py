"""What a soak found: pure, of samples and counts."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.soak.samples import Sample

MAX_RATIO: Final = 2.0  # issue: the median of honest calls beside hostile ones

# How much more the last quarter's median may be than the second's, for each quantity.
# Memory: a heap that has settled still moves by some arenas of 1 MiB, and zygote and server have
# one each. A leak of 100 bytes in each of the 36 000 calls of five minutes is 3.5 MB.
MEMORY_KB: Final = 2048
MEMORY_SHARE: Final = 0.03
# Descriptors and processes: by chance a cell or two more run in one quarter, with two descriptors
# each in the server and one in the zygote. A leak of one in a thousand calls is 36.
DESCRIPTORS: Final = 8
PROCESSES: Final = 4
FILES: Final = 0


@dataclass(slots=True)
class Phase:
    """Calls of one phase: what each honest one took, and how the hostile ones ended."""

    name: str
    took_ms: list[float] = field(default_factory=list)
    honest: int = 0
    hostile: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """The median of honest calls."""
        return statistics.median(self.took_ms)

    @property
    def p95_ms(self) -> float:
        """What 95 of 100 honest calls took at most."""
        return statistics.quantiles(self.took_ms, n=20)[-1]


def growth(samples: Sequence[Sample]) -> list[str]:
    """Return a line for each quantity that grew between the second and the last quarter."""
    quarter = len(samples) // 4
    if not quarter:
        return [f"only {len(samples)} samples: too few to tell what grows; run longer"]
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    quantities: tuple[tuple[str, Callable[[Sample], int], Callable[[float], float]], ...] = (
        (
            "memory (KB)",
            lambda each: each.memory_kb,
            lambda base: max(MEMORY_KB, MEMORY_SHARE * base),
        ),
        ("descriptors", lambda each: each.descriptors, lambda _: DESCRIPTORS),
        ("processes", lambda each: each.processes, lambda _: PROCESSES),
        ("temporary files", lambda each: each.files, lambda _: FILES),
    )
    found = []
    for name, value_of, tolerance_of in quantities:
        before, after = (statistics.median(map(value_of, part)) for part in (second, last))
        tolerance = tolerance_of(before)
        if after - before > tolerance:
            grew = f"{name} grew by {after - before:g}, from {before:g} to {after:g}"
            found.append(f"{grew}; at most {tolerance:g} is let pass")
    return found


def judge(alone: Phase, mixed: Phase, *, left: Sequence[str]) -> list[str]:
    """Return all that is not as it should be; `left` is what the end of the server left behind."""
    faults = growth(mixed.samples)
    for phase in (alone, mixed):
        faults += [f"{phase.name}: {wrong}" for wrong in phase.wrong]
        if not phase.took_ms:
            faults.append(f"{phase.name}: no honest call was answered")
    if alone.took_ms and mixed.took_ms:
        ratio = mixed.median_ms / alone.median_ms
        if ratio >= MAX_RATIO:
            faults.append(
                f"honest calls took {ratio:.2f}x as long beside hostile ones, by the median;"
                f" less than {MAX_RATIO:g}x is wanted"
            )
    return [*faults, *left]
