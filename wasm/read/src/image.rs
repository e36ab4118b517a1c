//! Images that a client can show: an image block, with its kind and size before it.

use std::fs::File;
use std::io::{self, Read, Write};

use common::json::write_envelope;
use common::size;

/// Base64 makes a third more of it, and models take images of 5 MB at most.
const LARGEST: u64 = 15 << 18; // 3.75 MiB
const PIECE: usize = 3 << 12; // whole groups of three bytes

#[derive(Clone, Copy)]
pub struct Format {
    name: &'static str,
    media_type: &'static str,
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

/// Write the image, or the sentence that it is too large.
pub fn show(file: &mut File, length: u64, format: Format, out: &mut impl Write) -> io::Result<()> {
    let (name, short) = (format.name, size::short(length));
    if length > LARGEST {
        let text = format!("[{name} image, {short}: too large, up to 3.75M are shown]");
        return write_envelope(out, &text);
    }
    write!(out, r#"{{"content":[{{"type":"text","text":"[{name} image, {short}]"}},"#)?;
    write!(out, r#"{{"type":"image","mimeType":"{}","data":""#, format.media_type)?;
    write_base64(file.take(LARGEST), out)?;
    out.write_all(br#""}]}"#)
}

fn write_base64(mut bytes: impl Read, out: &mut impl Write) -> io::Result<()> {
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
