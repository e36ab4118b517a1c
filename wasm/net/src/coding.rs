//! Compressed bodies. What comes out is bounded by whoever reads, so that a bomb is no more than
//! a long page.

use std::io::{self, Cursor, Read};

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

const MOST: usize = 2; // codings, one over another
const BUFFER: usize = 16 << 10;

/// A reader of what a body was before it was sent; the name of a coding that is not known.
pub fn decoded<'a>(body: impl Read + 'a, coding: &str) -> Result<Box<dyn Read + 'a>, String> {
    let names: Vec<_> = coding.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let names: Vec<_> =
        names.iter().filter(|name| !matches!(name.as_str(), "" | "identity")).collect();
    if names.len() > MOST {
        return Err(coding.to_owned());
    }
    let mut reader: Box<dyn Read + 'a> = Box::new(body);
    for name in names.into_iter().rev() {
        reader = match name.as_str() {
            "gzip" | "x-gzip" => Box::new(MultiGzDecoder::new(reader)),
            "deflate" => Box::new(Deflate::Unseen(Some(reader))),
            "br" => Box::new(Decompressor::new(reader, BUFFER)),
            other => return Err(other.to_owned()),
        };
    }
    Ok(reader)
}

/// "deflate" means zlib (RFC 9110, 8.4.1.2), and some send it without zlib's frame.
enum Deflate<'a> {
    Unseen(Option<Box<dyn Read + 'a>>),
    Seen(Box<dyn Read + 'a>),
}

impl Read for Deflate<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Unseen(body) = self {
            let Some(mut body) = body.take() else { return Ok(0) };
            let mut head = Vec::new();
            body.by_ref().take(2).read_to_end(&mut head)?;
            let is_framed = matches!(head[..], [first, second]
                if first & 0x0f == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0);
            let whole = Cursor::new(head).chain(body);
            *self = Self::Seen(match is_framed {
                true => Box::new(ZlibDecoder::new(whole)),
                false => Box::new(DeflateDecoder::new(whole)),
            });
        }
        match self {
            Self::Seen(reader) => reader.read(buffer),
            Self::Unseen(_) => Ok(0), // its first bytes could not be read
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = b"hello hello hello hello";

    fn text(body: &[u8], coding: &str) -> Vec<u8> {
        let mut out = Vec::new();
        decoded(body, coding).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_coding_gives_the_text_back() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(TEXT).unwrap();
        let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03]; // "hello", stored
        assert_eq!(text(TEXT, ""), TEXT);
        assert_eq!(text(&gzip(TEXT), "GZIP"), TEXT);
        assert_eq!(text(&zlib.finish().unwrap(), "deflate"), TEXT);
        assert_eq!(text(&raw.finish().unwrap(), "deflate"), TEXT);
        assert_eq!(text(&brotli, "br"), b"hello");
        assert_eq!(text(&gzip(&gzip(TEXT)), "identity, gzip, x-gzip"), TEXT);
    }

    #[test]
    fn a_bomb_gives_as_much_as_is_read() {
        let bomb = gzip(&gzip(&vec![0; 50 << 20]));
        let mut out = Vec::new();
        decoded(&bomb[..], "gzip, gzip").unwrap().take(1000).read_to_end(&mut out).unwrap();
        assert_eq!(out.len(), 1000);
    }

    #[test]
    fn what_is_cut_or_unknown_is_an_error() {
        let body = gzip(TEXT);
        let mut out = Vec::new();
        assert!(decoded(&body[..body.len() - 9], "gzip").unwrap().read_to_end(&mut out).is_err());
        assert_eq!(decoded(TEXT, "zstd").err().as_deref(), Some("zstd"));
        assert!(decoded(TEXT, "gzip, gzip, gzip").is_err());
    }
}
