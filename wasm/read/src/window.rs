//! The lines that were asked for, out of a file that goes by: kept within bounds, the others only
//! counted.

use std::fmt::Write;

use common::size;
use common::text::{self, Encoding};
use memchr::memchr;

pub const LINES: u64 = 2000;
const CHARACTERS: u64 = 2000; // of one line
const BYTES: usize = 256 << 10; // of the whole result
const MORE_BYTES: usize = 1 << 20; // where somebody asked for more lines than the default

pub struct Wanted {
    /// The first line, from 1 on.
    pub offset: u64,
    /// How many lines.
    pub limit: u64,
    /// The first character of each line that is shown, from 1 on.
    pub column: u64,
}

struct Line {
    end: usize, // in `kept`
    left_out: u64,
}

pub struct Window {
    offset: u64,
    limit: u64,
    skip: u64, // characters of each line
    budget: usize,
    kept: Vec<u8>,
    lines: Vec<Line>,
    number: u64, // of the line that goes by
    characters: u64,
    bytes: u64,
    is_full: bool,
}

impl Window {
    pub fn new(wanted: &Wanted) -> Self {
        Self {
            offset: wanted.offset,
            limit: wanted.limit,
            skip: wanted.column - 1,
            budget: if wanted.limit > LINES { MORE_BYTES } else { BYTES },
            kept: Vec::new(),
            lines: Vec::new(),
            number: 1,
            characters: 0,
            bytes: 0,
            is_full: false,
        }
    }

    /// Whether no further line will be kept.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Let a piece of the file go by.
    pub fn feed(&mut self, mut piece: &[u8]) {
        while !self.is_full {
            let Some(at) = memchr(b'\n', piece) else {
                self.keep(piece);
                return;
            };
            self.keep(&piece[..at]);
            self.end_line();
            piece = &piece[at + 1..];
        }
        self.number += memchr::memchr_iter(b'\n', piece).count() as u64;
        self.bytes = match memchr::memrchr(b'\n', piece) {
            Some(at) => (piece.len() - at - 1) as u64,
            None => self.bytes + piece.len() as u64,
        };
    }

    /// The file's end: a last line may lack its line break.
    pub fn finish(&mut self) {
        if self.bytes > 0 {
            if self.is_full {
                self.number += 1;
            } else {
                self.end_line();
            }
        }
    }

    fn keep(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        if self.number < self.offset {
            return;
        }
        if self.characters == 0 && self.skip == 0 && part.len() as u64 <= CHARACTERS {
            self.kept.extend_from_slice(part);
            self.characters = characters(part);
            return;
        }
        // Bytes that go on with a character count for nothing; in Latin-1, where they don't, a line
        // is cut a little later, but for a bound in bytes.
        let start = self.lines.last().map_or(0, |line| line.end);
        for byte in part {
            self.characters += u64::from(byte & 0xc0 != 0x80);
            let is_in = self.characters > self.skip && self.characters <= self.skip + CHARACTERS;
            if is_in && self.kept.len() - start < 4 * CHARACTERS as usize {
                self.kept.push(*byte);
            }
        }
    }

    fn end_line(&mut self) {
        if self.number >= self.offset {
            let shown = self.characters.saturating_sub(self.skip).min(CHARACTERS);
            let left_out = self.characters.saturating_sub(self.skip) - shown;
            let start = self.lines.last().map_or(0, |line| line.end);
            if left_out == 0 && self.kept.len() > start && self.kept.last() == Some(&b'\r') {
                self.kept.pop();
            }
            const NUMBER: usize = 8; // about what a line's number takes
            if self.kept.len() + NUMBER * (self.lines.len() + 1) > self.budget {
                self.kept.truncate(start);
                self.is_full = true;
            } else {
                self.lines.push(Line { end: self.kept.len(), left_out });
                self.is_full = self.lines.len() as u64 == self.limit;
            }
        }
        self.number += 1;
        self.characters = 0;
        self.bytes = 0;
    }

    /// The lines with their numbers, and what there is to say about them.
    pub fn text(&self, encoding: Encoding, is_whole: bool) -> String {
        let total = self.number - 1;
        let mut text = String::with_capacity(self.kept.len() + 8 * self.lines.len());
        if total == 0 {
            return "[empty file]".into(); // but for its byte order mark
        }
        if self.lines.is_empty() {
            let lines = size::count(total, "line");
            return format!("[offset {} is past the end: the file has {lines}]", self.offset);
        }
        let (decode, note) = reader(encoding, &self.kept);
        let mut start = 0;
        for (line, number) in self.lines.iter().zip(self.offset..) {
            // A String takes every write.
            let _ = write!(text, "{number}\t{}", decode(&self.kept[start..line.end]));
            if line.left_out > 0 {
                let _ = write!(text, "…[{}]", size::count(line.left_out, "more character"));
            }
            text.push('\n');
            start = line.end;
        }
        self.add_notes(&mut text, total, is_whole);
        text.push_str(&note);
        text
    }

    fn add_notes(&self, text: &mut String, total: u64, is_whole: bool) {
        let last = self.offset + self.lines.len() as u64 - 1;
        // A String takes every write.
        if self.lines.iter().any(|line| line.left_out > 0) {
            let column = self.skip + CHARACTERS + 1;
            let _ = writeln!(text, "[long lines cut; column={column} shows how they go on]");
        }
        if !is_whole {
            let next = last + 1;
            let _ =
                writeln!(text, "[lines {}-{last} of many; offset={next} for more]", self.offset);
        } else if last < total {
            let next = last + 1;
            let from = self.offset;
            let _ = writeln!(text, "[lines {from}-{last} of {total}; offset={next} for the rest]");
        }
    }
}

fn characters(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

type Reader = fn(&[u8]) -> String;

/// How the kept bytes are decoded, and what is said about that.
fn reader(encoding: Encoding, kept: &[u8]) -> (Reader, String) {
    let lossy: Reader = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if let Encoding::Utf16 { .. } = encoding {
        return (lossy, format!("[decoded from {}]\n", encoding.name()));
    }
    if std::str::from_utf8(kept).is_ok() {
        return (lossy, String::new());
    }
    match text::guess(kept) {
        Encoding::Latin1 => (text::latin1, "[decoded from Latin-1]\n".into()),
        _ => (lossy, "[not quite UTF-8: what could not be decoded is shown as \u{fffd}]\n".into()),
    }
}
