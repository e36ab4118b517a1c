import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.tool.media import KNOWN, is_text, mismatch, parse_media_type, sniff

FIRST_BYTES = {
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "image/gif": b"GIF89a\1\0",
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "audio/wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "audio/mpeg": b"ID3\4\0",
    "audio/ogg": b"OggS\0",
    "audio/flac": b"fLaC\0",
}


def test_every_known_type_is_told_by_its_first_bytes() -> None:
    """Design §5, Results: media are sniffed, and pass as what they are only."""
    assert set(FIRST_BYTES) == KNOWN
    for media_type, data in FIRST_BYTES.items():
        assert sniff(data) == media_type
        assert [other for other in KNOWN if mismatch(other, data) is None] == [media_type]
    assert sniff(b"GIF87a") == "image/gif"


@pytest.mark.parametrize("frame", [b"\xff\xfb\x90\x44", b"\xff\xf3\x40", b"\xff\xe3\x40"])
def test_an_mp3_without_tags_is_told_by_its_frame(frame: bytes) -> None:
    """Ours: encoders leave ID3 out."""
    assert sniff(frame) == "audio/mpeg"


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"\xff\xfe", b"\xff\xf1", b"\xff\xeb", b"RIFF", b"RIFF\0\0\0\0AVI ", b"<"],
)
def test_other_bytes_are_of_no_known_type(data: bytes) -> None:
    """Ours: a UTF-16 mark, an AAC frame and reserved MPEG bits are no MP3."""
    assert sniff(data) is None


@given(st.binary(max_size=20))
def test_sniffing_answers_on_any_bytes(data: bytes) -> None:
    """Ours: what a guest wrote is untrusted."""
    assert sniff(data) in {None, *KNOWN}


def test_media_types_are_read_by_their_usual_name() -> None:
    """Ours: clients compare media types as text."""
    assert parse_media_type("Image/JPG; q=1") == "image/jpeg"
    assert parse_media_type("audio/x-wav") == "audio/wav"
    assert parse_media_type("text/csv; charset=utf-8") == "text/csv"
    assert [parse_media_type(text) for text in ("", "png", "a/b/c", "a/\nb", "é/x")] == [None] * 5


def test_text_is_told_from_binary_by_media_type() -> None:
    """Design §5, Results: other media types become a resource, as text or as base64."""
    assert all(map(is_text, ["text/csv", "image/svg+xml", "application/json", "x/y+json"]))
    assert not any(map(is_text, ["image/png", "application/pdf", "application/zip"]))
