"""Rows of the section *network*: past the gateway, by sockets or by wasmtime's own HTTP client.

The product has no way around the gate. What would be met behind it is what native code in a cell
with a network meets, which opens a socket by itself.
"""

from typing import Final

from preopen.selftest.asking import Ask, Stop, Who
from preopen.selftest.files import READ
from preopen.selftest.judging import done
from preopen.selftest.row import Row, by
from preopen.selftest.sending import (
    SITE,
    Sent,
    answered,
    ask,
    does,
    lists,
    network_row,
    refuses,
    sending,
)
from preopen.selftest.site import LOOPBACK

_THERE: Final = f"{LOOPBACK}:@site"
_FETCHES: Final = sending(ask("fetch", f"{SITE}/a"), does("page /a"))
_FILE: Final = by(Ask(words=("read", "a.txt"), grant=READ), done("this is a"))


def _nothing_arrived(sent: Sent) -> bool:
    return not sent.got


def _is_unanswered(sent: Sent) -> bool:
    return "error" in sent.line and "status" not in sent.line


def _versions() -> list[Row]:
    """Return one row for each version of wasi:http that the gate might have missed.

    Where the gate is off, the guest has wasmtime's own client, and the wall is what is left.
    """
    url = f"http://{_THERE}/a"
    listed = lists(private=(f"http://{_THERE}",))

    def row(name: str, tries: str, guest: str) -> Row:
        return network_row(
            name,
            tries,
            sending(ask("get", url, guest=guest), _is_unanswered, _nothing_arrived),
            *(Stop.GATE, Stop.NAMESPACES, Stop.LANDLOCK_TCP),
            control="it is answered where the operator lists the host",
            allowed=sending(ask("get", url, network=listed, guest=guest), answered("page /a")),
            who=Who.COMPONENT,
        )

    return [
        row("oldest-version", "send unasked by the oldest wasi:http", "courier/courier.oldest"),
        row("newest-version", "send by one newer than wasmtime's", "courier/courier.newest"),
        row("two-versions", "send by the second of two versions", "courier/courier.both"),
    ]


def _without_rules() -> Row:
    """Return what is tried in a call that has no rule, whose cell can make no socket either."""
    url = f"http://{_THERE}/a"
    listed = lists(private=(f"http://{_THERE}",))
    attack = sending(ask("get", url, network=lists()), _is_unanswered, _nothing_arrived)
    return network_row(
        "no-rule",
        "send unasked in a call that has no rule",
        attack,
        *(Stop.GATE, Stop.SECCOMP, Stop.NAMESPACES, Stop.LANDLOCK_TCP),
        control="it is answered where the operator lists the host",
        allowed=sending(ask("get", url, network=listed), answered("page /a")),
        who=Who.COMPONENT,
    )


def _of_guests() -> list[Row]:
    """Return what guests try in cells without a network: no manifest can grant a socket."""

    def row(name: str, tries: str, act: str, *behind: Stop, who: Who = Who.GUESTS) -> Row:
        verb, _, thing = act.partition(" ")
        return network_row(
            name,
            tries,
            sending(Ask(words=(verb, thing)), refuses, _nothing_arrived),
            *(Stop.WASI, *behind),
            control="a granted file is read",
            allowed=_FILE,
            who=who,
        )

    filtered, ports = (Stop.SECCOMP, Stop.NAMESPACES), Stop.LANDLOCK_TCP
    listening = (Stop.SECCOMP, ports)
    old = Who.MODULE
    return [
        row("socket-connect", "connect by a socket of WASI", f"connect {_THERE}", *filtered, ports),
        row("socket-udp", "send a datagram by one", f"udp {_THERE}", *filtered),
        row("socket-listen", "listen by one", f"listen {LOOPBACK}:0", *listening),
        row("socket-resolve", "look a name up", "resolve localhost", Stop.LANDLOCK),
        row("sock-accept", "take a connection by preview 1", "sock-accept 3", *listening, who=old),
        row("sock-send", "send by preview 1", "sock-send 3", Stop.SECCOMP, who=old),
    ]


def _of_native_code() -> list[Row]:
    """Return what native code tries in a cell with a network: no gateway is asked."""

    def row(name: str, tries: str, act: str, thing: str, *stops: Stop) -> Row:
        return network_row(
            f"native-{name}",
            tries,
            sending(ask(act, thing), refuses, _nothing_arrived),
            *stops,
            control="a request with a ticket is answered",
            allowed=_FETCHES,
            who=Who.NATIVE,
        )

    filtered = (Stop.SECCOMP, Stop.NAMESPACES)
    return [
        row("tcp", "connect to loopback", "connect", _THERE, Stop.NAMESPACES, Stop.LANDLOCK_TCP),
        row("fast-open", "connect by MSG_FASTOPEN", "fast-open", _THERE, *filtered),
        row("mptcp", "connect by MPTCP", "mptcp", _THERE, *filtered),
        row("udp", "send a datagram", "udp", _THERE, *filtered),
        row("unix", "talk to a Unix socket by its path", "unix", "@camp/talk", Stop.SECCOMP),
        row(
            "abstract-unix",
            "talk to an abstract Unix socket",
            *("unix", "preopen-selftest-@site", *filtered),
            Stop.LANDLOCK_SCOPE,
        ),
        row(
            "listen",
            "listen on a port",
            *("listen", f"{LOOPBACK}:0"),
            *(Stop.SECCOMP, Stop.LANDLOCK_TCP),
        ),
        row(
            "look-up",
            "look a name up in this machine's files",
            "resolve",
            "localhost",
            Stop.LANDLOCK,
        ),
    ]


ROWS: Final = (*_versions(), _without_rules(), *_of_guests(), *_of_native_code())
