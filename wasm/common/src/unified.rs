//! A short unified diff of two texts, by lines.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use similar::{DiffOp, DiffTag, group_diff_ops};

use crate::size::count;

mod compare;

pub use compare::ops;

const CONTEXT: usize = 1; // a model has the rest before it; three cost it twice the tokens
const LINE: usize = 300; // characters of one line that are shown
const LEAD: usize = 60; // of them, those before a change that lies farther to the right
const LARGEST: usize = 16 << 20; // bytes of one place that are compared; of more, lines are counted
const FEW: usize = 1000; // lines that are compared however long they are
const ENOUGH: usize = 64 << 10; // bytes after which the next change is a place of its own

/// A change: these bytes of the old text are those of the new one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    pub old: Range<usize>,
    pub new: Range<usize>,
}

/// The diff without its file names, at most `most` lines of it; "" where nothing differs.
pub fn unified(old: &[u8], new: &[u8], most: usize) -> String {
    unified_at(old, new, Span::between(old, new).as_slice(), most)
}

/// The same, where the changes are known: in their order, apart from one another.
pub fn unified_at(old: &[u8], new: &[u8], spans: &[Span], most: usize) -> String {
    let mut text = String::new();
    let (mut at, mut before) = (Span { old: 0..0, new: 0..0 }, (0, 0));
    let places = places(old, spans);
    for (done, place) in places.iter().enumerate() {
        if lines(text.as_bytes()) >= most {
            return cut(text, most, places.len() - done);
        }
        // Lines in front are counted on from the last place.
        before.0 += lines(&old[at.old.start..place.old.start]);
        before.1 += lines(&new[at.new.start..place.new.start]);
        at = place.clone();
        write_place(&mut text, &old[at.old.clone()], &new[at.new.clone()], before);
    }
    cut(text, most, 0)
}

impl Span {
    /// All from the first to the last byte that differs.
    fn between(old: &[u8], new: &[u8]) -> Option<Self> {
        let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let (old_rest, new_rest) = (&old[head..], &new[head..]);
        let ends = old_rest.iter().rev().zip(new_rest.iter().rev());
        let tail = ends.take_while(|(a, b)| a == b).count();
        let span = Self { old: head..old.len() - tail, new: head..new.len() - tail };
        (!span.old.is_empty() || !span.new.is_empty()).then_some(span)
    }
}

/// The changes with the whole lines in which they are, and some around; near ones together.
fn places(old: &[u8], spans: &[Span]) -> Vec<Span> {
    let mut places: Vec<Span> = Vec::new();
    let mut edge = 0; // where the last changed line ends
    for span in spans {
        let first = back(old, span.old.start, 1);
        let start = back(old, span.old.start, CONTEXT + 1);
        let apart =
            |place: &Span| first >= edge && (start > place.old.end || place.old.len() > ENOUGH);
        if places.last().is_none_or(apart) {
            let mut start = start;
            if let Some(last) = places.last_mut() {
                let common = last.old.end.saturating_sub(first);
                last.old.end -= common;
                last.new.end -= common;
                start = start.max(last.old.end);
            }
            let new = span.new.start - (span.old.start - start);
            places.push(Span { old: start..start, new: new..new });
        }
        edge = forward(old, span.old.end, 1);
        if let Some(place) = places.last_mut() {
            place.old.end = forward(old, span.old.end, CONTEXT + 1);
            place.new.end = span.new.end + (place.old.end - span.old.end);
        }
    }
    places
}

/// The beginning of the line that lies so many line breaks before a byte.
fn back(text: &[u8], at: usize, breaks: usize) -> usize {
    let mut ends = (0..at).rev().filter(|at| text[*at] == b'\n');
    ends.nth(breaks - 1).map_or(0, |at| at + 1)
}

/// Where the line ends that lies so many line breaks after a byte.
fn forward(text: &[u8], at: usize, breaks: usize) -> usize {
    let mut ends = (at..text.len()).filter(|at| text[*at] == b'\n');
    ends.nth(breaks - 1).map_or(text.len(), |at| at + 1)
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
        + usize::from(text.last().is_some_and(|byte| *byte != b'\n'))
}

fn write_place(text: &mut String, old: &[u8], new: &[u8], before: (usize, usize)) {
    let (minus, plus) = (lines(old), lines(new));
    if old.len() + new.len() > LARGEST && minus + plus > FEW {
        let at = before.0 + 1;
        // A String takes every write.
        let _ = writeln!(text, "[-{minus} +{plus} lines from line {at} on: too many for a diff]");
        return;
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let (old, new): (Vec<_>, Vec<_>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    for group in group_diff_ops(ops(&old, &new), CONTEXT) {
        write_hunk(text, &old, &new, &group, before);
    }
}

fn write_hunk(
    text: &mut String,
    old: &[&str],
    new: &[&str],
    group: &[DiffOp],
    before: (usize, usize),
) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let old_lines = numbers(first.old_range().start..last.old_range().end, before.0);
    let new_lines = numbers(first.new_range().start..last.new_range().end, before.1);
    // A String takes every write.
    let _ = writeln!(text, "@@ -{old_lines} +{new_lines} @@");
    for op in group {
        let (minus, plus) = (&old[op.old_range()], &new[op.new_range()]);
        if op.tag() == DiffTag::Equal {
            minus.iter().for_each(|line| push_line(text, ' ', line, 0));
            continue;
        }
        let skips: Vec<_> = minus.iter().zip(plus).map(|(old, new)| skip(old, new)).collect();
        for (sign, side) in [('-', minus), ('+', plus)] {
            for (number, line) in side.iter().enumerate() {
                push_line(text, sign, line, skips.get(number).copied().unwrap_or(0));
            }
        }
    }
}

fn numbers(range: Range<usize>, before: usize) -> String {
    match range.len() {
        0 => format!("{},0", range.start + before),
        1 => format!("{}", range.start + before + 1),
        many => format!("{},{many}", range.start + before + 1),
    }
}

/// How many characters to leave out so that the difference of two long lines is seen.
fn skip(old: &str, new: &str) -> usize {
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    if same > LINE - LEAD { same - LEAD } else { 0 }
}

fn push_line(text: &mut String, sign: char, line: &str, skip: usize) {
    let plain = line.trim_end_matches(['\n', '\r']);
    text.push(sign);
    text.push_str(if skip > 0 { "…" } else { "" });
    text.push_str(&beginning(plain, skip));
    text.push('\n');
    if !line.ends_with('\n') {
        text.push_str("\\ no newline at the end\n");
    }
}

/// A line from a character on, as much of it as is shown.
fn beginning(line: &str, skip: usize) -> Cow<'_, str> {
    let mut starts = line.char_indices().map(|(at, _)| at);
    let start = if skip == 0 { 0 } else { starts.nth(skip).unwrap_or(line.len()) };
    match line[start..].char_indices().nth(LINE) {
        Some((end, _)) => Cow::Owned(format!("{}…", &line[start..start + end])),
        None => Cow::Borrowed(&line[start..]),
    }
}

/// Leave out what is too much of a diff, and say how much that is.
fn cut(mut text: String, most: usize, places: usize) -> String {
    let end = text.match_indices('\n').nth(most - 1).map_or(text.len(), |(end, _)| end + 1);
    let more = lines(&text.as_bytes()[end..]);
    text.truncate(end);
    let is_all = places == 0;
    let hunks = count(places as u64, "more hunk");
    // A String takes every write.
    let _ = match (more > 0, is_all) {
        (false, true) => Ok(()),
        (true, true) => writeln!(text, "[{more} more lines of diff]"),
        (false, false) => writeln!(text, "[{hunks}]"),
        (true, false) => writeln!(text, "[{more} more lines of diff, {hunks}]"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> String {
        unified(old.as_bytes(), new.as_bytes(), 100)
    }

    #[test]
    fn a_change_far_in_has_its_own_line_numbers() {
        let old: String = (1..=50).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 30\n", "LINE 30\nand more\n");
        let expected = "@@ -29,3 +29,4 @@\n line 29\n-line 30\n+LINE 30\n+and more\n line 31\n";
        assert_eq!(diff(&old, &new), expected);
    }

    #[test]
    fn repeated_lines_at_both_ends_are_counted_once() {
        assert_eq!(diff("a\na\n", "a\na\na\n"), "@@ -2 +2,2 @@\n a\n+a\n");
        assert_eq!(diff("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(diff("a\n", "a"), "@@ -1 +1 @@\n-a\n+a\n\\ no newline at the end\n");
        assert_eq!(diff("ä", "ö").lines().count(), 5);
        assert_eq!(diff("a", "a"), "");
    }

    #[test]
    fn a_long_diff_says_how_much_was_cut() {
        let old: String = (0..100).map(|n| format!("{n}\n")).collect();
        let cut = unified(old.as_bytes(), b"", 10);
        assert_eq!(cut.lines().count(), 11);
        assert!(cut.ends_with("[91 more lines of diff]\n"), "{cut}");
    }

    #[test]
    fn changes_that_are_known_are_shown_however_far_apart() {
        let old: String = (1..=99_999).map(|n| format!("line {n:6}\n")).collect();
        let at = [12 * 10, 12 * 12, 12 * 90_000];
        let mut new = old.clone().into_bytes();
        at.iter().for_each(|at| new[*at] = b'L');
        let spans = at.map(|at| Span { old: at..at + 1, new: at..at + 1 });
        let text = unified_at(old.as_bytes(), &new, &spans, 100);
        let heads: Vec<_> = text.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(heads, ["@@ -10,5 +10,5 @@", "@@ -90000,3 +90000,3 @@"]);
        let short = unified_at(old.as_bytes(), &new, &spans, 5);
        assert!(short.ends_with("[3 more lines of diff, 1 more hunk]\n"), "{short}");
    }

    #[test]
    fn the_change_within_a_long_line_is_seen() {
        let old = format!("{}x{}\n", "a".repeat(5_000_000), "b".repeat(1000));
        let text = diff(&old, &old.replace('x', "y"));
        assert!(text.contains(&format!("-…{}x", "a".repeat(LEAD))), "{text}");
        assert!(text.contains(&format!("+…{}y", "a".repeat(LEAD))), "{text}");
        assert!(text.len() < 3 * LINE);
    }

    #[test]
    fn a_change_of_every_line_is_many_places() {
        let old = "line of text\n".repeat(100_000);
        let new = old.replace('l', "L");
        let spans: Vec<_> = (0..100_000).map(|n| n * 13..n * 13 + 1).collect();
        let spans: Vec<_> = spans.iter().map(|r| Span { old: r.clone(), new: r.clone() }).collect();
        let text = unified_at(old.as_bytes(), new.as_bytes(), &spans, 20);
        assert!(text.starts_with("@@ -1,"), "{text}");
        assert!(text.ends_with("more hunks]\n"), "{text}");
    }
}
