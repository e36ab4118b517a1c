//! Lines of a text as `read` shows them: a number, a tab, the line. Long ones are cut around what
//! matters.

use std::fmt::Write;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memrchr};

const LINE: usize = 240; // bytes of a line that are shown
const LEAD: usize = 80; // of them, those before what matters

/// The number of the line in which a byte is, from 1 on.
pub fn number(text: &[u8], at: usize) -> usize {
    memchr_iter(b'\n', &text[..at]).count() + 1
}

/// The line in which a byte is, without its end.
pub fn line(text: &[u8], at: usize) -> Range<usize> {
    let start = memrchr(b'\n', &text[..at]).map_or(0, |lf| lf + 1);
    let end = memchr(b'\n', &text[at..]).map_or(text.len(), |lf| at + lf);
    start..end
}

/// The line before the one that begins here.
pub fn before(text: &[u8], start: usize) -> Option<Range<usize>> {
    (start > 0).then(|| line(text, start - 1))
}

/// The line after the one in which a byte is; the nothing after a last line end is none.
pub fn after(text: &[u8], at: usize) -> Option<Range<usize>> {
    let start = line(text, at).end + 1;
    (start < text.len()).then(|| line(text, start))
}

/// Write a line with its number; `focus` is the byte of the text that must be seen.
pub fn push(out: &mut String, text: &[u8], number: usize, line: Range<usize>, focus: usize) {
    // A String takes every write.
    let _ =
        writeln!(out, "{number}\t{}", cut(&text[line.clone()], focus.saturating_sub(line.start)));
}

/// A piece of text, so much of it as is shown, with "…" where some was left out.
pub fn cut(piece: &[u8], focus: usize) -> String {
    if piece.len() <= LINE {
        return String::from_utf8_lossy(piece).into_owned();
    }
    let start = boundary(piece, focus.min(piece.len()).saturating_sub(LEAD));
    let end = boundary(piece, (start + LINE).min(piece.len()));
    let (front, back) =
        (if start > 0 { "…" } else { "" }, if end < piece.len() { "…" } else { "" });
    format!("{front}{}{back}", String::from_utf8_lossy(&piece[start..end]))
}

/// The beginning of the character in which a byte is.
fn boundary(text: &[u8], mut at: usize) -> usize {
    while at > 0 && text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_its_focus() {
        let line = format!("{}here{}", "ä".repeat(1000), "b".repeat(1000));
        let shown = cut(line.as_bytes(), 2000);
        assert!(shown.starts_with("…ä") && shown.contains("äherebb") && shown.ends_with("b…"));
        assert_eq!(cut("short".as_bytes(), 3), "short");
    }

    #[test]
    fn lines_are_found_from_a_byte_on() {
        let text = b"a\n\nbc\n";
        assert_eq!((line(text, 0), line(text, 2), line(text, 4)), (0..1, 2..2, 3..5));
        assert_eq!((before(text, 3), before(text, 0)), (Some(2..2), None));
        assert_eq!(
            (after(text, 0), after(text, 1), after(text, 4)),
            (Some(2..2), Some(2..2), None)
        );
        assert_eq!(number(text, 4), 3);
    }
}
