# ruff: noqa: ANN401 - a mutant stands for a function of any signature
"""Switches off what stops an attack on the network: in the gateway, and in a cell's linker.

Where the address gate is off every connection goes to loopback: no test sends anything further.
"""

import time
import zlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote

from preopen.egress.gateway import Attendance, Ticket
from preopen.egress.rule import Target
from preopen.egress.tickets import Approved
from preopen.egress.url import Unreadable
from preopen.selftest.asking import Stop
from preopen.selftest.site import LOOPBACK
from promises.patching import Mutant

_issued: dict[str, Approved] = {}  # of every call


def _read_request(original: Callable[..., Any], _key: str) -> object:
    def read_request(method: str, scheme: str, authority: str, path: str) -> Target:
        read = original(method, scheme, authority, path)
        if not isinstance(read, Unreadable):
            return read  # type: ignore[no-any-return]  # a Target
        host, _, port = authority.rpartition("@")[2].partition(":")
        return Target(
            method=method.upper(),
            scheme=scheme.lower(),
            host=host,
            port=int(port),
            path=quote(path, safe="/#"),
        )

    return read_request


def _matching(_original: Any, _key: str) -> object:
    return lambda rules, _target: tuple(rules)


def _forbidden(_original: Any, _key: str) -> object:
    return lambda _address, **_: ""


def _dial(original: Callable[..., Any], _key: str) -> object:
    return lambda _address, port: original(ip_address(LOOPBACK), port)


def _approve(original: Callable[..., Any], _key: str) -> object:
    """Look the name up once more when all is decided."""

    async def approve(self: Attendance, entry: int, target: Target, rules: Any) -> Any:
        verdict = await original(self, entry, target, rules)
        if isinstance(verdict, Ticket):
            expires, approved = self._tickets._open[verdict.path]
            again = replace(approved, addresses=await self._addresses(target))
            self._tickets._open[verdict.path] = expires, again
        return verdict

    return approve


def _issue(original: Callable[..., Any], _key: str) -> object:
    def issue(tickets: Any, approved: Approved) -> str:
        path: str = original(tickets, approved)
        _issued[path] = approved
        return path

    return issue


def _redeem(_original: Any, _key: str) -> object:
    """Take whatever comes for a ticket: one of any call, used or late, else the newest."""

    def redeem(self: Attendance, path: str) -> Approved:
        approved = _issued.get(path, next(reversed(_issued.values())))
        entry = self._record.add(self._request(approved.target, "asked"))
        self._started[entry] = time.monotonic()
        self._passing += 1
        return replace(approved, entry=entry)

    return redeem


def _outgoing(original: Callable[..., Any], _key: str) -> object:
    """Believe the guest where it says a host, or a login."""

    def outgoing(headers: Any, target: Target, login: Any) -> Any:
        theirs = {
            name.lower(): (name, value)
            for name, value in headers
            if name.lower() == b"authorization"
            or (name.lower() == b"host" and not value.startswith(LOOPBACK.encode()))
        }
        fields = original(headers, target, login)
        return [*(f for f in fields if f[0].lower() not in theirs), *theirs.values()]

    return outgoing


def _masking(_original: Any, _key: str) -> object:
    return lambda _secret: None


def _ask(original: Callable[..., Any], _key: str) -> object:
    """Unpack what comes packed, as clients do unasked."""

    async def ask(*arguments: Any) -> Any:
        answer = await original(*arguments)
        if (b"Content-Encoding", b"gzip") not in answer.headers:
            return answer
        fields = [field for field in answer.headers if not field[0].startswith(b"Content-")]
        return replace(answer, headers=fields, body=_unpacked(answer.body))

    return ask


async def _unpacked(body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    async for chunk in body:
        yield unpack.decompress(chunk)


def _call_egress(original: Callable[..., Any], key: str) -> object:
    def call_egress(*arguments: Any) -> Any:
        return replace(original(*arguments), **{key: 1 << 40})

    return call_egress


_CAPS: Final[dict[str, Mutant]] = {"preopen.serving.attending:call_egress": _call_egress}
IN_SERVER: Final[dict[Stop, dict[str, Mutant]]] = {
    Stop.URL: {"preopen.egress.url:read_request": _read_request},
    Stop.NAMES: {"preopen.egress.rules:matching": _matching},
    Stop.ADDRESSES: {
        "preopen.egress.addresses:forbidden": _forbidden,
        "preopen.egress.sockets:dial": _dial,
    },
    Stop.ONE_LOOKUP: {"preopen.egress.gateway:Attendance._approve": _approve},
    Stop.TICKETS: {
        "preopen.egress.tickets:Tickets.issue": _issue,
        "preopen.egress.gateway:Attendance._redeem": _redeem,
    },
    Stop.HEADERS: {"preopen.egress.headers:outgoing": _outgoing},
    Stop.MASKING: {"preopen.egress.masking:Masking": _masking},
    Stop.CODINGS: {"preopen.egress.upstream:Upstream.ask": _ask},
    Stop.REQUEST_BYTES: _CAPS,
    Stop.RESPONSE_BYTES: _CAPS,
    Stop.REQUESTS: _CAPS,
}
