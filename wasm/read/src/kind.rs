//! What a file is, text or not, by its first bytes.

use common::text::{self, Encoding};

const UNKNOWN: &str = "a binary file of unknown kind";
const MAGIC: [(usize, &[u8], &str); 44] = [
    (0, b"%PDF-", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive, or a document or package made as one"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"BZh", "bzip2 data"),
    (0, b"\xfd7zXZ\0", "xz data"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (0, b"\x04\x22\x4d\x18", "LZ4 data"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"!<arch>\n", "an ar archive or a Debian package"),
    (0, b"\x7fELF", "an ELF binary"),
    (0, b"\0asm", "a WebAssembly binary"),
    (0, b"\xca\xfe\xba\xbe", "a Java class or a universal Mach-O binary"),
    (0, b"\xcf\xfa\xed\xfe", "a Mach-O binary"),
    (0, b"\xce\xfa\xed\xfe", "a Mach-O binary"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"ARROW1\0\0", "an Arrow file"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"ID3", "an MP3 sound"),
    (0, b"\xff\xfb", "an MP3 sound"),
    (0, b"fLaC", "a FLAC sound"),
    (0, b"OggS", "an Ogg sound or video"),
    (8, b"WAVE", "a WAV sound"),
    (8, b"AVI ", "an AVI video"),
    (4, b"ftypheic", "a HEIC image"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftyp", "an MP4 video or sound"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"\0\0\x01\0", "an icon"),
    (0, b"8BPS", "a Photoshop image"),
    (0, b"wOFF", "a WOFF font"),
    (0, b"wOF2", "a WOFF2 font"),
    (0, b"\0\x01\0\0\0", "a TrueType font"),
    (0, b"OTTO", "an OpenType font"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document"),
    (0, b"DIRC", "a git index"),
    (0, b"\xff\xfe\0\0", "text in UTF-32"),
    (0, b"\0\0\xfe\xff", "text in UTF-32"),
];

/// A text's encoding (UTF-8 where it may be Latin-1 too), or what a file is that is no text.
pub fn of(head: &[u8]) -> Result<Encoding, &'static str> {
    use Encoding::{Utf8Marked, Utf16};
    match text::sniff(head) {
        // Half of the bytes of Cyrillic in UTF-16 are control characters, so the mark decides.
        Some(marked @ (Utf8Marked | Utf16 { marked: true, .. })) => Ok(marked),
        sniffed => match binary(head) {
            Some(name) => Err(name),
            None => sniffed.ok_or(UNKNOWN),
        },
    }
}

/// The kind, or None where this may be text.
fn binary(head: &[u8]) -> Option<&'static str> {
    let known = MAGIC.iter().find(|(at, magic, _)| {
        head.get(*at..).is_some_and(|bytes| bytes.starts_with(magic)) && is_no_prose(head, magic)
    });
    match known {
        Some((_, _, name)) => Some(name),
        None if head.starts_with(b"MZ") && head.contains(&0) => Some("a Windows program"),
        None if head.starts_with(b"BM") && head.contains(&0) => Some("a BMP image"),
        None => is_noise(head).then_some(UNKNOWN),
    }
}

/// Whether more stands there than the few letters with which a text, too, could begin.
fn is_no_prose(head: &[u8], magic: &[u8]) -> bool {
    magic == b"%PDF-"
        || magic == b"!<arch>\n"
        || std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some()) // not just cut
        || head.contains(&0)
}

/// Text has next to no control characters but tabs, line ends, form feeds, and those of terminals.
fn is_noise(head: &[u8]) -> bool {
    let is_odd = |byte: &&u8| matches!(byte, 0x01..=0x06 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    head.iter().filter(is_odd).count() * 20 > head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_like_a_binary_is_text() {
        for text in ["BZhang wrote this", "ID3 is a tag", "MZ", "BMW", "PAR1 of 2", "II*"] {
            assert_eq!(binary(text.as_bytes()), None, "{text}");
        }
        assert_eq!(binary(b"%PDF-1.7\n"), Some("a PDF document"));
        assert_eq!(binary(b"\x1f\x8b\x08\0\0\0\0"), Some("gzip data"));
        assert_eq!(binary(b"\x01\x02\x03\x04abc"), Some(UNKNOWN));
        assert_eq!(binary(b"BZh, and half an \xc3"), None);
    }
}
