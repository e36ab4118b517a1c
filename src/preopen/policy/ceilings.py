"""A manifest's limits under the operator's ceilings. Pure."""

from dataclasses import replace

from preopen.capability import LIMIT_KEYS, Limits
from preopen.errors import Fault
from preopen.policy.policy import Policy
from preopen.tool.limits import format_limit
from preopen.tool.manifest import Manifest


def limit(manifest: Manifest, policy: Policy) -> tuple[Limits, tuple[Fault, ...]]:
    """Return what every call is held to, and a Refusal for each limit asked above its ceiling.

    A default that nobody asked for bends to a lower ceiling: an operator who writes
    memory = "32MiB" lowers tools that are silent about memory, and refuses none of them.
    """
    faults = tuple(
        _refuse(manifest, key, asked, policy)
        for key, asked in manifest.asked_limits.items()
        if key in policy.ceilings and asked > policy.ceilings[key]
    )
    lowered = {
        LIMIT_KEYS[key]: ceiling
        for key, ceiling in policy.ceilings.items()
        if key not in manifest.asked_limits and _exceeds(manifest.limits, key, ceiling)
    }
    return replace(manifest.limits, **lowered), faults


def _exceeds(limits: Limits, key: str, ceiling: int) -> bool:
    if key == "cpu_time":
        return limits.cpu_seconds > ceiling  # it follows wall_time where nobody wrote it
    number: int | None = getattr(limits, LIMIT_KEYS[key])
    return number is None or number > ceiling  # None: nobody counts, which is above any ceiling


def _refuse(manifest: Manifest, key: str, asked: int, policy: Policy) -> Fault:
    ceiling = policy.ceilings[key]
    origin = policy.origins.get(f"limits.{key}", "default")
    return Fault(
        place=manifest.file,
        key=f"limits.{key}",
        found=f"{format_limit(key, asked)} is above the ceiling of {format_limit(key, ceiling)}"
        f" ({origin})",
        write=f"write at most {format_limit(key, ceiling)},"
        " or raise the ceiling under [limits] in preopen.toml",
    )
