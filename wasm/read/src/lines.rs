//! Lines, numbered and capped, and a last line that says what was left out and how to get it.

use std::io::{self, BufRead, BufReader, Read};

const LINE_AT_MOST: usize = 2000; // characters
const TOTAL_AT_MOST: usize = 256 << 10; // bytes
const KEPT_OF_A_LINE: usize = LINE_AT_MOST * 4; // bytes: four a character at most

pub struct Wanted {
    pub first: u64, // 1-based
    pub count: u64,
}

/// Returns the wanted lines. Reads to the end, to say how many there are, in bounded memory.
pub fn show(source: impl Read, wanted: &Wanted) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(256 << 10, source);
    let mut shown = Shown::default();
    let mut line = Vec::new();
    let mut number = 0;
    while let Some(length) = next_line(&mut reader, &mut line)? {
        number += 1;
        let in_range = number >= wanted.first && number - wanted.first < wanted.count;
        if in_range && !shown.full {
            shown.add(number, &line, length);
        }
    }
    Ok(shown.finish(number, wanted))
}

/// Puts the beginning of the next line into `line` and returns its whole length, without its end.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<usize>> {
    line.clear();
    let (mut length, mut any) = (0, false);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(any.then_some(length));
        }
        any = true;
        let end = memchr(chunk);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        line.extend_from_slice(&part[..part.len().min(KEPT_OF_A_LINE.saturating_sub(line.len()))]);
        length += part.len();
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            if length == line.len() && line.last() == Some(&b'\r') {
                line.pop();
                length -= 1;
            }
            return Ok(Some(length));
        }
    }
}

fn memchr(chunk: &[u8]) -> Option<usize> {
    chunk.iter().position(|byte| *byte == b'\n')
}

#[derive(Default)]
struct Shown {
    text: String,
    last: u64,
    full: bool,
    latin1: bool,
    broken: bool,
}

impl Shown {
    fn add(&mut self, number: u64, line: &[u8], length: usize) {
        let text = self.decode(line, length > line.len());
        let mut entry = format!("{number}\t");
        match text.char_indices().nth(LINE_AT_MOST) {
            Some((cut, _)) => {
                entry.push_str(&text[..cut]);
                entry.push_str(&format!(" [line cut: {length} bytes]"));
            }
            None => entry.push_str(&text),
        }
        if !self.text.is_empty() && self.text.len() + entry.len() > TOTAL_AT_MOST {
            self.full = true;
            return;
        }
        self.text.push_str(&entry);
        self.text.push('\n');
        self.last = number;
    }

    /// UTF-8, or Latin-1 for a line none of whose bytes make UTF-8 beyond ASCII.
    fn decode(&mut self, line: &[u8], cut: bool) -> String {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let error = match std::str::from_utf8(line) {
            Ok(text) => return text.to_owned(),
            Err(error) => error,
        };
        if cut && error.error_len().is_none() {
            return String::from_utf8_lossy(&line[..error.valid_up_to()]).into_owned();
        }
        let lossy = String::from_utf8_lossy(line);
        if lossy.chars().all(|c| c.is_ascii() || c == char::REPLACEMENT_CHARACTER) {
            self.latin1 = true;
            line.iter().map(|byte| char::from(*byte)).collect()
        } else {
            self.broken = true;
            lossy.into_owned()
        }
    }

    fn finish(mut self, total: u64, wanted: &Wanted) -> String {
        if wanted.first > total {
            let lines = if total == 1 { "1 line".to_owned() } else { format!("{total} lines") };
            return format!("There is no line {}: the file has {lines}.", wanted.first);
        }
        if self.latin1 {
            self.text.push_str("[decoded from Latin-1]\n");
        }
        if self.broken {
            self.text.push_str("[broken UTF-8 is shown as \u{FFFD}]\n");
        }
        if self.last < total {
            let (first, last) = (wanted.first, self.last);
            let next = last + 1;
            self.text.push_str(&format!("[lines {first}-{last} of {total}; offset={next} for the rest]\n"));
        }
        self.text.pop();
        self.text
    }
}
