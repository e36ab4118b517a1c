//! Images that a client can show: their formats by the first bytes, and base64.

use std::io::{self, Read, Write};

/// Base64 makes a third more of it, and models take images of 5 MB at most.
pub const LARGEST: u64 = 15 << 18; // 3.75 MiB
const PIECE: usize = 3 << 12; // whole groups of three bytes

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub name: &'static str,
    pub media_type: &'static str,
}

/// The image's format, or None for what is no image.
pub fn format(head: &[u8]) -> Option<Format> {
    let (name, media_type) = match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => ("PNG", "image/png"),
        [0xff, 0xd8, 0xff, ..] => ("JPEG", "image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => ("GIF", "image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("WebP", "image/webp"),
        _ => return None,
    };
    Some(Format { name, media_type })
}

pub fn write_base64(mut bytes: impl Read, out: &mut impl Write) -> io::Result<()> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        bytes.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        for three in piece.chunks(3) {
            let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            let mut four = [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift) as usize & 63]);
            four[three.len() + 1..].fill(b'=');
            out.write_all(&four)?;
        }
        if piece.len() < PIECE {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_ends_as_the_rfc_says() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            let mut out = Vec::new();
            write_base64(bytes.as_bytes(), &mut out).unwrap();
            assert_eq!(out, text.as_bytes());
        }
    }
}
