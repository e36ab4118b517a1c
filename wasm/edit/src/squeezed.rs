//! A text without what a model gets wrong most often: whitespace, case, quotes, dashes.

use std::ops::Range;

/// UTF-8 of what is left, and where its lines begin there and in the text.
pub struct Squeezed {
    pub bytes: Vec<u8>,
    lines: Vec<(usize, usize)>,
}

impl Squeezed {
    pub fn of(text: &[u8]) -> Self {
        let mut squeezed = Self { bytes: Vec::with_capacity(text.len()), lines: vec![(0, 0)] };
        let mut at = 0;
        while at < text.len() {
            let (each, length) = character(&text[at..]);
            at += length;
            if each == '\n' {
                squeezed.lines.push((squeezed.bytes.len(), at));
            } else if let Some(plain) = plain(each) {
                squeezed.bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        squeezed
    }

    /// What a range of the squeezed bytes is in the text that was squeezed.
    pub fn range(&self, text: &[u8], range: Range<usize>) -> Range<usize> {
        let start = self.find(text, range.start).start;
        if range.is_empty() { start..start } else { start..self.find(text, range.end - 1).end }
    }

    /// The character of the text from which a squeezed byte comes.
    fn find(&self, text: &[u8], squeezed: usize) -> Range<usize> {
        let line = self.lines.partition_point(|(start, _)| *start <= squeezed) - 1;
        let (mut count, mut at) = self.lines[line];
        while at < text.len() {
            let (each, length) = character(&text[at..]);
            count += plain(each).map_or(0, char::len_utf8);
            if count > squeezed {
                return at..at + length;
            }
            at += length;
        }
        at..at
    }
}

/// The first character and how many bytes it takes; U+FFFD, as `read` shows it, for broken ones.
fn character(text: &[u8]) -> (char, usize) {
    if text[0].is_ascii() {
        return (char::from(text[0]), 1);
    }
    let chunk = text[..text.len().min(4)].utf8_chunks().next();
    chunk.map_or((char::REPLACEMENT_CHARACTER, 1), |chunk| match chunk.valid().chars().next() {
        Some(each) => (each, each.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, chunk.invalid().len()),
    })
}

/// What a character is squeezed to.
pub fn plain(c: char) -> Option<char> {
    match c {
        _ if is_blank(c) => None,
        c if c.is_ascii() => Some(c.to_ascii_lowercase()),
        '‘' | '’' | '‚' | '‛' | '′' | '´' => Some('\''),
        '“' | '”' | '„' | '‟' | '″' => Some('"'),
        '‐' | '‑' | '‒' | '–' | '—' | '−' => Some('-'),
        c => c.to_lowercase().next(),
    }
}

/// Whether nothing is seen of a character.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_leads_back_to_the_text() {
        let text = "If  (a)\n\n\t“Ünd”\u{a0}B\n".as_bytes();
        let squeezed = Squeezed::of(text);
        assert_eq!(squeezed.bytes, "if(a)\"ünd\"b".as_bytes());
        let back = |range| String::from_utf8_lossy(&text[squeezed.range(text, range)]).into_owned();
        assert_eq!(back(0..3), "If  (");
        assert_eq!(back(4..6), ")\n\n\t“");
        assert_eq!(back(6..12), "Ünd”\u{a0}B");
        assert_eq!(squeezed.range(text, 12..12).start, text.len());
    }

    #[test]
    fn broken_bytes_are_one_character() {
        assert_eq!(Squeezed::of(b"a\xffb\xe2\x82c").bytes, "a\u{fffd}b\u{fffd}c".as_bytes());
    }
}
