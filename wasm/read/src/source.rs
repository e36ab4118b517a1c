//! A file as UTF-8 bytes (or what may be Latin-1), piece by piece: never the whole in memory.

use std::fs::File;
use std::io::{self, Read};

use common::text::{Encoding, unit};

use crate::window::Window;

const PIECE: usize = 1 << 20; // each read is a trip to the host
const PATIENCE: u64 = 512 << 20; // after the last line that is shown, so much is read to count lines

/// Feed a file to the window; say whether all of it was.
pub fn feed(file: &mut File, encoding: Encoding, window: &mut Window) -> io::Result<bool> {
    let mut skip = encoding.mark().len();
    let mut wide = match encoding {
        Encoding::Utf16 { big, .. } => Some(Wide::new(big)),
        _ => None,
    };
    let length = file.metadata()?.len();
    let mut piece = vec![0; length.clamp(1, PIECE as u64) as usize]; // clearing more takes time
    let mut after = 0;
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        let bytes = &piece[skip.min(length)..length];
        skip = 0;
        match &mut wide {
            Some(wide) => window.feed(wide.narrow(bytes)),
            None => window.feed(bytes),
        }
        if window.is_full() {
            after += length as u64;
        }
        if after > PATIENCE {
            return Ok(false);
        }
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
    out: Vec<u8>,
}

impl Wide {
    fn new(big: bool) -> Self {
        Self { big, half: None, high: None, out: Vec::new() }
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
        &self.out
    }

    fn take(&mut self, unit: u16) {
        if self.high.is_none() && unit < 0x80 {
            self.out.push(unit as u8);
            return;
        }
        let mut units = [0; 2];
        let units = match self.high.take() {
            Some(high) => {
                units = [high, unit];
                &units[..]
            }
            None if (0xd800..0xdc00).contains(&unit) => {
                self.high = Some(unit);
                return;
            }
            None => {
                units[0] = unit;
                &units[..1]
            }
        };
        for each in char::decode_utf16(units.iter().copied()) {
            let mut room = [0; 4];
            let c = each.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.out.extend_from_slice(c.encode_utf8(&mut room).as_bytes());
        }
    }

    fn rest(&mut self) -> &[u8] {
        self.out.clear();
        if self.half.take().is_some() || self.high.take().is_some() {
            self.out.extend_from_slice("\u{fffd}".as_bytes());
        }
        &self.out
    }
}
