//! The text of a result: lines grouped by file, files, or counts, up to a limit.

use std::borrow::Cow;
use std::fmt::Write;

use common::names::shown;
use common::size::{count, short};
use common::text::{self, Encoding};

const LINE: usize = 300; // bytes of a line that are shown
const LEAD: usize = 60; // of them before the match
const BYTES: usize = 512 << 10; // of all lines

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Content,
    Files,
    Count,
}

pub struct Page {
    mode: Mode,
    limit: usize,
    text: String,
    shown: usize,
    is_full: bool,
    files: u64, // that matched, those without room included
    lines: u64, // as above; only in counts
    file: Begun,
}

/// The file of which lines are shown now, and where the page was before it.
#[derive(Default)]
struct Begun {
    is_named: bool,
    bytes: usize,
    shown: usize,
}

impl Page {
    pub fn new(mode: Mode, limit: usize) -> Self {
        let (text, file) = (String::new(), Begun::default());
        Self { mode, limit, text, shown: 0, is_full: false, files: 0, lines: 0, file }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether nothing has matched.
    pub fn is_empty(&self) -> bool {
        self.files == 0
    }

    /// Whether what matches from now on would not be shown, nor counted.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    pub fn begin_file(&mut self) {
        self.file = Begun { is_named: false, bytes: self.text.len(), shown: self.shown };
    }

    /// Take back what was shown of the file: it turned out to be no text.
    pub fn drop_file(&mut self) {
        self.text.truncate(self.file.bytes);
        self.shown = self.file.shown;
        self.files -= u64::from(self.file.is_named);
        self.is_full = false;
    }

    /// Show a line of a file, by `:` for a match and by `-` for context; say whether there was room.
    pub fn line(&mut self, name: &str, number: u64, sign: char, line: &[u8], at: usize) -> bool {
        if !self.has_room() {
            return false;
        }
        if !self.file.is_named {
            self.file.is_named = true;
            self.files += 1;
            self.push(&shown(name));
        }
        self.shown += 1;
        let line = window(line, at);
        let space = if line.is_empty() { "" } else { " " };
        self.push(&format!("{number}{sign}{space}{line}"));
        true
    }

    /// Show a file that matches; say whether there was room.
    pub fn file(&mut self, name: &str) -> bool {
        if !self.has_room() {
            return false;
        }
        self.files += 1;
        self.shown += 1;
        self.push(&shown(name));
        true
    }

    /// Show how many lines of a file match, as long as there is room.
    pub fn count(&mut self, name: &str, lines: u64) {
        self.files += 1;
        self.lines += lines;
        if self.has_room() {
            self.shown += 1;
            self.push(&format!("{}:{lines}", shown(name)));
        }
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.shown < self.limit && self.text.len() < BYTES;
        self.is_full |= !has_room && self.mode != Mode::Count;
        has_room
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The lines, and what there is to say about them.
    pub fn text(&mut self) -> &str {
        const WAYS: &str = "raise limit, or narrow path, glob or pattern";
        let bytes = short(BYTES as u64);
        // A String takes every write.
        let _ = match self.mode {
            Mode::Content | Mode::Files if !self.is_full => Ok(()),
            Mode::Count if self.files < 2 => Ok(()),
            Mode::Count => {
                let (lines, files) = (count(self.lines, "line"), self.files);
                let rest = match files - self.shown as u64 {
                    0 => String::new(),
                    more => format!("; {more} files not shown: {WAYS}"),
                };
                writeln!(self.text, "[{lines} in {files} files{rest}]")
            }
            _ if self.text.len() >= BYTES => {
                writeln!(self.text, "[cut after {bytes}: narrow path, glob or pattern]")
            }
            Mode::Content => writeln!(self.text, "[more than {} lines: {WAYS}]", self.limit),
            Mode::Files => writeln!(self.text, "[more than {} files: {WAYS}]", self.limit),
        };
        &self.text
    }
}

/// A line without its end; of a long one, what is around a place.
fn window(line: &[u8], at: usize) -> Cow<'_, str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() <= LINE {
        return legible(line);
    }
    let is_inside = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut start = at.min(line.len()).saturating_sub(LEAD).min(line.len() - LINE);
    let mut end = start + LINE;
    if start < LEAD / 2 {
        (start, end) = (0, LINE); // what is left out would hardly be more than the mark for it
    }
    // A character has at most three bytes after its first; what has more is no UTF-8.
    start += (0..3).take_while(|more| is_inside(start + more)).count();
    end -= (0..3).take_while(|less| is_inside(end - less)).count();
    let head = if start > 0 { "…" } else { "" };
    let tail = if end < line.len() { "…" } else { "" };
    Cow::Owned(format!("{head}{}{tail}", legible(&line[start..end])))
}

fn legible(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if text::guess(bytes) == Encoding::Latin1 => Cow::Owned(text::latin1(bytes)),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}needle{}", "ä".repeat(400), "ö".repeat(400));
        let text = window(line.as_bytes(), 800);
        assert!(
            text.starts_with("…ä") && text.ends_with("ö…") && text.contains("needle"),
            "{text}"
        );
        assert!(!text.contains('\u{fffd}') && text.len() <= LINE + 2 * '…'.len_utf8());
        let start = window(line.as_bytes(), 10);
        assert!(start.starts_with('ä') && start.ends_with("ä…"));
        let end = window(line.as_bytes(), line.len());
        assert!(end.starts_with("…ö") && end.ends_with('ö'));
    }

    #[test]
    fn line_ends_are_left_out_and_bytes_made_legible() {
        assert_eq!(window(b"a\r\n", 0), "a");
        assert_eq!(window(b"\n", 0), "");
        assert_eq!(window(b"caf\xe9", 0), "café");
        assert_eq!(window("äöü\u{0}".as_bytes(), 0), "äöü\0");
        assert_eq!(window(b"\xc3\xa4\xc3\xb6\xff", 0), "äö\u{fffd}");
        assert_eq!(window(&[0xb0; 1000], 500).chars().count(), LINE - 2 * 3 + 2);
    }

    #[test]
    fn a_file_that_is_no_text_leaves_no_trace() {
        let mut page = Page::new(Mode::Content, 2);
        page.begin_file();
        assert!(page.line("a", 1, ':', b"x\n", 0));
        page.begin_file();
        assert!(page.line("b", 1, ':', b"y\n", 0) && !page.line("b", 2, ':', b"z\n", 0));
        page.drop_file();
        assert_eq!(page.text(), "a\n1: x\n");
    }
}
