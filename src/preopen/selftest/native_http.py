"""What native code in a cell tries with the gateway: asks and tickets without a guest between.

Each act gets the text of its object; an OSError or a ValueError is a refusal.
"""

from collections.abc import Sequence
from typing import Final

from preopen.selftest.native_body import Act, Body
from preopen.selftest.native_sockets import LOOPBACK, converse
from preopen.wire.frames import Ask, Verdict


def ticket_for(body: Body, method: str, scheme: str, authority: str, path: str) -> str:
    """Ask the server for one request, and return its ticket.

    Raises:
        ValueError: the server refused, by this error.

    """
    body.channel.send(Ask(method=method, scheme=scheme, authority=authority, path=path))
    match body.channel.receive():
        case Verdict(ticket=ticket) if ticket:
            return ticket
        case Verdict(error=error):
            raise ValueError(error)
        case frame:
            raise ValueError(type(frame).__name__)


def redeem(port: int, ticket: str, *fields: str, method: str = "GET", host: str = "") -> str:
    """Send a request to a gateway's port, with a ticket as its path, and return the answer whole.

    Raises:
        OSError: nobody listens there, or the connection was ended without a word.

    """
    head = [f"{method} {ticket} HTTP/1.1", f"Host: {host or LOOPBACK}", *fields, "", ""]
    return converse(port, "\r\n".join(head).encode("latin-1"))


def send(body: Body, words: Sequence[str]) -> dict[str, object]:
    """Do what the courier's `send` does: method, scheme, authority, path, fields."""
    method, scheme, authority, path, *pairs = (
        word.replace("\\x0d", "\r").replace("\\x0a", "\n") for word in words
    )
    fields = [": ".join(pair.split("=", 1)) for pair in pairs]
    try:
        ticket = ticket_for(body, method, scheme, authority, path)
        head, _, text = redeem(body.call.gateway_port, ticket, *fields).partition("\r\n\r\n")
    except ValueError as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": error.strerror or "refused"}
    return {"status": int(head.split(" ")[1]), "body": text}


def _get(body: Body, url: str, *fields: str) -> str:
    return _body_of(redeem(body.call.gateway_port, _ticket(body, url), *fields))


def _ticket(body: Body, url: str) -> str:
    authority, _, path = url.removeprefix("http://").partition("/")
    return ticket_for(body, "GET", "http", authority, f"/{path}")


def _body_of(answer: str) -> str:
    """Return the body of an answer, and the status before it where that is not 200."""
    head, _, text = answer.partition("\r\n\r\n")
    status = head.split(" ")[1]
    return text if status == "200" else f"{status} {text}"


def _as(body: Body, host: str, url: str) -> str:
    """Send a request under the name of another host than was asked for."""
    answer = redeem(body.call.gateway_port, _ticket(body, url), host=host)
    return _body_of(answer)


def _twice(body: Body, url: str) -> str:
    """Use one ticket twice, and return what the second time came to."""
    port, ticket = body.call.gateway_port, _ticket(body, url)
    redeem(port, ticket)
    return _body_of(redeem(port, ticket))


def _guess(body: Body, url: str) -> str:
    """Use a path that stands for nothing, beside a ticket that was got and is not used."""
    _ticket(body, url)
    return _body_of(redeem(body.call.gateway_port, "/guess"))


def _hoard(body: Body, text: str) -> int:
    """Return how many tickets one gets without using any."""
    count, _, url = text.partition(" ")
    held = 0
    for _ in range(int(count)):
        try:
            _ticket(body, url)
        except ValueError:
            continue
        held += 1
    return held


def _leave(body: Body, text: str) -> str:
    """Leave a ticket, and the port that takes it, at the site until another call came for it."""
    name, _, url = text.partition(" ")
    ticket = _ticket(body, f"{url}/stolen").removeprefix("/")
    return _get(body, f"{url}/leave/{name}/{body.call.gateway_port}:{ticket}")


def _meet(body: Body, text: str, *, at_its_own_port: bool) -> str:
    """Use another call's ticket, here or there, while that call lives; return what came of it."""
    name, _, url = text.partition(" ")
    port, _, ticket = _get(body, f"{url}/take/{name}").partition(":")
    try:
        where = int(port) if at_its_own_port else body.call.gateway_port
        return _body_of(redeem(where, f"/{ticket}"))
    finally:
        _get(body, f"{url}/free/{name}")


ACTS: Final[dict[str, Act]] = {
    "fetch": _get,
    "fetch-as": lambda b, t: _as(b, *t.split(" ", 1)),
    "fetch-twice": _twice,
    "guess": _guess,
    "hoard": _hoard,
    "leave": _leave,
    "steal": lambda b, t: _meet(b, t, at_its_own_port=False),
    "trespass": lambda b, t: _meet(b, t, at_its_own_port=True),
    "knocked": lambda b, t: _get(b, f"{t}/knock/{b.call.gateway_port}"),
}
