# ruff: noqa: ANN401 - a mutant stands for a function of any signature
"""Mutants of what keeps the network: each answers as if nothing had been asked of it."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from preopen.egress.rule import Secret
from preopen.outcome import Denial
from promises.patching import Mutant, answers

_ROOM: Final = 1 << 30


def _outgoing(original: Callable[..., Any], _key: str) -> object:
    """Let the guest's own field of that name out as well."""

    def outgoing(headers: Any, target: Any, login: Any) -> Any:
        name = login.header.lower() if login else b""
        kept = [field for field in headers if field[0].lower() == name]
        return [*original(headers, target, login), *kept]

    return outgoing


def _login(original: Callable[..., Any], _key: str) -> object:
    """Give every host the credential of any rule; where its secret is missing, go without."""

    def login(attendance: Any, target: Any, _rules: Any) -> Any:
        made = original(attendance, target, attendance._egress.rules)
        return None if isinstance(made, Denial) else made

    return login


def _stream(_original: object, _key: str) -> object:
    return lambda _masking: SimpleNamespace(feed=lambda chunk: chunk, finish=lambda: b"")


def _body(original: Callable[..., Any], _key: str) -> object:
    return lambda guest, _most: original(guest, _ROOM)


def _return(original: Callable[..., Any], _key: str) -> object:
    def return_(exchange: Any, answer: Any) -> Any:
        exchange._terms = replace(exchange._terms, response_bytes=_ROOM)
        return original(exchange, answer)

    return return_


def _ask(original: Callable[..., Any], _key: str) -> object:
    def ask(attendance: Any, *parts: Any) -> Any:
        attendance._egress = replace(attendance._egress, requests=_ROOM)
        return original(attendance, *parts)

    return ask


def _request(original: Callable[..., Any], _key: str) -> object:
    def request(attendance: Any, target: Any, *more: Any) -> Any:
        return replace(original(attendance, target, *more), path=target.path + target.query)

    return request


def _make(_original: object, _key: str) -> object:
    def make(_ca_file: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    return make


def _within(_original: object, _key: str) -> object:
    return lambda _ask, asked, _network: iter(asked)


def _narrow_egress(_original: object, _key: str) -> object:
    return lambda _manifest, rules, _arguments, _closed: tuple(rules)


def _exact(_original: object, _key: str) -> object:
    return lambda rule, _text: rule


def _look_up(_original: object, _key: str) -> object:
    """Take any variable of the server's for a secret."""

    def look_up(secrets: Any, name: str) -> Secret:
        environ: Mapping[str, str] = secrets.environ
        # A definition is judged without an operator, and so without any variable.
        return Secret(environ.get(name, "of nobody"))

    return look_up


def _read_file(_original: object, _key: str) -> object:
    return lambda host_path: Path(host_path).read_text().strip()


NETWORK: Final[dict[str, Mutant]] = {
    "preopen.egress.addresses:forbidden": answers(""),
    "preopen.egress.gateway:Attendance._login": _login,
    "preopen.egress.gateway:Attendance._request": _request,
    "preopen.egress.gateway:Attendance.ask": _ask,
    "preopen.egress.guest:Guest.body": _body,
    "preopen.egress.headers:may_carry": answers(True),
    "preopen.egress.headers:outgoing": _outgoing,
    "preopen.egress.masking:Masking.stream": _stream,
    "preopen.egress.masking:is_maskable": answers(True),
    "preopen.egress.relay:_Exchange._return": _return,
    "preopen.egress.rule:is_header": answers(True),
    "preopen.egress.rules:matches": answers(True),
    "preopen.egress.trust:_make": _make,
    "preopen.policy.egress:_credential_faults": answers(()),
    "preopen.policy.egress:_within": _within,
    "preopen.policy.narrow_egress:narrow_egress": _narrow_egress,
    "preopen.policy.network:_exact": _exact,
    "preopen.policy.secrets:Secrets._look_up": _look_up,
    "preopen.policy.secrets:_ask_keyring": answers("what-no-keyring-holds"),
    "preopen.policy.secrets:_flaw_of": answers(""),
    "preopen.policy.secrets:_read_file": _read_file,
    "preopen.tool.parsing:_check_egress": answers(()),
}
