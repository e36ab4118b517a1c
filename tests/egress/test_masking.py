"""Echoes of a secret: nothing of it leaves, lengths stay, and so does everything else."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preopen.egress.masking import Masking, is_maskable

SECRETS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=8, max_size=40)
CUTS = st.lists(st.integers(0, 400), max_size=12)
PADS = st.binary(max_size=40)


def streamed(masking: Masking, data: bytes, cuts: list[int]) -> bytes:
    """Mask a body that comes in the pieces that `cuts` makes of it."""
    stream, out, start = masking.stream(), b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += stream.feed(data[start:cut])
        start = max(start, cut)
    return out + stream.finish()


def percent(secret: str, choices: list[int]) -> bytes:
    """Return the secret with some of its bytes percent-encoded, in either case."""
    out = b""
    for octet, choice in zip(secret.encode(), choices, strict=False):
        out += (b"%c" % octet, b"%%%02x" % octet, b"%%%02X" % octet)[choice]
    return out


@given(SECRETS, PADS, PADS, st.lists(st.integers(0, 2), min_size=40, max_size=40), CUTS)
def test_no_spelling_in_percents_leaves_in_any_split(
    secret: str, before: bytes, after: bytes, choices: list[int], cuts: list[int]
) -> None:
    """Ours: a server's echo of a URL or a form, cut anywhere by the network."""
    masking, echo = Masking(secret), percent(secret, choices)
    data = before + echo + after

    masked = streamed(masking, data, cuts)

    start, end = len(before), len(before) + len(echo)
    assert masked[start:end] == b"*" * len(echo)
    assert len(masked) == len(data)
    assert masked == masking.text(data)
    spans = masking.found(data)
    for at, (was, now) in enumerate(zip(data, masked, strict=True)):
        inside = any(first <= at < last for first, last in spans)
        assert now == (ord("*") if inside else was)


@given(SECRETS, PADS, PADS, st.sampled_from(["+/", "-_"]), CUTS)
def test_no_base64_of_it_leaves_in_any_split_at_any_place(
    secret: str, before: bytes, after: bytes, alphabet: str, cuts: list[int]
) -> None:
    """Ours: a server that echoes headers inside base64. No bit of the secret is left."""
    data = base64.b64encode(before + secret.encode() + after, altchars=alphabet.encode())

    first, last = 8 * len(before) // 6, -(-8 * (len(before) + len(secret)) // 6)

    masked = streamed(Masking(secret), data, cuts)

    assert masked[first:last] == b"*" * (last - first)
    assert len(masked) == len(data)


@given(SECRETS, CUTS)
def test_the_whole_header_is_masked_where_the_secret_stands_in_it(
    secret: str, cuts: list[int]
) -> None:
    """Ours: `Bearer …` echoed whole, as it is or in base64."""
    value = f"Bearer {secret}".encode()
    masking = Masking(secret)

    assert streamed(masking, value, cuts).endswith(b"*" * len(secret))
    assert secret.encode()[1:] not in base64.b64decode(
        streamed(masking, base64.b64encode(value), cuts).replace(b"*", b"A") + b"=="
    )


@given(SECRETS, st.binary(max_size=200), CUTS)
def test_pieces_come_out_as_the_whole_does(secret: str, data: bytes, cuts: list[int]) -> None:
    """Ours: what is masked does not depend on where the network cuts."""
    data += secret[: len(secret) // 2].encode() + secret.encode() + secret.encode()[:7]
    masking = Masking(secret)

    assert streamed(masking, data, cuts) == masking.text(data)


@settings(max_examples=30)
@given(st.text("ab%2", min_size=8, max_size=12), st.text("ab%25", max_size=60), CUTS)
def test_secrets_that_look_encoded_and_overlap_are_found(
    secret: str, text: str, cuts: list[int]
) -> None:
    """Ours: `%` in a secret can be read in two ways, and an echo may begin inside another."""
    data = (text + secret + secret[1:] + quote(secret, safe="") + text).encode()
    masking = Masking(secret)

    masked = streamed(masking, data, cuts)

    assert secret.encode() not in masked
    assert masked == masking.text(data)
    assert len(masked) == len(data)


def test_what_cannot_belong_to_an_echo_is_not_held_back() -> None:
    """Ours: an event stream is not delayed by a secret that is not in it."""
    stream = Masking("hush-hush-hush").stream()

    assert stream.feed(b"data: 1\n\n") == b"data: 1\n\n"
    assert stream.feed(b"data: hush-hu") == b"data: "
    assert stream.feed(b"man\n\n") == b"hush-human\n\n"
    assert stream.feed(b"hush-hush-") + stream.feed(b"hush!") == b"*" * 14 + b"!"
    assert stream.finish() == b""


def test_names_of_headers_are_masked_in_any_case() -> None:
    """RFC 9113, 8.2: HTTP/2 writes names in lower case."""
    masking = Masking("Hush-Hush-HUSH")

    assert masking.name(b"x-hush-hush-hush") == b"x-" + b"*" * 14
    assert masking.text(b"x-hush-hush-hush") == b"x-hush-hush-hush"


@pytest.mark.parametrize("secret", ["", "1234567", "pässwörter", "with\nline", "tab\ttab\ttab"])
def test_a_secret_that_cannot_be_masked_is_refused(secret: str) -> None:
    """Ours: three letters stand everywhere; a header holds printable ASCII only."""
    assert not is_maskable(secret)
    with pytest.raises(ValueError, match="8 characters"):
        Masking(secret)
