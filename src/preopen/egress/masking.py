"""Echoes of a secret in what a server answers, overwritten with `*` at equal length. Pure.

Found are the secret as it is, with any of its bytes percent-encoded, and inside base64 (standard
and URL-safe, at each of the three places in a group). This is against a server that echoes, not
against one that conspires with the guest: any other encoding passes.
"""

import base64
import re
from collections.abc import Iterator
from typing import Final

MIN_SECRET: Final = 8  # characters; a shorter one would be found in texts where it is none
_STAR: Final = b"*"
_PERCENT: Final = ord("%")
_SPACE: Final = ord(" ")  # in forms it is written "+"
_GROUP: Final = 3  # bytes that base64 encodes together
_SIXTH: Final = 6  # bits of a character of base64
_CHARACTER: Final = rb"[A-Za-z0-9+/_-]"
_ALPHABETS: Final = {ord("+"): rb"[+-]", ord("-"): rb"[+-]", ord("/"): rb"[/_]", ord("_"): rb"[/_]"}


class Masking:
    """How one secret is found. Texts may be masked whole; a body comes in pieces to `stream`.

    Raises:
        ValueError: the secret has fewer than 8 characters, or some beyond printable ASCII.

    """

    def __init__(self, secret: str) -> None:
        if not is_maskable(secret):
            raise ValueError("a secret needs 8 characters of printable ASCII")
        self._secret = secret.encode("ascii")
        self._runs = tuple(_base64_runs(self._secret))
        self._finder = _Finder(self._secret, self._runs, re.NOFLAG)
        self._folded = _Finder(self._secret, self._runs, re.IGNORECASE)
        self.longest = 3 * len(self._secret)  # every byte percent-encoded; base64 is shorter

    def text(self, data: bytes) -> bytes:
        """Return a header's value or a reason phrase, masked."""
        return _overwrite(data, self._finder.spans(data))

    def name(self, data: bytes) -> bytes:
        """Return a header's name, masked; names are sent in any case, so case does not count."""
        return _overwrite(data, self._folded.spans(data))

    def stream(self) -> "MaskedStream":
        """Return what masks one body."""
        return MaskedStream(self)

    def found(self, data: bytes) -> list[tuple[int, int]]:
        """Return where echoes stand, as beginnings and ends; they may overlap."""
        return self._finder.spans(data)

    def unfinished(self, data: bytes, since: int) -> int:
        """Return where an echo may begin that `data` holds only the beginning of, else its length.

        What stands before `since` is not looked at.
        """
        for start in range(max(since, len(data) - self.longest + 1), len(data)):
            if self._may_go_on(data, start):
                return start
        return len(data)

    def _may_go_on(self, data: bytes, start: int) -> bool:
        return _raw_goes_on(self._secret, data, start) or any(
            _run_goes_on(run, data, start) for run in self._runs
        )


class MaskedStream:
    """One body, masked whatever the pieces it comes in. Holds back what may begin an echo."""

    def __init__(self, masking: Masking) -> None:
        self._masking = masking
        self._seen = b""  # unmasked: the end of what was given out, then what was not
        self._given = 0  # bytes of it that were given out

    def feed(self, chunk: bytes) -> bytes:
        """Return what is certain after this piece."""
        data = self._seen + chunk
        certain = self._masking.unfinished(data, self._given)
        return self._give(data, certain)

    def finish(self) -> bytes:
        """Return the rest."""
        return self._give(self._seen, len(self._seen))

    def _give(self, data: bytes, upto: int) -> bytes:
        masked = _overwrite(data, self._masking.found(data))[self._given : upto]
        # An echo that reaches over `upto` begins less than one length before it.
        cut = max(0, upto - self._masking.longest)
        self._seen, self._given = data[cut:], upto - cut
        return masked


def is_maskable(secret: str) -> bool:
    """Say whether an echo of the secret could be found: 8 characters or more, printable ASCII."""
    return len(secret) >= MIN_SECRET and secret.isascii() and secret.isprintable()


def _byte_pattern(octet: int) -> bytes:
    digits = b"%02x" % octet
    encoded = b"".join(b"[%c%c]" % (c, c ^ 0x20) if chr(c).isalpha() else b"%c" % c for c in digits)
    raw = re.escape(bytes([octet])) + (rb"|\+" if octet == _SPACE else b"")
    return b"(?:%%%s|%s)" % (encoded, raw)


class _Run:
    """Base64 of the secret at one place in a group: the characters that it alone decides.

    `before` and `after` say whether a neighbouring character holds some of its bits, too.
    """

    def __init__(self, secret: bytes, place: int) -> None:
        bits = 8 * place, 8 * (place + len(secret))
        whole = base64.b64encode(bytes(place) + secret + bytes(_GROUP))
        self.characters = whole[-(-bits[0] // _SIXTH) : bits[1] // _SIXTH]
        self.before = bool(bits[0] % _SIXTH)
        self.after = bool(bits[1] % _SIXTH)


def _base64_runs(secret: bytes) -> list[_Run]:
    return [_Run(secret, place) for place in range(_GROUP)]


class _Finder:
    """Where echoes stand, as beginnings and ends, which may overlap."""

    def __init__(self, secret: bytes, runs: tuple[_Run, ...], flags: re.RegexFlag) -> None:
        self._plain = re.compile(re.escape(secret), flags)
        self._spelt = re.compile(b"".join(map(_byte_pattern, secret)), flags)
        self._marks = b"%+" if _SPACE in secret else b"%"
        self._runs = [(run, re.compile(_middle(run), flags)) for run in runs]

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        # A pattern that begins with letters is searched for ten times as fast as one that does not.
        encoded = any(mark in data for mark in self._marks)
        spans = list(_spans(self._spelt if encoded else self._plain, data))
        for run, middle in self._runs:
            for start, end in _spans(middle, data):
                before = run.before and _IS_CHARACTER.match(data[start - 1 : start])
                after = run.after and _IS_CHARACTER.match(data[end : end + 1])
                spans.append((start - bool(before), end + bool(after)))
        return spans


def _spans(pattern: re.Pattern[bytes], data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while match := pattern.search(data, start):
        yield match.span()
        start = match.start() + 1


def _middle(run: _Run) -> bytes:
    return b"".join(_ALPHABETS.get(c, b"%c" % c) for c in run.characters)


def _raw_goes_on(secret: bytes, data: bytes, start: int) -> bool:
    """Say whether `data` ends within a spelling of the secret that begins at `start`."""
    ends = {start}
    for octet in secret:
        further = set()
        for end in ends:
            if end == len(data):
                return True
            if data[end] == octet or (octet == _SPACE and data[end] == ord("+")):
                further.add(end + 1)
            if data[end] == _PERCENT:
                digits = data[end + 1 : end + 3].lower()
                if (b"%02x" % octet).startswith(digits):
                    if len(digits) < 2:  # noqa: PLR2004 - of two
                        return True
                    further.add(end + 3)
        ends = further
        if not ends:
            return False
    return False


def _run_goes_on(run: _Run, data: bytes, start: int) -> bool:
    rest = data[start:].translate(_STANDARD)
    if run.characters.startswith(rest):
        return len(rest) < len(run.characters) or run.after
    if not run.before or not _IS_CHARACTER.match(rest):
        return False
    rest = rest[1:]
    return run.characters.startswith(rest) and (len(rest) < len(run.characters) or run.after)


_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_IS_CHARACTER: Final = re.compile(_CHARACTER)


def _overwrite(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    if not spans:
        return data
    masked = bytearray(data)
    for start, end in spans:
        masked[start:end] = _STAR * (end - start)
    return bytes(masked)
