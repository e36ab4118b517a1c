"""One OpenTelemetry span per call, with what the audit log says of it; never a value.

Nothing is sent unless a person installed an SDK and an exporter, and told them where to.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from preopen import __version__
from preopen.outcome import JsonValue
from preopen.trust.audit_record import Asked, describe_asked, texts_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

# Hears how a call ended: its receipt, the person's consent, the channel.
Tell: TypeAlias = Callable[[Mapping[str, JsonValue], str, str], None]
_Attribute: TypeAlias = str | int | float | list[str]

_PREFIX: Final = "preopen."


def call_span(asked: Asked) -> AbstractContextManager[Tell]:
    """Hold a span open while a call runs; what is yielded writes the end of the call into it."""
    # An SDK has imported it, and so has the SDK of MCP; for the shell alone it would be 30 ms.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return _NO_SPAN  # nobody set one up, so nobody hears of a span
    return _open_span(asked)


@contextmanager
def _open_span(asked: Asked) -> Iterator[Tell]:
    # The text of an exception is for preopen's own log.
    with _tracer().start_as_current_span(
        f"tools/call {asked.tool}", record_exception=False, set_status_on_exception=False
    ) as span:
        if not span.is_recording():
            yield _tell_nobody
            return
        sizes = {name: len(text) for name, text in texts_of(asked.arguments).items()}
        span.set_attributes(_attributes(describe_asked(asked, sizes)))

        def tell(receipt: Mapping[str, JsonValue], consent: str, channel: str) -> None:
            _end(span, {**receipt, "consent": consent, "channel": channel})

        yield tell


def _end(span: "Span", ended: Mapping[str, JsonValue]) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - as for a call

    span.set_attributes(_attributes(ended))
    good = ended.get("outcome") == "Returned"
    span.set_status(StatusCode.OK if good else StatusCode.ERROR)


def _attributes(fields: Mapping[str, JsonValue]) -> dict[str, _Attribute]:
    return {_PREFIX + name: _attribute(value) for name, value in fields.items()}


def _attribute(value: JsonValue) -> _Attribute:
    """Return a fact as what an attribute may be: lists of texts, an object as "name=value"."""
    match value:
        case list():
            return [each if isinstance(each, str) else json.dumps(each) for each in value]
        case dict():
            return [f"{name}={each}" for name, each in value.items()]
        case str() | int() | float():
            return value
        case _:
            return json.dumps(value)


def _tell_nobody(_receipt: Mapping[str, JsonValue], _consent: str, _channel: str) -> None:
    return


_NO_SPAN: Final = nullcontext(_tell_nobody)


@cache
def _tracer() -> "Tracer":
    from opentelemetry.trace import get_tracer  # noqa: PLC0415 - as for a call

    return get_tracer("preopen", __version__)
