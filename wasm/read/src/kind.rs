//! What a file is, by its first bytes.

pub enum Kind {
    Empty,
    Text,
    Utf16 { big_endian: bool },
    Image(&'static str),
    Binary(&'static str),
}

pub fn of(head: &[u8]) -> Kind {
    match head {
        [] => Kind::Empty,
        [0x89, b'P', b'N', b'G', ..] => Kind::Image("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => Kind::Image("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Kind::Image("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::Image("image/webp"),
        [0xFF, 0xFE, ..] => Kind::Utf16 { big_endian: false },
        [0xFE, 0xFF, ..] => Kind::Utf16 { big_endian: true },
        _ if head.contains(&0) || head.starts_with(b"%PDF-") => Kind::Binary(name(head)),
        _ => Kind::Text,
    }
}

fn name(head: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 10] = [
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive, or a document in one"),
        (b"\x1f\x8b", "a gzip file"),
        (b"BZh", "a bzip2 file"),
        (b"\xFD7zXZ\0", "an xz file"),
        (b"\x28\xB5\x2F\xFD", "a zstd file"),
        (b"\x7FELF", "an ELF program or library"),
        (b"\0asm", "a WebAssembly binary"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\xCA\xFE\xBA\xBE", "a Java class or Mach-O file"),
    ];
    KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map_or("a binary file", |(_, what)| what)
}
