"""The quota that a tool is held to, and what is used of it, for `preopen explain`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from preopen.cli.printing import aligned
from preopen.errors import PlatformError
from preopen.outcome import Denial, JsonValue
from preopen.policy.policy import Policy
from preopen.policy.quotas import EVERY_TOOL, KEYS, format_amount
from preopen.trust.quotas import minute_of, refuse, total_used, uncounted
from preopen.trust.usage import read_used


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """One key of a quota: calls, or sizes in bytes. `used` is None where it cannot be read."""

    key: str
    limit: int
    used: int | None
    place: str  # the file that says it


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """The quota of one tool. `name` is the one that it stands under: the tool's, or "*".

    `denial` is what a call would be told now, None where it may begin.
    """

    name: str
    amounts: tuple[Amount, ...]
    denial: Denial | None


def read_quota_use(tool: str, policy: Policy, seconds: float) -> QuotaUse | None:
    """Return what a tool's calls are held to at this moment since the epoch, None for no quota.

    Nothing is counted by that, and no file is made or written.
    """
    quotas = policy.quotas
    name = quotas.name_for(tool)
    if name is None:
        return None
    clock = minute_of(seconds)
    totals: dict[str, int] = {}
    denial: Denial | None = None
    try:
        read = read_used(Path(quotas.file), tool)
    except PlatformError as error:
        denial = uncounted(tool, error)
    else:
        if read is not None:
            latest, used = read
            minute = max(clock, latest)
            denial = refuse(quotas, tool, used, minute, clock=clock)
            totals = {key: total_used(key, used, minute) for key in KEYS}
    amounts = tuple(
        Amount(
            key=key,
            limit=limit,
            used=totals.get(key),
            place=policy.origins.get(f"quota.{name}.{key}", "default"),
        )
        for key in KEYS
        if (limit := getattr(quotas.quotas[name], key)) is not None
    )
    return QuotaUse(name=name, amounts=amounts, denial=denial)


def quota_lines(use: QuotaUse | None) -> Iterator[str]:
    """Yield what a person reads of it; also that there is none, which is easily taken for one."""
    if use is None:
        yield "none: nobody counts its calls"
        return
    every = '[quota."*"], and what this tool uses counts for it alone'
    yield every if use.name == EVERY_TOOL else f"[quota.{use.name}]"
    yield from aligned((each.key, _amount(each), each.place) for each in use.amounts)
    if use.denial is None and any(each.used is None for each in use.amounts):
        yield "what it used is known again after its next call: a server was killed as it counted"
    if use.denial is not None:
        yield f"its calls are denied now: {use.denial.reason}; {use.denial.allow}"


def _amount(amount: Amount) -> str:
    limit = format_amount(amount.key, amount.limit)
    if amount.used is None:
        return f"at most {limit}"
    span = "hour" if amount.key.endswith("_hour") else "day"
    return f"{format_amount(amount.key, amount.used)} of {limit} used in the last {span}"


def quota_to_json(use: QuotaUse | None) -> JsonValue:
    """Return the same as `--json` shows it: calls, and sizes in bytes."""
    if use is None:
        return None
    denied: JsonValue = None
    if use.denial is not None:
        denied = {"reason": use.denial.reason, "allow": use.denial.allow}
    return {
        "name": use.name,
        "amounts": [
            {"key": each.key, "limit": each.limit, "used": each.used, "from": each.place}
            for each in use.amounts
        ],
        "denied": denied,
    }
