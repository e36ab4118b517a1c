//! A short unified diff of two texts, by lines.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use similar::{Algorithm, ChangeTag, DiffOp, TextDiff};

const CONTEXT: usize = 3;
const LINE: usize = 300; // characters of one line that are shown
const LARGEST: usize = 2 << 20; // bytes between the first and the last change; more is only counted
const PATIENCE: Duration = Duration::from_millis(500); // then a rougher diff does

/// The diff without its file names, at most `most` lines of it; "" where nothing differs.
pub fn unified(old: &str, new: &str, most: usize) -> String {
    if old == new {
        return String::new();
    }
    let middle = Middle::of(old, new);
    if middle.old.len() + middle.new.len() > LARGEST {
        let (minus, plus) = (lines(middle.old), lines(middle.new));
        let at = middle.before + 1;
        return format!("[-{minus} +{plus} lines from line {at} on: too many for a diff]\n");
    }
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(PATIENCE)
        .diff_lines(middle.old, middle.new);
    let mut text = String::new();
    for group in diff.grouped_ops(CONTEXT) {
        write_hunk(&mut text, &diff, &group, middle.before);
    }
    cut(text, most)
}

/// What lies between the lines that two texts have in common at both ends, with some context.
struct Middle<'a> {
    old: &'a str,
    new: &'a str,
    before: usize, // lines that were left out in front
}

impl<'a> Middle<'a> {
    fn of(old: &'a str, new: &'a str) -> Self {
        let head = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
        let start = back(&old[..floor(old, head)], CONTEXT + 1);
        let most = old.len().min(new.len()) - start;
        let tail = old.bytes().rev().zip(new.bytes().rev()).take(most);
        let same = tail.take_while(|(a, b)| a == b).count();
        let kept = forward(&old.as_bytes()[old.len() - same..], CONTEXT + 1);
        let left = same - kept;
        Self {
            old: &old[start..old.len() - left],
            new: &new[start..new.len() - left],
            before: lines(&old[..start]),
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The beginning of the line that lies so many line breaks before the end.
fn back(text: &str, breaks: usize) -> usize {
    text.rmatch_indices('\n').nth(breaks - 1).map_or(0, |(at, _)| at + 1)
}

/// How many bytes there are up to and with the so-manieth line break.
fn forward(bytes: &[u8], breaks: usize) -> usize {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(breaks - 1).map_or(bytes.len(), |(at, _)| at + 1)
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

fn write_hunk(
    text: &mut String,
    diff: &TextDiff<'_, '_, '_, str>,
    group: &[DiffOp],
    before: usize,
) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let old = span(first.old_range().start..last.old_range().end, before);
    let new = span(first.new_range().start..last.new_range().end, before);
    // A String takes every write.
    let _ = writeln!(text, "@@ -{old} +{new} @@");
    for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
        text.push(match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        });
        push_line(text, change.value());
        if change.missing_newline() {
            text.push_str("\\ no newline at the end\n");
        }
    }
}

fn span(range: Range<usize>, before: usize) -> String {
    match range.len() {
        0 => format!("{},0", range.start + before),
        1 => format!("{}", range.start + before + 1),
        many => format!("{},{many}", range.start + before + 1),
    }
}

fn push_line(text: &mut String, line: &str) {
    let line = line.trim_end_matches(['\n', '\r']);
    match line.char_indices().nth(LINE) {
        Some((end, _)) => {
            text.push_str(&line[..end]);
            text.push('…');
        }
        None => text.push_str(line),
    }
    text.push('\n');
}

fn cut(mut text: String, most: usize) -> String {
    let Some((end, _)) = text.match_indices('\n').nth(most - 1) else { return text };
    let more = lines(&text[end + 1..]);
    if more > 0 {
        text.truncate(end + 1);
        // A String takes every write.
        let _ = writeln!(text, "[{more} more lines of diff]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_far_in_has_its_own_line_numbers() {
        let old: String = (1..=50).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 30\n", "LINE 30\nand more\n");
        let expected = "@@ -27,7 +27,8 @@\n line 27\n line 28\n line 29\n-line 30\n+LINE 30\n\
                        +and more\n line 31\n line 32\n line 33\n";
        assert_eq!(unified(&old, &new, 100), expected);
    }

    #[test]
    fn repeated_lines_at_both_ends_are_counted_once() {
        assert_eq!(unified("a\na\n", "a\na\na\n", 100), "@@ -1,2 +1,3 @@\n a\n a\n+a\n");
        assert_eq!(unified("", "a\n", 100), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a\n", "a", 100), "@@ -1 +1 @@\n-a\n+a\n\\ no newline at the end\n");
        assert_eq!(unified("ä", "ö", 100).lines().count(), 5);
    }

    #[test]
    fn a_long_diff_says_how_much_was_cut() {
        let old: String = (0..100).map(|n| format!("{n}\n")).collect();
        let cut = unified(&old, "", 10);
        assert_eq!(cut.lines().count(), 11);
        assert!(cut.ends_with("[91 more lines of diff]\n"), "{cut}");
    }
}
