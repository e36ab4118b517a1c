//! An old text beside the lines of the file that are nearest to it: those lines, and what differs.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use crate::align;
use crate::differs::{Kind, Open, differences};
use crate::excerpt;
use crate::named::name;

const COMPARED: usize = 80; // lines of the old text
const SHOWN: usize = 12; // lines of the file; of more, those that differ
const AROUND: usize = 10 << 10; // bytes of a long line before and behind the place
const TOLD: usize = 6; // words or lines that differ; of whitespace and the like, one of each kind

/// One line of the file.
struct Line<'a> {
    number: usize,
    text: Cow<'a, str>,
    focus: usize, // the byte of it that must be seen
}

/// What differs in a line of the file, by its number; a whole sentence for `Kind::Line`.
struct Note {
    line: usize,
    kind: Kind,
    sentence: String,
}

/// Say which lines of a text are at a place, and what differs between them and an old text.
pub fn tell(said: &mut String, text: &[u8], old: &str, place: &Range<usize>) {
    let lines = lines(text, place, old.contains('\n'));
    // A line end before the text, or behind it, makes its first or last line a whole one.
    let bare = old.strip_prefix('\n').unwrap_or(old);
    let bare = bare.strip_suffix('\n').unwrap_or(bare);
    let mine: Vec<_> = bare.split('\n').take(COMPARED).collect();
    let theirs: Vec<_> = lines.iter().map(|line| line.text.as_ref()).collect();
    let pairs = align::pairs(&mine, &theirs);
    let mut notes = Vec::new();
    for (row, column) in &pairs {
        let open = Open {
            front: *row == 0 && !old.starts_with('\n'),
            back: *row + 1 == mine.len() && !old.ends_with('\n'),
        };
        let line = lines[*column].number;
        let told = differences(mine[*row], theirs[*column], open).into_iter();
        notes.extend(told.map(|(kind, sentence)| Note { line, kind, sentence }));
    }
    let near = match (pairs.first(), pairs.last()) {
        (Some((_, first)), Some((_, last))) => *first..last + 1,
        _ => 0..lines.len(),
    };
    notes.extend(without_partner(&mine, &lines, &near, &pairs));
    if old.ends_with('\n') && place.end == text.len() && text.last() != Some(&b'\n') {
        let sentence = "ends the file without a line end, in old_string with one".into();
        notes.push(Note { line: lines[near.end - 1].number, kind: Kind::End, sentence });
    }
    show(said, &lines[near], &notes);
    push_notes(said, &notes);
}

/// The lines in which a place is, and one more at both ends where several are meant.
fn lines<'a>(text: &'a [u8], place: &Range<usize>, more: bool) -> Vec<Line<'a>> {
    let (first, last) = (excerpt::line(text, place.start), excerpt::line(text, place.end));
    let before = excerpt::before(text, first.start).filter(|_| more);
    let after = excerpt::after(text, last.end).filter(|_| more);
    let mut start = before.map_or(first.start, |line| line.start);
    let end = after.map_or(last.end, |line| line.end);
    let numbers = excerpt::number(text, start)..;
    let all = text[start..end].split(|byte| *byte == b'\n').zip(numbers).map(|(line, number)| {
        let end = start + line.len();
        let from = place.start.saturating_sub(AROUND).clamp(start, end);
        let to = (place.end + AROUND).clamp(from, end);
        start = end + 1;
        let focus = place.start.saturating_sub(from);
        Line { number, text: String::from_utf8_lossy(&text[from..to]), focus }
    });
    all.collect()
}

/// The lines of the old text, and of those near it in the file, that the other does not have.
fn without_partner(
    mine: &[&str],
    lines: &[Line<'_>],
    near: &Range<usize>,
    pairs: &[(usize, usize)],
) -> Vec<Note> {
    let mut notes = Vec::new();
    for (row, line) in mine.iter().enumerate() {
        if pairs.iter().all(|pair| pair.0 != row) {
            let line = if line.trim().is_empty() { "a blank one".into() } else { name(line) };
            let sentence = format!("old_string's line {}, {line}, is not there", row + 1);
            notes.push(Note { line: 0, kind: Kind::Line, sentence });
        }
    }
    for (column, Line { number, text, .. }) in lines.iter().enumerate().take(near.end) {
        if column >= near.start && pairs.iter().all(|pair| pair.1 != column) {
            let blank = if text.trim().is_empty() { ", a blank one," } else { "" };
            let sentence = format!("line {number}{blank} is not in old_string");
            notes.push(Note { line: *number, kind: Kind::Line, sentence });
        }
    }
    notes
}

fn show(said: &mut String, lines: &[Line<'_>], notes: &[Note]) {
    let is_long = lines.len() > SHOWN;
    // A String takes every write, here and below.
    let _ = match lines {
        [_] => writeln!(said, " The nearest line:"),
        [first, .., last] if is_long => {
            let (first, last) = (first.number, last.number);
            writeln!(said, " The nearest lines are {first}-{last}, and of them differ:")
        }
        _ => writeln!(said, " The nearest lines:"),
    };
    let differs = |line: &&Line<'_>| notes.iter().any(|note| note.line == line.number);
    for line in lines.iter().filter(|line| !is_long || differs(line)).take(SHOWN) {
        let text = excerpt::cut(line.text.as_bytes(), line.focus);
        let _ = writeln!(said, "{}\t{text}", line.number);
    }
}

fn push_notes(said: &mut String, notes: &[Note]) {
    use Kind::{Case, End, Indentation, Text, Whitespace};
    for kind in [Text, Kind::Line, Indentation, Whitespace, End, Case] {
        let all: Vec<_> = notes.iter().filter(|note| note.kind == kind).collect();
        let most = if matches!(kind, Text | Kind::Line) { TOLD } else { 1 };
        for Note { line, sentence, .. } in all.iter().take(most) {
            let _ = match kind {
                Kind::Line => writeln!(said, "{sentence}"),
                _ => writeln!(said, "line {line} {sentence}"),
            };
        }
        if all.len() > most {
            said.truncate(said.trim_end().len());
            let _ = writeln!(said, " (and {} more like that)", all.len() - most);
        }
    }
    said.truncate(said.trim_end().len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nearest;

    fn told(text: &str, old: &str) -> String {
        let mut said = String::new();
        let place = nearest::find(text.as_bytes(), old.as_bytes()).unwrap();
        tell(&mut said, text.as_bytes(), old, &place);
        said
    }

    #[test]
    fn lines_are_shown_with_their_numbers() {
        let text = "import x\n\ndef run(self):\n\treturn 1\n\ndef stop(self):\n\treturn 2\n";
        let said = told(text, "def stop(self):\n    return 2\n");
        assert_eq!(
            said,
            " The nearest lines:\n6\tdef stop(self):\n7\t\treturn 2\n\
             line 7 is indented by 1 tab, in old_string by 4 spaces"
        );
    }

    #[test]
    fn lines_that_only_one_side_has_are_named() {
        let text = "a = first(1)\n\nb = second(2)\nc = third(3)\nd = fourth(4)\n";
        let said = told(text, "a = first(1)\nb = second(2)\nbb = between()\nd = fourth(4)\n");
        assert!(said.contains("line 2, a blank one, is not in old_string"), "{said}");
        assert!(said.contains("line 4 is not in old_string"), "{said}");
        assert!(said.contains("old_string's line 3, \"bb = between()\", is not there"), "{said}");
    }

    #[test]
    fn of_many_lines_those_that_differ_are_shown() {
        let text: String = (1..60).map(|n| format!("line number {n} of some\n")).collect();
        let old = text.replace("number 30 ", "number 3O ");
        let said = told(&text, &old);
        assert_eq!(
            said,
            " The nearest lines are 1-59, and of them differ:\n30\tline number 30 of some\n\
             line 30 has \"30\" where old_string has \"3O\""
        );
    }

    #[test]
    fn a_last_line_without_end_is_named() {
        assert!(told("a = 1\nb = two", "a = 1\nb = two\n").ends_with("in old_string with one"));
    }
}
