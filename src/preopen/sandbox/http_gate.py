"""What stands between a guest and wasmtime's own HTTP client: every request is asked for first.

wasmtime's `wasi:http` is unfiltered and has no hook, so `outgoing-handler#handle` is defined anew
in the linker of guests. That function cannot read a request, which is an entry in a table of
wasmtime's; the gate component (`wasm/http_gate`) lives in the same Store and can.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from wasmtime import Store, WasmtimeError
from wasmtime import component as wc

from preopen.wire.channel import Channel, ChannelClosed
from preopen.wire.codec import FrameError
from preopen.wire.frames import Ask, Verdict

DENIED: Final = "HTTP-request-denied"

# Of `wasi:http/outgoing-handler@0.2.N`. An import that no definition matches exactly gets the
# newest one: were only some of them defined here, that would be wasmtime's own, past every rule.
# Up to 99 none of wasmtime's is newer; `tests/sandbox/test_http_gate.py` goes red when one is.
VERSIONS: Final = range(100)

# The cases of wasi:http's `error-code` that the server may name; any other is told as denied, for
# wasmtime-py ends the cell over a case that lacks its payload.
_WITHOUT_PAYLOAD: Final = frozenset(
    {
        DENIED,
        "HTTP-request-URI-invalid",
        "HTTP-request-URI-too-long",
        "HTTP-request-method-invalid",
        "connection-limit-reached",
        "DNS-timeout",
    }
)
_DNS_ERROR: Final = "DNS-error"

INSTANCES: Final = 2  # core instances of the gate: its memory, its code

# A request, options or answer as wasmtime-py hands them out: its types say no more than that.
_Resource: TypeAlias = Any


@dataclass(slots=True)
class _Session:
    """One call's gate: the component's two functions, and where to ask."""

    inspect: Callable[..., Any]
    send: Callable[..., Any]
    channel: Channel
    port: int


class HttpGate:
    """The gate of one process: an interposer in its linkers, and the call that it serves now.

    Made in the zygote, entered in the cell. Where no call has entered, every request is denied.
    """

    def __init__(self) -> None:
        self._session: _Session | None = None

    def interpose(self, linker: wc.Linker) -> None:
        """Define wasi:http in a linker of guests, `handle` being ours in every version."""
        linker.add_wasi_http()
        linker.allow_shadowing = True
        with linker.root() as root:
            for patch in VERSIONS:
                name = f"wasi:http/outgoing-handler@0.2.{patch}"
                with root.add_instance(name) as instance:
                    instance.add_func("handle", self._handle)

    def enter(
        self, store: Store, linker: wc.Linker, gate: wc.Component, channel: Channel, port: int
    ) -> None:
        """Put the gate into a call's Store; `linker` is wasmtime's own, nothing interposed.

        `port` is the gateway's on this cell's loopback, 0 where there is none.
        """
        store.set_wasi_http()
        instance = linker.instantiate(store, gate)
        inspect, send = (instance.get_func(store, name) for name in ("inspect", "send"))
        assert inspect is not None and send is not None  # noqa: S101, PT018 - narrows types: the binary is ours
        self._session = _Session(inspect, send, channel, port)

    def _handle(self, store: Store, request: _Resource, options: _Resource) -> _Resource:
        """Be `outgoing-handler#handle`. An exception that left it would end the cell."""
        try:
            verdict = self._ask(store, request)
            if verdict.ticket and self._session is not None:
                authority = f"127.0.0.1:{self._session.port}"
                return self._session.send(store, request, options, authority, verdict.ticket)
            error = verdict.error or DENIED
        except (ChannelClosed, FrameError):
            os._exit(0)  # the server has gone, or is no server of ours
        except Exception:  # noqa: BLE001 - a trap of the gate: a guest's parts that it has no room for
            error = DENIED
        for resource in (request, options):
            _drop(store, resource)
        return _error_code(error)

    def _ask(self, store: Store, request: _Resource) -> Verdict:
        session = self._session
        if session is None:
            return Verdict(error=DENIED)
        method, scheme, authority, path = session.inspect(store, request)
        session.channel.send(
            Ask(
                method=_text_of(method),
                scheme=None if scheme is None else _text_of(scheme),
                authority=authority,
                path=path,
            )
        )
        match session.channel.receive():
            case Verdict() as verdict:
                return verdict
            case frame:
                msg = f"no verdict but {type(frame).__name__}"
                raise FrameError(msg)


def _text_of(variant: _Resource) -> str:
    """Return a method or scheme as it would stand on the wire: `other("get")` is "get"."""
    return str(variant.payload if variant.payload is not None else variant.tag.upper())


def _error_code(name: str) -> wc.Variant:
    """Return a case of `error-code`; of what the resolver said the guest hears no more."""
    if name == _DNS_ERROR:
        payload = wc.Record()
        setattr(payload, "rcode", None)  # noqa: B010 - as the next, which is no Python name
        setattr(payload, "info-code", None)
        return wc.Variant(name, payload)
    return wc.Variant(name if name in _WITHOUT_PAYLOAD else DENIED)


def _drop(store: Store, resource: _Resource) -> None:
    """Give a resource back: a thousand denied requests that stayed filled a cell's memory."""
    if resource is not None:
        with suppress(WasmtimeError):  # `send` took it before it failed
            resource.drop(store)
