"""Whether a tool may be called once more by its quota, and counting what the call used.

`judge` is pure; `Quotas` joins it to the clock and to the file that servers share.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from preopen.errors import PlatformError
from preopen.outcome import Denial
from preopen.policy.quotas import KEYS, Quota, QuotaPolicy, format_amount
from preopen.trust.usage import DAY, Book, Used, open_book

HOUR: Final = 60  # minutes
_OPERATORS: Final = "preopen.toml"
_SECONDS: Final = 60  # of a minute

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A quota of which nothing is left: its key, and the minutes until there is room again."""

    key: str
    limit: int
    used: int
    wait: int


def judge(quota: Quota, used: Sequence[Used], minute: int) -> Spent | None:
    """Return the quota that is used up for the longest, None where a call may begin.

    `used` is oldest first. A window holds its minutes and the one that it begins in, so no hour and
    no day, wherever it begins, sees more than its quota.
    """
    spent = [
        found
        for key in KEYS
        if (limit := getattr(quota, key)) is not None
        if (found := _spent(key, limit, used, minute)) is not None
    ]
    return max(spent, key=lambda each: each.wait, default=None)


def total_used(key: str, used: Sequence[Used], minute: int) -> int:
    """Return what counts against a key of a quota: calls, or bytes."""
    return sum(amount for _, amount in _counted(key, used, minute))


def _counted(key: str, used: Sequence[Used], minute: int) -> list[tuple[int, int]]:
    """Return the minutes of a key's window, and what was used in each of them."""
    return [
        (each.minute, each.bytes_out if key.startswith("bytes") else each.calls)
        for each in used
        if each.minute >= minute - _span(key)
    ]


def _span(key: str) -> int:
    return HOUR if key.endswith("_hour") else DAY


def _spent(key: str, limit: int, used: Sequence[Used], minute: int) -> Spent | None:
    counted, span = _counted(key, used, minute), _span(key)
    total = left = sum(amount for _, amount in counted)
    if total < limit:
        return None
    wait = 0
    for begun, amount in counted:
        left -= amount
        wait = begun + span + 1 - minute
        if left < limit:
            break
    return Spent(key=key, limit=limit, used=total, wait=wait)


@dataclass(slots=True, kw_only=True)
class Count:
    """A call that was let in. Whoever runs it says what came of it, before the counting ends.

    `minute` is that in which it counts, None where its tool has no quota. `began` is False where no
    cell was touched: the call is then no call. `bytes_out` is what its requests carried out.
    """

    minute: int | None = None
    began: bool = True
    bytes_out: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Quotas:
    """Counts calls of tools that have a quota; `clock` answers seconds since the epoch.

    State: bytes that went out and could not be written down; they count at the next call.
    """

    policy: QuotaPolicy
    clock: Callable[[], float]
    _owed: dict[str, int] = field(default_factory=dict)
    # One at a time: SQLite's waiting is neither fair nor long.
    _turn: anyio.Lock = field(default_factory=anyio.Lock)

    async def begin(self, tool: str) -> Count | Denial:
        """Count one call, or say why it may not begin. Who gets a Count gives it to `end`.

        A tool without a quota touches no file. Where the file cannot be used, a tool with a quota
        is denied.
        """
        if self.policy.name_for(tool) is None:
            return Count()
        async with self._turn:
            minute = await anyio.to_thread.run_sync(self._admit, tool)
        return minute if isinstance(minute, Denial) else Count(minute=minute)

    async def end(self, tool: str, count: Count) -> None:
        """Write down what came of a call that was counted, also where it was cancelled."""
        if count.minute is None or (count.began and not count.bytes_out):
            return
        with anyio.CancelScope(shield=True):  # what went out has gone out
            async with self._turn:
                await anyio.to_thread.run_sync(self._settle, tool, count.minute, count)

    def _admit(self, tool: str) -> int | Denial:
        """Count a call, and return the minute that it counts in."""
        try:
            with open_book(Path(self.policy.file)) as book:
                clock = minute_of(self.clock())
                minute = book.minute(clock)
                owed = self._owed.get(tool, 0)
                if owed:
                    book.add(tool, minute, bytes_out=owed)
                denial = refuse(self.policy, tool, book.used(tool), minute, clock=clock)
                if denial is None:
                    book.add(tool, minute, calls=1)
        except PlatformError as error:
            return uncounted(tool, error)
        self._owed.pop(tool, None)
        return minute if denial is None else denial

    def _settle(self, tool: str, minute: int, count: Count) -> None:
        try:
            with open_book(Path(self.policy.file)) as book:
                self._write(book, tool, minute, count)
        except PlatformError as error:
            self._owed[tool] = self._owed.get(tool, 0) + count.bytes_out
            log.warning("what %s sent is not written down yet: %s", tool, error)

    def _write(self, book: Book, tool: str, minute: int, count: Count) -> None:
        if not count.began:
            book.add(tool, minute, calls=-1)
        if count.bytes_out:
            # In the minute in which it ended: in that of its beginning it would be forgotten early.
            book.add(tool, book.minute(minute_of(self.clock())), bytes_out=count.bytes_out)


def minute_of(seconds: float) -> int:
    """Return the minute that counts a moment, both since the epoch."""
    return int(seconds // _SECONDS)


def uncounted(tool: str, error: PlatformError) -> Denial:
    """Return what a call is told whose tool has a quota, where the file cannot be used."""
    (fault,) = error.faults
    reason = f"{tool} has a quota, and what it used cannot be counted: {fault.place}: {fault.found}"
    return Denial(target=tool, reason=reason, allow=fault.write)


def refuse(
    policy: QuotaPolicy, tool: str, used: Sequence[Used], minute: int, *, clock: int
) -> Denial | None:
    """Return what a call is told that may not begin in a minute, None where it may.

    `clock` is the machine's minute, which is behind where a server saw a later one.
    """
    name = policy.name_for(tool)
    spent = None if name is None else judge(policy.quotas[name], used, minute)
    if name is None or spent is None:
        return None
    place = policy.lowered.get((name, spent.key), "")
    denial = _denial(tool, name, spent, place, behind=minute - clock)
    if minute == clock:
        return denial
    anew = f"{denial.allow}, or remove {policy.file}: counting then begins at zero"
    return replace(denial, allow=anew)


def _denial(tool: str, name: str, spent: Spent, place: str, *, behind: int) -> Denial:
    """Return the denial of one more call; `place` is the workspace's file that holds it so low."""
    used = format_amount(spent.key, spent.used)
    what = f"sent {used}" if spent.key.startswith("bytes") else f"been called {used} times"
    span = "hour" if spent.key.endswith("_hour") else "day"
    limit = format_amount(spent.key, spent.limit)
    reason = (
        f"{tool} has {what} in the last {span}, and its quota is {spent.key} = {limit};"
        f" there is room again in {_plain(spent.wait + behind)}"
    )
    if behind:
        reason += f", for this machine's clock was {_plain(behind)} ahead before"
    more = format_amount(spent.key, 2 * max(spent.used, spent.limit))
    value = f'"{more}"' if spent.key.startswith("bytes") else more
    table = name if name == tool else f'"{name}"'
    where = f"{place}, the workspace's own file, and start preopen anew" if place else _OPERATORS
    allow = f"write {spent.key} = {value} under [quota.{table}] in {where}"
    return Denial(target=tool, reason=reason, allow=allow)


def _plain(minutes: int) -> str:
    """Return a time for a person: `1 minute`, `2 hours and 5 minutes`."""
    hours, rest = divmod(minutes, HOUR)
    parts = [f"{hours} hour{'s' * (hours != 1)}"] if hours else []
    parts += [f"{rest} minute{'s' * (rest != 1)}"] if rest or not hours else []
    return " and ".join(parts)
