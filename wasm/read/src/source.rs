//! A file as UTF-8 bytes (or what may be Latin-1), piece by piece: never the whole in memory.

use std::fs::File;
use std::io::{self, Read};

use common::text::{Encoding, unit};

use crate::window::Window;

const PIECE: u64 = 1 << 20; // each read is a trip to the host
const LEAST: u64 = 8 << 10; // a file may hold more than its status says, as in /proc
const PATIENCE: u64 = 512 << 20; // after the last line that is shown, so much is read to count lines

/// The beginning of a file of about this length, or all of it: one trip to the host for most.
pub fn first_piece(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; length.clamp(LEAST, PIECE) as usize]; // clearing more takes time
    let used = file.read(&mut piece)?;
    piece.truncate(used);
    Ok(piece)
}

/// Feed a file to the window, from its first piece on; say whether all of it was. The file stands
/// behind that piece.
pub fn feed(
    file: &mut File,
    mut piece: Vec<u8>,
    length: u64,
    encoding: Encoding,
    window: &mut Window,
) -> io::Result<bool> {
    let mut wide = match encoding {
        Encoding::Utf16 { big, .. } => Some(Wide::new(big)),
        _ => None,
    };
    let mut skip = encoding.mark().len();
    let (mut seen, mut after) = (0, 0);
    while !piece.is_empty() {
        match &mut wide {
            Some(wide) => window.feed(wide.narrow(&piece[skip..])),
            None => window.feed(&piece[skip..]),
        }
        skip = 0;
        seen += piece.len() as u64;
        if window.is_full() {
            after += piece.len() as u64;
        }
        if after > PATIENCE {
            return Ok(false);
        }
        if seen == length {
            break; // what is written to it meanwhile is the next call's
        }
        piece.resize(PIECE as usize, 0);
        let used = file.read(&mut piece)?;
        piece.truncate(used);
    }
    if let Some(wide) = &mut wide {
        window.feed(wide.rest());
    }
    window.finish();
    Ok(true)
}

/// UTF-16 into UTF-8, with what a piece cuts apart kept for the next.
struct Wide {
    big: bool,
    half: Option<u8>,
    high: Option<u16>,
    out: String,
}

impl Wide {
    fn new(big: bool) -> Self {
        Self { big, half: None, high: None, out: String::new() }
    }

    fn narrow(&mut self, mut bytes: &[u8]) -> &[u8] {
        self.out.clear();
        if let (Some(half), Some((first, rest))) = (self.half, bytes.split_first()) {
            self.half = None;
            bytes = rest;
            self.take(unit(half, *first, self.big));
        }
        let pairs = bytes.chunks_exact(2);
        self.half = pairs.remainder().first().copied().or(self.half);
        for pair in pairs {
            self.take(unit(pair[0], pair[1], self.big));
        }
        self.out.as_bytes()
    }

    fn take(&mut self, unit: u16) {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                self.out.extend(char::decode_utf16([high, unit]).flatten());
                return;
            }
            (Some(_), _) => self.out.push(char::REPLACEMENT_CHARACTER),
            (None, _) => {}
        }
        match unit {
            0xd800..=0xdbff => self.high = Some(unit),
            _ => self.out.push(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn rest(&mut self) -> &[u8] {
        self.out.clear();
        if self.half.take().is_some() || self.high.take().is_some() {
            self.out.push(char::REPLACEMENT_CHARACTER);
        }
        self.out.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_no_difference() {
        let units = [0x61, 0xd83d, 0xde00, 0xe4, 0xd83d, 0xd83d, 0xde00, 0xde00, 0x0a, 0xd83d];
        for big in [false, true] {
            let mut bytes: Vec<u8> = Vec::new();
            for unit in units.map(|unit: u16| if big { unit } else { unit.swap_bytes() }) {
                bytes.extend(unit.to_be_bytes());
            }
            bytes.push(0x61);
            for piece in 1..=bytes.len() {
                let mut wide = Wide::new(big);
                let mut out = Vec::new();
                for piece in bytes.chunks(piece) {
                    out.extend_from_slice(wide.narrow(piece));
                }
                out.extend_from_slice(wide.rest());
                let text = String::from_utf8(out).unwrap();
                assert_eq!(text, "a😀ä\u{fffd}😀\u{fffd}\n\u{fffd}", "{piece}");
            }
        }
    }
}
