"""The one door to the network: asks, tickets, and the listener on which they are redeemed.

A guest's request comes twice. First its cell *asks*, by method, scheme, authority and path: both
gates decide, and an approved request is a ticket. Then the guest's own HTTP client sends it to
the listener with the ticket as its path, and the relay carries it to an address that was checked.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup

from preopen.document import shown
from preopen.egress import denials
from preopen.egress.addresses import forbidden
from preopen.egress.caps import Caps
from preopen.egress.headers import may_carry
from preopen.egress.hosts import is_address
from preopen.egress.masking import is_maskable
from preopen.egress.record import Record
from preopen.egress.relay import Passage, Terms, relay
from preopen.egress.rule import CallEgress, Credential, EgressRule, Secret, Target
from preopen.egress.rules import matching
from preopen.egress.sockets import Address, Connection, Listener
from preopen.egress.tickets import Approved, Login, Tickets
from preopen.egress.trust import Trust
from preopen.egress.url import Unreadable, read_request
from preopen.outcome import Denial, Request

Resolve: TypeAlias = Callable[[str, int], Awaitable[tuple[Address, ...]]]

_SPARE_CONNECTIONS: Final = 8  # beyond the requests in flight: those that were just answered
_DENIED: Final = "HTTP-request-denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The request is approved: send it to the listener, with this path instead of its own."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The request is not made. `error` is a case of wasi:http's `error-code`."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What the calls of one server share. `resolve` raises OSError for a name that is not known.

    `records_paths` has the receipt name the path of each request, which may hold secrets.
    """

    resolve: Resolve
    trust: Trust
    caps: Caps = field(default_factory=Caps)
    records_paths: bool = False

    @asynccontextmanager
    async def attend(self, egress: CallEgress, listener: int | None) -> AsyncIterator["Attendance"]:
        """Serve one call. At the end its tickets, connections, tasks and listener are gone.

        `listener` is the descriptor of the listening socket that the cell bound on its loopback;
        it is ours from here on, whatever happens. With None no request can be made.

        Raises:
            ValueError: the listener is none of 127.0.0.1 over TCP.

        """
        door = None if listener is None else Listener(listener)
        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as group:
                attendance = Attendance(self, egress, door, group)
                try:
                    yield attendance
                except Exception as error:  # noqa: BLE001 - raised again below, without a group around it
                    failure = error
                finally:
                    attendance.end()
                    group.cancel_scope.cancel()
        finally:
            if door is not None:
                door.close()
        if failure is not None:
            raise failure


class Attendance:
    """One call: its asks and what became of them. Made by `Gateway.attend`.

    State: tickets, requests on their way, the record.
    """

    def __init__(
        self, gateway: Gateway, egress: CallEgress, door: Listener | None, group: TaskGroup
    ) -> None:
        self.port = 0 if door is None else door.port
        self.bytes_out = 0  # of URLs, fields and bodies; counted also where the record is full
        self._gateway = gateway
        self._egress = egress
        self._caps = gateway.caps
        self._record = Record(max_requests=gateway.caps.recorded, max_denials=gateway.caps.denied)
        self._tickets = Tickets(lifetime_s=gateway.caps.ticket_s, clock=time.monotonic)
        self._started: dict[int, float] = {}  # of entries that are not settled
        self._resolving = 0
        self._passing = 0
        self._connections = 0
        self._ended = False
        if door is not None:
            group.start_soon(self._serve, door, group)

    @property
    def requests(self) -> list[Request]:
        """Every ask, in order, with what became of it; beyond the cap only counted."""
        return self._record.requests

    @property
    def more_requests(self) -> int:
        """How many asks `requests` has no room for."""
        return self._record.more_requests

    @property
    def denials(self) -> list[Denial]:
        """What was denied, each kind once; beyond the cap only counted."""
        return self._record.denials

    @property
    def more_denials(self) -> int:
        """How many denials `denials` has no room for."""
        return self._record.more_denials

    async def ask(
        self, method: str, scheme: str | None, authority: str | None, path: str | None
    ) -> Ticket | Refusal:
        """Decide over one request as its guest spelt it. Any text is answered."""
        self._drop_expired()
        target = read_request(method, scheme, authority, path)
        if isinstance(target, Unreadable):
            denial = denials.unreadable(method, authority, target)
            self._record.add(
                Request(method=_short(method), scheme="", host="", port=0, result="denied")
            )
            self._record.deny(denial)
            return Refusal(error=target.error)
        entry = self._record.add(self._request(target, "asked"))
        self._started[entry] = time.monotonic()
        rules = matching(self._egress.rules, target)
        if not rules:
            return self._deny(entry, target, denials.by_name(target, self._egress))
        if not self.port or self._ended:
            return self._deny(entry, target, denials.without_way(target))
        if len(self._tickets) + self._resolving + self._passing >= self._egress.requests:
            return self._refuse(entry, target, "connection-limit-reached", limit="requests")
        self._resolving += 1
        # From here on, though nothing was sent yet: a name that is looked up carries data, too.
        self.bytes_out += len(f"{target.origin}{target.path}{target.query}")
        try:
            return await self._approve(entry, target, rules)
        except anyio.get_cancelled_exc_class():
            self._settle(entry, target, Passage(result="ended with the call"))
            raise
        finally:
            self._resolving -= 1

    def end(self) -> None:
        """Refuse what is asked from here on; no ticket is good any more."""
        self._ended = True
        for approved in self._tickets.clear():
            self._settle(approved.entry, approved.target, Passage(result="not sent"))

    async def _approve(
        self, entry: int, target: Target, rules: tuple[EgressRule, ...]
    ) -> Ticket | Refusal:
        try:
            with anyio.fail_after(self._caps.resolve_s):
                addresses = await self._addresses(target)
        except TimeoutError:
            return self._refuse(entry, target, "DNS-timeout")
        except (OSError, ValueError):  # ValueError: a name that the resolver cannot encode
            addresses = ()
        if not addresses:
            return self._refuse(entry, target, "DNS-error")
        # A credential goes only where a rule of its own lets it go: rules are not added up.
        passing = [rule for rule in rules if _stranger(addresses, rule) is None]
        if not passing:
            stranger = _stranger(addresses, rules[0]) or addresses[0]
            return self._deny(
                entry, target, denials.by_address(target, stranger, self._egress.closed)
            )
        login = self._login(target, passing)
        if isinstance(login, Denial):
            return self._deny(entry, target, login)
        if self._ended:  # while the name was looked up
            self._settle(entry, target, Passage(result="ended with the call"))
            return Refusal(error=_DENIED)
        approved = Approved(target=target, addresses=addresses, login=login, entry=entry)
        return Ticket(path=self._tickets.issue(approved))

    async def _addresses(self, target: Target) -> tuple[Address, ...]:
        if is_address(target.host):
            return (ip_address(target.host),)
        return await self._gateway.resolve(target.host, target.port)

    def _login(self, target: Target, rules: list[EgressRule]) -> Login | Denial | None:
        credential = next((rule.credential for rule in rules if rule.credential), None)
        if credential is None:
            return None
        secret = self._egress.secrets.get(credential.secret)
        if secret is None:
            reason, allow = "has no value", "name it under [secrets] in preopen.toml"
        elif not is_maskable(secret.reveal()):
            reason = "has fewer than 8 characters, or some beyond printable ASCII"
            allow = "use a longer one, whose echo can be masked"
        elif not may_carry(credential.header):
            reason = f"cannot go into the header {shown(credential.header)}"
            allow = "name another header"
        elif (login := _made(credential, secret)) is None:
            reason, allow = "makes no header's value by its format", "correct the format"
        else:
            return login
        return denials.by_secret(target, credential.secret, reason, allow)

    def _drop_expired(self) -> None:
        for approved in self._tickets.expired():
            self._settle(approved.entry, approved.target, Passage(result="not sent in time"))

    def _redeem(self, path: str) -> Approved | None:
        self._drop_expired()
        approved = self._tickets.redeem(path)
        if approved is not None:
            self._passing += 1
        return approved

    def _passed(self, approved: Approved, passage: Passage) -> None:
        self._passing -= 1
        self.bytes_out += passage.head_bytes + passage.request_bytes
        self._settle(approved.entry, approved.target, passage)

    def _settle(self, entry: int, target: Target, passage: Passage) -> None:
        started = self._started.pop(entry)
        self._record.replace(entry, self._request(target, passage.result, passage, started))

    def _deny(self, entry: int, target: Target, denial: Denial) -> Refusal:
        self._record.deny(denial)
        self._settle(entry, target, Passage(result="denied"))
        return Refusal(error=_DENIED)

    def _refuse(self, entry: int, target: Target, error: str, *, limit: str = "") -> Refusal:
        self._settle(entry, target, Passage(result=error, limit=limit))
        return Refusal(error=error)

    def _request(
        self,
        target: Target,
        result: str,
        passage: Passage | None = None,
        started: float | None = None,
    ) -> Request:
        passage = passage or Passage()
        return Request(
            method=target.method,
            scheme=target.scheme,
            host=target.host,
            port=target.port,
            result=result,
            address=passage.address,
            path=target.path + target.query if self._gateway.records_paths else "",
            limit=passage.limit,
            request_bytes=passage.request_bytes,
            response_bytes=passage.response_bytes,
            time_ms=0.0 if started is None else (time.monotonic() - started) * 1000,
        )

    async def _serve(self, door: Listener, group: TaskGroup) -> None:
        while True:
            try:
                connection = await door.accept()
            except anyio.BrokenResourceError:
                return
            if self._connections >= self._egress.requests + _SPARE_CONNECTIONS:
                connection.abort()
                continue
            self._connections += 1
            group.start_soon(self._relay, connection)

    async def _relay(self, connection: Connection) -> None:
        terms = Terms(
            caps=self._caps,
            trust=self._gateway.trust,
            request_bytes=self._egress.request_bytes,
            response_bytes=self._egress.response_bytes,
        )
        try:
            await relay(connection, terms=terms, redeem=self._redeem, settle=self._passed)
        finally:
            self._connections -= 1
            connection.abort()  # of a task that was cancelled before it began


def _stranger(addresses: tuple[Address, ...], rule: EgressRule) -> Address | None:
    """Return the first address that the rule does not let through: one is enough to refuse all."""
    return next((each for each in addresses if forbidden(each, private=rule.private)), None)


def _made(credential: Credential, secret: Secret) -> Login | None:
    value = credential.format.replace("{secret}", secret.reveal())
    if not (value.isascii() and value.isprintable() and value == value.strip()):
        return None
    return Login(header=credential.header.encode("ascii"), value=Secret(value), secret=secret)


def _short(method: str) -> str:
    return method[:32] if method.isascii() and method.isprintable() else "?"
