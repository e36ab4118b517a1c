"""Rows of the section *network*: being led to an address that is nobody's to reach."""

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final

from preopen.selftest.asking import Network, Seen, Stop, Who
from preopen.selftest.ground import Camp, Ground
from preopen.selftest.row import Fight, Row, on_each
from preopen.selftest.sending import (
    NAMES,
    SITE,
    Look,
    Sent,
    answered,
    ask,
    denied,
    lists,
    network_row,
    opened,
    send,
    sending,
)
from preopen.selftest.site import LOOPBACK, NEIGHBOUR

EVERYWHERE: Final = lists("http://*:@site")  # every host, and no address that is not public
_LOCAL: Final = f"http://{LOOPBACK}:@site"
_BY_ADDRESS: Final = sending(
    ask("get", f"{_LOCAL}/a", network=opened(EVERYWHERE, _LOCAL)), answered("page /a")
)
_BY_NAME: Final = sending(ask("get", f"{SITE}/a"), answered("page /a"))
# In the part of 2000::/3 that nobody has been given: public as far as its number goes.
_PUBLIC: Final = "3000::1"
_row = partial(
    network_row,
    control="loopback is reached where the operator lists it as private",
    allowed=_BY_ADDRESS,
)


def _written() -> list[Row]:
    """Return one row for each way in which an address is written or wrapped."""

    def row(name: str, tries: str, *hosts: str) -> Row:
        urls = [f"http://{host}:@site/a" for host in hosts]
        attack = sending(ask("get", *urls, network=EVERYWHERE), denied(len(urls)))
        return _row(name, tries, attack, Stop.ADDRESSES)

    return [
        row("loopback", "reach loopback by its IPv4 address", LOOPBACK, "127.255.0.1"),
        row("loopback-ipv6", "reach it by [::1]", "[::1]"),
        row(
            "loopback-number",
            "reach it by a number: decimal, hexadecimal, octal, short",
            *("2130706433", "0x7f000001", "0177.0.0.1", "127.1"),
        ),
        row("mapped", "reach it by an IPv4-mapped address", "[::ffff:127.0.0.1]"),
        row("nat64", "reach it through a NAT64 translator", "[64:ff9b::7f00:1]"),
        row("6to4", "reach it through a 6to4 tunnel", "[2002:7f00:1::]"),
        row("private", "reach a host of the local network", "10.0.0.1", "192.168.1.1"),
        row("link-local", "reach a neighbour on the link", "169.254.7.7", "[fe80::1]"),
        row("unspecified", "reach this host by the address of none", "0.0.0.0", "[::]"),  # noqa: S104 - dialled, not bound
        row("metadata", "reach a cloud's metadata service", "169.254.169.254", "[fd00:ec2::254]"),
    ]


def _listed() -> Row:
    host = "http://169.254.169.254:@site"
    network = opened(EVERYWHERE, host)
    return _row(
        "metadata-listed",
        "reach it where the operator lists it as private",
        sending(ask("get", f"{host}/a", network=network), denied()),
        Stop.ADDRESSES,
    )


def _named() -> list[Row]:
    by_name = "the name is reached where the operator lists it as private"

    def row(name: str, tries: str, addresses: str) -> Row:
        network = lists("http://trap.test:@site", trap_test=addresses)
        attack = sending(ask("get", "http://trap.test:@site/a", network=network), denied())
        return _row(name, tries, attack, Stop.ADDRESSES, control=by_name, allowed=_BY_NAME)

    return [
        row("name", "be led to loopback by a name", LOOPBACK),
        row("dual-stack", "hide a private address behind a public one", f"{LOOPBACK} {_PUBLIC}"),
    ]


def _rebound(*answers: str) -> Network:
    return Network(private=(SITE,), names={**NAMES, "site.test": answers})


def _rebinding() -> list[Row]:
    urls = (f"{SITE}/a", f"{SITE}/b")
    by_name = "a name whose answer stays is asked twice"
    twice = sending(ask("get", *urls), answered("page /b"))

    def first_alone(sent_line: int) -> Look:
        return lambda sent: (
            len(sent.lines) == sent_line
            and sent.lines[0].get("status") == HTTPStatus.OK
            and "error" in sent.lines[-1]
            and [got.path for got in sent.got] == ["/a"]
        )

    return [
        _row(
            "rebinding",
            "have a name lead elsewhere at its second request",
            sending(ask("get", *urls, network=_rebound(LOOPBACK, "169.254.7.7")), first_alone(2)),
            Stop.ADDRESSES,
            control=by_name,
            allowed=twice,
        ),
        _row(
            "rebinding-within",
            "have it lead elsewhere between check and connection",
            _dialled(_rebound(LOOPBACK, NEIGHBOUR)),
            Stop.ONE_LOOKUP,
            control=by_name,
            allowed=twice,
        ),
    ]


def _dialled(network: Network) -> Fight:
    """Look that the address which the receipt says was dialled is the first that was told."""

    async def fight(camp: Camp, who: Who) -> Seen:
        async def one(ground: Ground) -> Seen:
            sent = await send(ground, ask("get", f"{SITE}/a", network=network))
            dialled = [each.address for each in sent.answer.receipt.requests]
            return Seen(holds=dialled == [LOOPBACK] and bool(sent.got), saw=f"dialled {dialled}")

        return await on_each(camp, who, one)

    return fight


def _redirected() -> Row:
    network = replace(EVERYWHERE, private=(SITE,))
    urls = (f"{SITE}/redirect/@other", f"http://{LOOPBACK}:@site/private")

    def look(sent: Sent) -> bool:
        statuses = [line.get("status") for line in sent.lines]
        return (
            statuses == [HTTPStatus.FOUND, None] and "error" in sent.lines[1] and len(sent.got) == 1
        )

    return _row(
        "redirect",
        "follow a redirect to a private address",
        sending(ask("get", *urls, network=network), look),
        Stop.ADDRESSES,
    )


ROWS: Final = (*_written(), _listed(), *_named(), *_rebinding(), _redirected())
