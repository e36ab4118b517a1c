"""What the audit log says of a call, of a decision, of its own files: records as frozen values.

Nothing here writes. Argument values are never in a record unless the operator had them kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from preopen.outcome import JsonValue
from preopen.trust.audit_line import digest_arguments

MAX_NAMES: Final = 64  # of arguments; their names are a client's to choose
MAX_NAME: Final = 128  # characters of one, and of a tool's: whoever calls may name any
MAX_VALUE: Final = 4096  # characters of one value that is kept
MAX_SAID: Final = 256  # characters of what a client says of itself

# Made once: a call of `json.dumps` with such settings makes one of its own.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call as it was asked for. `call` is the same in every record of it.

    Client name and version are as the client said them, and so is `tool` where none of that name is
    offered: then `level` and `sha256` are "". Of `arguments` a record holds the sizes
    and a keyed digest, and the values only where the log was told to keep them.
    """

    call: str
    client: str
    client_version: str
    tool: str
    level: str
    sha256: str
    arguments: Mapping[str, JsonValue]
    _told: dict[tuple[bytes, bool], dict[str, JsonValue]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def told(self, key: bytes, *, keeps_values: bool) -> Mapping[str, JsonValue]:
        """Return what every record of this call says, made once for all of them."""
        fields = self._told.get((key, keeps_values))
        if fields is None:
            fields = _asked(self, key, keeps_values=keeps_values)
            self._told[key, keeps_values] = fields
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBegan:
    """A call that is about to run: written ahead only where no call may go unrecorded."""

    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """A call and how it ended: `receipt` as clients see it; the person's word, and its channel."""

    asked: Asked
    receipt: Mapping[str, JsonValue]
    consent: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided over a call: by policy, or by a person through a channel.

    `decision` is "allowed", "asked", "answered" or "denied"; `rule` the key or line that decided,
    with where it stands; `consent` the answer, where there was one; `grants` what it was about.
    """

    asked: Asked
    decision: str
    rule: str
    grants: tuple[str, ...] = ()
    consent: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """How many records could not be written since then; the first that can be follows."""

    count: int
    since: str


AuditRecord: TypeAlias = CallBegan | CallEnded | Decided | Missed


def kind_of(record: AuditRecord) -> str:
    """Return the record's kind, as it stands in its line."""
    match record:
        case CallBegan():
            return "begin"
        case CallEnded():
            return "call"
        case Decided():
            return "decision"
        case Missed():
            return "missed"
        case _:
            assert_never(record)


def fields_of(record: AuditRecord, key: bytes, *, keeps_values: bool) -> dict[str, JsonValue]:
    """Return the record as plain JSON, without the number, time and kind of its line."""
    match record:
        case CallBegan(asked=asked):
            return dict(asked.told(key, keeps_values=keeps_values))
        case CallEnded(asked=asked, receipt=receipt, consent=consent, channel=channel):
            said = {"consent": consent, "channel": channel}
            return {**asked.told(key, keeps_values=keeps_values), **receipt, **said}
        case Decided(asked=asked):
            return {
                **asked.told(key, keeps_values=keeps_values),
                "decision": record.decision,
                "rule": record.rule,
                "grants": list(record.grants),
                "consent": record.consent,
                "channel": record.channel,
            }
        case Missed(count=count, since=since):
            return {"count": count, "since": since}
        case _:
            assert_never(record)


def describe_asked(asked: Asked, sizes: Mapping[str, int]) -> dict[str, JsonValue]:
    """Return what is known of a call before it runs, sizes of arguments in bytes by name."""
    names = sorted(sizes)
    more = len(names) - MAX_NAMES
    return {
        "call": asked.call,
        "client": asked.client[:MAX_SAID],
        "client_version": asked.client_version[:MAX_SAID],
        "tool": asked.tool[:MAX_NAME],
        "level": asked.level,
        "sha256": asked.sha256,
        "arguments": {name[:MAX_NAME]: sizes[name] for name in names[:MAX_NAMES]},
        **({"more_arguments": more} if more > 0 else {}),
    }


def texts_of(arguments: Mapping[str, JsonValue]) -> dict[str, bytes]:
    """Return each argument as JSON in UTF-8: what its size and the digest are taken of."""
    return {name: _text(value) for name, value in arguments.items()}


def _text(value: JsonValue) -> bytes:
    try:
        text = _ENCODER.encode(value)
    except (RecursionError, TypeError, ValueError):
        text = "?"  # nothing that a client can send as JSON and a schema accepts
    return text.encode(errors="surrogatepass")


def _asked(asked: Asked, key: bytes, *, keeps_values: bool) -> dict[str, JsonValue]:
    texts = texts_of(asked.arguments)
    fields = describe_asked(asked, {name: len(text) for name, text in texts.items()})
    fields["digest"] = digest_arguments(key, texts)
    return {**fields, **kept_values(texts, keeps_values=keeps_values)}


def kept_values(texts: Mapping[str, bytes], *, keeps_values: bool) -> dict[str, JsonValue]:
    """Return the values of arguments as a record holds them: none, unless they are to be kept."""
    if not keeps_values:
        return {}
    values = {
        name[:MAX_NAME]: texts[name].decode(errors="surrogatepass")[:MAX_VALUE]
        for name in sorted(texts)[:MAX_NAMES]
    }
    return {"values": values}
