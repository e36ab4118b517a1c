"""Media types that a result can carry: what the first bytes say they are, and which are text."""

import re
from typing import Final

_RIFF: Final = b"RIFF"
_RIFF_KIND: Final = slice(8, 12)
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_RIFF_KINDS: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
# An MPEG frame: eleven set bits, a version that is not reserved, layer II or III. (Nobody writes
# layer I, and one of its headers begins like UTF-16.)
_MPEG_FRAME: Final = re.compile(rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]")
_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
}
_TEXT: Final = re.compile(
    r"text/.*|.*\+(json|xml|yaml)|application/(json|xml|yaml|toml|sql|javascript|x-ndjson)"
)
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")

KNOWN: Final = frozenset({mime for _, mime in _SIGNATURES} | set(_RIFF_KINDS.values()))


def parse_media_type(text: str) -> str | None:
    """Return the media type in lower case, by its usual name, without parameters; None for none."""
    essence = text.split(";", 1)[0].strip().lower()
    return _ALIASES.get(essence, essence) if _MEDIA_TYPE.fullmatch(essence) else None


def is_text(media_type: str) -> bool:
    """Return whether content of this media type is sent as text, not as base64."""
    return _TEXT.fullmatch(media_type) is not None


def sniff(data: bytes) -> str | None:
    """Return the image or audio type that the first bytes say, one of `KNOWN`, or None."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data.startswith(_RIFF):
        return _RIFF_KINDS.get(data[_RIFF_KIND])
    return "audio/mpeg" if _MPEG_FRAME.match(data) else None


def mismatch(media_type: str, data: bytes) -> str | None:
    """Return what is wrong with data that claim a type of `KNOWN`, or None where nothing is."""
    found = sniff(data)
    if media_type not in KNOWN or found == media_type:
        return None
    return f"{len(data)} bytes are not {media_type} but {found or 'of no known media type'}"
