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
    number: u64,    // of the line that goes by
    is_begun: bool, // there is something of that line
    passing: Passing,
    is_full: bool,
}

/// What is known of the line that goes by, where it is one to be kept.
#[derive(Default)]
struct Passing {
    characters: u64,
    due: u8, // bytes that its last character still lacks
    last: u8,
}

impl Passing {
    /// Count a byte. Where it goes on with no character, it counts as one: then this is not UTF-8.
    fn take(&mut self, byte: u8) {
        self.last = byte;
        if self.due > 0 && byte & 0xc0 == 0x80 {
            self.due -= 1;
            return;
        }
        self.characters += 1;
        self.due = match byte {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
    }
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
            is_begun: false,
            passing: Passing::default(),
            is_full: false,
        }
    }

    /// Whether no further line will be kept.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// How many lines went by.
    pub fn total(&self) -> u64 {
        self.number - 1
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
        if let Some(last) = piece.last() {
            self.number += memchr::memchr_iter(b'\n', piece).count() as u64;
            self.is_begun = *last != b'\n';
        }
    }

    /// The file's end: a last line may lack its line break.
    pub fn finish(&mut self) {
        if self.is_begun {
            self.end_line();
        }
    }

    fn keep(&mut self, part: &[u8]) {
        self.is_begun |= !part.is_empty();
        if self.number < self.offset {
            return;
        }
        for byte in part {
            self.passing.take(*byte);
            if self.is_in_window() {
                self.kept.push(*byte);
            }
        }
    }

    /// Whether the last character that went by is one to be shown.
    fn is_in_window(&self) -> bool {
        (1..=CHARACTERS).contains(&self.passing.characters.saturating_sub(self.skip))
    }

    fn end_line(&mut self) {
        if self.number >= self.offset && !self.is_full {
            self.end_kept_line();
        }
        self.number += 1;
        self.is_begun = false;
    }

    fn end_kept_line(&mut self) {
        const NUMBER: usize = 8; // about what a line's number takes
        if self.passing.last == b'\r' {
            if self.is_in_window() {
                self.kept.pop();
            }
            self.passing.characters -= 1; // it belongs to the line's end
        }
        let characters = self.passing.characters.saturating_sub(self.skip);
        if self.kept.len() + NUMBER * (self.lines.len() + 1) > self.budget {
            self.kept.truncate(self.lines.last().map_or(0, |line| line.end));
            self.is_full = true;
        } else {
            let left_out = characters.saturating_sub(CHARACTERS);
            self.lines.push(Line { end: self.kept.len(), left_out });
            self.is_full = self.lines.len() as u64 == self.limit;
        }
        self.passing = Passing::default();
    }

    /// The lines with their numbers, and what there is to say about them.
    pub fn text(&self, encoding: Encoding, is_whole: bool) -> String {
        let total = self.total();
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
        self.add_notes(&mut text, if is_whole { Some(total) } else { None });
        text.push_str(&note);
        text
    }

    fn add_notes(&self, text: &mut String, total: Option<u64>) {
        // A String takes every write.
        if self.lines.iter().any(|line| line.left_out > 0) {
            let column = self.skip + CHARACTERS + 1;
            let _ = writeln!(text, "[long lines cut; column={column} shows how they go on]");
        }
        let next = self.offset + self.lines.len() as u64;
        let lines = match (self.offset, next - 1) {
            (first, last) if first == last => format!("line {first}"),
            (first, last) => format!("lines {first}-{last}"),
        };
        let _ = match total {
            None => writeln!(text, "[{lines} of many; offset={next} for more]"),
            Some(total) if next > total => Ok(()),
            Some(total) => writeln!(text, "[{lines} of {total}; offset={next} for the rest]"),
        };
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of these bytes, fed in pieces of this length.
    fn shown(bytes: &[u8], wanted: &Wanted, piece: usize) -> String {
        let mut window = Window::new(wanted);
        bytes.chunks(piece).for_each(|piece| window.feed(piece));
        window.finish();
        window.text(Encoding::Utf8, true)
    }

    #[test]
    fn pieces_make_no_difference() {
        let texts: [&[u8]; 8] = [
            "ä€😀\r\n\r\nb\nlast".as_bytes(),
            b"\n\n\r\n",
            b"a\rb\r",
            b"caf\xe9 \xb0\xb0\xb0\nol\xe9\n",
            "gut ist gut: äöü\u{1}".as_bytes(),
            b"\xf0\x9f\x98\n\x98\x80",
            b"no break",
            b"\n",
        ];
        for text in texts {
            for (offset, limit, column) in [(1, 9, 1), (2, 1, 1), (2, 2, 3), (1, 1, 1), (4, 2, 2)] {
                let wanted = Wanted { offset, limit, column };
                let whole = shown(text, &wanted, usize::MAX);
                for piece in 1..=text.len() {
                    assert_eq!(shown(text, &wanted, piece), whole, "{piece} of {text:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_break_is_no_character() {
        let wanted = Wanted { offset: 1, limit: 9, column: 1 };
        for end in ["", "\n", "\r\n"] {
            let line = "ä".repeat(CHARACTERS as usize);
            assert_eq!(
                shown(format!("{line}{end}").as_bytes(), &wanted, 7),
                format!("1\t{line}\n")
            );
            let cut = format!(
                "1\t{line}…[1 more character]\n[long lines cut; column=2001 shows how they go on]\n"
            );
            assert_eq!(shown(format!("{line}b{end}").as_bytes(), &wanted, 7), cut);
        }
    }

    #[test]
    fn a_column_beyond_every_line_shows_empty_ones() {
        let wanted = Wanted { offset: 1, limit: 9, column: u64::MAX };
        assert_eq!(shown(b"ab\r\nc", &wanted, 99), "1\t\n2\t\n");
        assert_eq!(shown(b"ab\r\nc", &Wanted { column: 3, ..wanted }, 99), "1\t\n2\t\n");
    }

    #[test]
    fn a_line_of_no_utf8_is_cut_and_said_to_be() {
        let wanted = Wanted { offset: 1, limit: 9, column: 1 };
        let text = shown(&[0xb0; 9000], &wanted, 999);
        assert!(text.starts_with(&format!("1\t{}…[7000 more characters]", "°".repeat(2000))));
    }
}
